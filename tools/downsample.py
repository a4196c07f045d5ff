"""Copy a dataset at a fraction of its resolution: python tools/downsample.py SRC [DST] --factor 2 4 8."""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext.errors import run_command
from mmseg_ext.escaping import printable


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    from mmseg_ext.downsampling.layouts import LAYOUTS

    parser = argparse.ArgumentParser(
        description="Copy a dataset at 1/N of its resolution: same tree, same names. Interrupted, it goes on when "
        "started again. docs/resolution.md shows what each filter does."
    )
    parser.add_argument("source", metavar="SRC", help="folder of the dataset")
    parser.add_argument(
        "target", metavar="DST", nargs="?", help="folder of the copy; by default <SRC>_ds_<N> beside it"
    )
    parser.add_argument("--factor", metavar="N", type=int, nargs="+", required=True, help="one or several, 2 or more")
    parser.add_argument(
        "--labels", choices=["majority", "nearest"], default="majority", help="what a label is chosen by"
    )
    parser.add_argument("--ignore", metavar="LABEL", nargs="*", help="labels or #RRGGBB that do not vote")
    parser.add_argument("--quality", type=int, default=95, help="of JPEG and WebP images, 1 to 100; 95 by default")
    parser.add_argument("--png", action="store_true", help="write all images as PNG, without loss")
    parser.add_argument("--layout", choices=list(LAYOUTS), help="kind of tree; by default found by its folders")
    parser.add_argument("--folders", nargs=2, metavar=("IMAGES", "MASKS"), help="names of the folders, any other tree")
    parser.add_argument(
        "--tails",
        nargs=2,
        metavar=("IMAGE", "MASK"),
        help="what the names in them end in: _sat _mask for 7_sat, 7_mask",
    )
    parser.add_argument("--workers", type=int, help="processes; by default one a core")
    parser.add_argument("--shard", metavar="i/n", default="1/1", help="do the i-th of n parts, 1/n to n/n")
    parser.add_argument("--strict", action="store_true", help="stop at the first unusable file")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Make the copies; return 1 where files were left out."""
    from mmseg_ext.downsampling.copying import CopyStoppedError, make_copies
    from mmseg_ext.downsampling.options import read_options
    from mmseg_ext.masks.orientation import FIX_UNTURNED
    from mmseg_ext.progress import ProgressDisplay

    options = read_options(args)
    title = f"Copying {options.source} at " + ", ".join(f"1/{target.factor}" for target in options.targets)
    try:
        with ProgressDisplay(title) as progress:
            result = make_copies(**vars(options), progress=progress)
    except CopyStoppedError as error:
        print(printable(f"error: {error} Stopped there, as --strict asks."), file=sys.stderr)
        return 1
    for target in options.targets:
        print(printable(f"{target.root}: {result.num_images} images at 1/{target.factor}"))
    print(f"{options.layout.name} tree, labels by {options.filters.labels}; {result.num_made} images made in this run")
    if result.num_turned:
        print(
            f"{result.num_turned} images were turned by an EXIF orientation that their masks lack. That is right where "
            f"the masks were drawn on the images as viewers show them. If not: {FIX_UNTURNED}, and copy again."
        )
    if not result.is_complete:
        print(
            f"dataset.json is not written yet: {result.missing}. The last shard to end writes it, or a run without "
            "--shard once all files are in one folder."
        )
    for failure in result.failed:
        print(printable(f"{os.path.join(args.source, failure.path)}: {failure.reason}"), file=sys.stderr)
    if result.failed:
        print(f"{len(result.failed)} files were left out. Fix them and start the same command again.", file=sys.stderr)
    return 1 if result.failed else 0


def main(argv: list[str] | None = None) -> int:
    """Return 0, 1 where files were left out, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)), "Stopped. The same command goes on from here.")


if __name__ == "__main__":
    sys.exit(main())
