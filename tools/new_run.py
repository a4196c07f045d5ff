"""Write a config for a folder of images and labels: python tools/new_run.py IMAGES [MASKS or points.csv]."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack
from mmseg_ext.errors import run_command
from mmseg_ext.escaping import printable


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(
        description="Look at images and their labels, say what they hold and what is not certain, and write the leaf "
        "config of a run on them. No question is asked: each guess has an option. docs/new_run.md describes it."
    )
    parser.add_argument("images", metavar="IMAGES", type=Path, help="folder of the images, or of images and masks")
    parser.add_argument(
        "labels", metavar="MASKS", type=Path, nargs="?", help="folder of the masks, or a file of points"
    )
    parser.add_argument(
        "--out", type=Path, help="config to write; by default it is named by its parts, in configs/own/"
    )
    parser.add_argument(
        "--model", choices=["features", "fpn"], default="features", help="frozen features, or all trained"
    )
    parser.add_argument("--masks-are", choices=["index", "color", "binary"], help="how masks name classes")
    parser.add_argument(
        "--classes", metavar="NAME", nargs="+", help="names of the classes, in the order of their values"
    )
    parser.add_argument(
        "--colors", metavar="#RRGGBB", nargs="+", help="colours of the classes in the masks, in their order"
    )
    parser.add_argument("--ignore", metavar="VALUE", nargs="+", default=[], help="values or colours without a label")
    parser.add_argument("--image-tail", help="what names of images end in, as _sat in 7_sat.jpg")
    parser.add_argument("--mask-tail", help="what names of masks end in, as _mask in 7_mask.png")
    parser.add_argument("--scenes", metavar="REGEX", help="finds the scene in an image's path; '' for none")
    parser.add_argument("--folds", type=int, help="parts of which one is held out; 3 by default")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Look, say what was seen, write the leaf."""
    stack.prepare()
    from mmseg_ext.engine.leaf_config import CONFIGS, MODELS, format_leaf, leaf_name, write_leaf
    from mmseg_ext.engine.new_run import Options, class_table, survey
    from mmseg_ext.progress import ProgressDisplay

    names = (args.classes, args.colors, args.ignore, args.image_tail, args.mask_tail, args.scenes)
    options = Options(args.masks_are, *names, args.folds)
    with ProgressDisplay("Reading images and labels") as progress:
        found = survey(args.images, args.labels, options, progress)
    print("\n".join(printable(line) for line in found.seen))
    print(f"\n{class_table(found)}\n")
    if found.doubts:
        print("Not certain:")
        print("\n".join(printable(f"- {doubt}") for doubt in found.doubts) + "\n")
    name = Path(found.dataset["data_root"]).resolve().name
    path = args.out or CONFIGS / "own" / leaf_name(args.model, name)
    title = f"{name}: {found.num_images} images, {len(found.classes)} classes"
    head = {"num_classes": len(found.classes), **(MODELS[args.model].points_head if found.has_uneven_points else {})}
    write_leaf(path, format_leaf(path, args.model, title, found.dataset, found.splits, head))
    print(printable(f"{path} is written. Train it: python {MODELS[args.model].tool} {path}"))


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
