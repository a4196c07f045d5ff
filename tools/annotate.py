"""Click points in the browser, with a model that learns as you click: python tools/annotate.py IMAGES --classes A B."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext.errors import run_command
from mmseg_ext.escaping import printable


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description="Click points in the browser, with a model that learns as you click")
    add = parser.add_argument
    add("images", metavar="IMAGES", help="folder of images, with all folders below")
    add("--classes", nargs="+", required=True, metavar="NAME", help="the classes; NAME=#RRGGBB sets a colour")
    add("--out", default="points.csv", metavar="FILE", help="file of points to write (default: points.csv)")
    add("--import", nargs="+", dest="imports", default=[], metavar="FILE", help="points to begin with, of any format")
    add("--annotator", default="", metavar="NAME", help="who clicks; can be changed on the page")
    add("--backbone", metavar="NAME", help="efficientnet-lite0, -lite1, -lite2, trees, or an arch of DINO")
    add("--checkpoint", metavar="FILE", help="weights of the backbone; 'timm' downloads those of DINO")
    add("--scale", nargs=2, type=int, default=(2048, 1024), metavar="PIXELS", help="longer, shorter side for the model")
    add("--cache-dir", metavar="DIR", help="folder for features (default: ~/.cache/mmseg_ext/features)")
    add("--cache-gb", type=float, default=10.0, metavar="GB", help="most that the features may take (default: 10)")
    add("--host", default="127.0.0.1", help="address to listen at; by default this machine alone can open the page")
    add("--port", type=int, default=8765, help="port, 0 for a free one (default: 8765)")
    add("--no-browser", action="store_false", dest="browser", help="print the address, open no browser")
    add("--trust-checkpoint", action="store_true", help="load checkpoints that can run code")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C."""
    from mmseg_ext.annotation.annotating import AnnotateOptions, annotate

    annotate(AnnotateOptions(**vars(args)), lambda line: print(printable(line), flush=True))


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)), "Stopped. The same command goes on from here.")


if __name__ == "__main__":
    sys.exit(main())
