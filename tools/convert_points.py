"""Convert points of other programs: python tools/convert_points.py INPUT … --images DIR --out points.csv."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import __version__
from mmseg_ext.errors import run_command
from mmseg_ext.escaping import printable

COMMAND = "tools/convert_points.py"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    from mmseg_ext.points.foreign_formats import FORMATS

    parser = argparse.ArgumentParser(
        description="Read points of Label Studio, CVAT, labelme, CoralNet, napari, GeoJSON or this package, and write "
        "them as one file of points. docs/points.md describes the formats."
    )
    parser.add_argument("inputs", metavar="INPUT", nargs="+", type=Path, help="files; a folder for labelme's")
    parser.add_argument(
        "--images", metavar="DIR", required=True, type=Path, help="folder that images are named relative to"
    )
    parser.add_argument("--out", required=True, help="file to write: .csv or .jsonl")
    parser.add_argument("--classes", metavar="NAME", nargs="+", help="the classes that there may be; all by default")
    parser.add_argument("--format", choices=FORMATS, help="format of all inputs; recognised by default")
    parser.add_argument(
        "--frame", choices=["shown", "stored"], help="whether pixels count after or before the EXIF orientation"
    )
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    """Read the inputs, say what looks wrong, write the points."""
    from mmseg_ext.points.foreign_formats import read_points
    from mmseg_ext.points.point_files import check_target, write_points
    from mmseg_ext.prediction.image_frames import FolderFrames
    from mmseg_ext.progress import ProgressDisplay

    check_target(args.out, COMMAND)
    images, points = FolderFrames(args.images), []
    with ProgressDisplay("Reading points") as progress:
        for number, path in enumerate(args.inputs, 1):
            file = read_points(path, images, args.classes, args.format, args.frame)
            points += file.points
            print(printable(f"{path}: {len(file.points)} points, format {file.about['format']}"))
            for note in file.notes:
                print(printable(f"  {note}"))
            progress(number, len(args.inputs))
    num_images, classes = len({p.image for p in points}), sorted({str(p.label) for p in points})
    about = {"written by": f"mmseg_ext {__version__}, {COMMAND}", "images": num_images, "points": len(points)}
    write_points(args.out, points, about)
    print(printable(f"{args.out}: {len(points)} points in {num_images} images, classes {', '.join(classes)}"))


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
