"""Write a dataset's points into a file: python tools/sample_points.py CONFIG --num-points 20 --out points.csv."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import __version__, stack
from mmseg_ext.errors import run_command
from mmseg_ext.escaping import printable


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description="Write the points of a config's dataset into a CSV or JSON Lines file")
    parser.add_argument("config", help="config file whose labels are sampled")
    parser.add_argument("--out", required=True, help="file to write: .csv or .jsonl")
    parser.add_argument("--num-points", type=int, required=True, help="points an image, or a class and image")
    parser.add_argument("--per", choices=["image", "class"], default="image", help="what --num-points counts")
    parser.add_argument("--strategy", choices=["uniform", "class_balanced"], default="uniform", help="with --per image")
    parser.add_argument("--seed", type=int, default=0, help="names the set of points; 0 by default")
    parser.add_argument("--split", choices=["train", "val", "test"], default="train", help="whose dataloader")
    parser.add_argument("--data-root", help="names images relative to it, for datasets that give no img_name")
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Sample, write the points, print their hash."""
    stack.prepare()
    from mmseg_ext.engine.launch import load_config
    from mmseg_ext.engine.point_sampling import sample_dataset
    from mmseg_ext.points.point_files import check_target, write_points
    from mmseg_ext.progress import ProgressDisplay
    from mmseg_ext.transforms import SamplePoints

    SamplePoints(args.num_points, args.per, args.strategy)  # refuses what does not fit together
    check_target(args.out, "tools/sample_points.py")
    dataset = load_config(args.config)[f"{args.split}_dataloader"]["dataset"]
    settings = (args.num_points, args.per, args.strategy, args.seed)
    with ProgressDisplay("Sampling points") as progress:
        points, empty = sample_dataset(dataset, *settings, args.data_root, progress)
    about = {
        "written by": f"mmseg_ext {__version__}, tools/sample_points.py",
        "config": Path(args.config).name,
        "dataset": f"{dataset['type']}, {args.split}",
        "images": len({p.image for p in points}),
        "points": len(points),
        "budget": f"{args.num_points} per {args.per}, {args.strategy}",
        "seed": args.seed,
    }
    digest = write_points(args.out, points, about)
    images = f"{len(points)} points in {about['images']} images"
    print(printable(f"{args.out}: {images}, seed {args.seed}, sha256 {digest}"))
    if empty:
        print(printable(f"{len(empty)} images have no labelled pixel, such as {empty[0]}: load with allow_empty=True."))


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
