"""Export a trained model to ONNX, checked: python tools/export.py MODEL --out model.onnx."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack
from mmseg_ext.errors import UserError, run_command
from mmseg_ext.escaping import printable


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    from mmengine.config import DictAction

    parser = argparse.ArgumentParser(description="Export a trained model to ONNX, and check that it gives its classes")
    parser.add_argument("model", help="a work dir, a checkpoint beside its config, or a config with --checkpoint")
    parser.add_argument("--checkpoint", help="checkpoint of MODEL, where that is a config")
    parser.add_argument("--out", default="model.onnx", help="file to write; model.onnx by default")
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--size",
        nargs="+",
        type=int,
        help="height and width of its images, or one number; the training crops' by default",
    )
    size.add_argument("--dynamic", action="store_true", help="images of any size; QGIS needs one size")
    parser.add_argument("--overlap", type=int, default=15, help="percent of a tile that its neighbour shares, in QGIS")
    parser.add_argument("--resolution", type=float, help="centimetres a pixel of the training images, for QGIS")
    parser.add_argument(
        "--images", nargs="+", help="images to check on; by default some of those that the config tests"
    )
    parser.add_argument("--num-images", type=int, default=4, help="how many images of the config to check on")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, help="changes to the config, KEY=VALUE")
    parser.add_argument("--trust-checkpoint", action="store_true", help="load checkpoints that can run code")
    return parser.parse_args(argv)


def read_size(numbers: list[int] | None) -> tuple[int, int] | None:
    """Return height and width, from one number or two."""
    if numbers is None:
        return None
    if len(numbers) > 2 or min(numbers) < 1:
        raise UserError(f"Expected height and width for --size, got {' '.join(map(str, numbers))}.")
    return numbers[0], numbers[-1]


def run(args: argparse.Namespace) -> None:
    """Export, check, and print how far the classes agree."""
    stack.prepare(trust_checkpoint=args.trust_checkpoint)
    from mmseg_ext.prediction.export import ExportOptions, export

    options = ExportOptions(read_size(args.size), args.dynamic, args.overlap, args.resolution)
    agreement = export(
        args.model, args.out, options, args.checkpoint, args.images or (), args.num_images, args.cfg_options
    )
    print(printable(f"{args.out}: {agreement.describe()}"))


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
