"""Write fixed copies of masks that are JPEGs or not turned: python tools/fix_masks.py MASKS --out FIXED."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext.errors import UserError, run_command


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(
        description="Write copies of masks as PNG: every pixel set to the nearest value that a mask may hold, and the "
        "masks turned as their images are. The originals stay. docs/new_dataset.md says when."
    )
    parser.add_argument("masks", metavar="MASKS", type=Path, help="folder of the masks")
    parser.add_argument("--out", metavar="FIXED", type=Path, required=True, help="new folder for the copies")
    allowed = parser.add_mutually_exclusive_group()
    allowed.add_argument("--values", metavar="N", nargs="+", help="the labels that a mask may hold: 0 255, or 0-5 255")
    allowed.add_argument("--colors", metavar="#RRGGBB", nargs="+", help="the colours that a mask may hold")
    parser.add_argument(
        "--turn-like", metavar="IMAGES", type=Path, help="folder of the images: turn masks by their EXIF orientation"
    )
    return parser.parse_args(argv)


def read_allowed(args: argparse.Namespace) -> Sequence[int] | Sequence[tuple[int, int, int]]:
    """Read the allowed labels or colours."""
    from mmseg_ext.masks.color_masks import parse_color

    if args.colors:
        return [parse_color(color) for color in args.colors]
    labels: list[int] = []
    for text in args.values or ():
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
        if match is None or int(match[2] or match[1]) > 65535:
            raise UserError(f"Expected labels such as 0 255 or 0-5 255 behind --values, got {text!r}.")
        labels += range(int(match[1]), int(match[2] or match[1]) + 1)
    if not labels and args.turn_like is None:
        raise UserError("Expected --values, --colors or --turn-like, got none: nothing would be fixed.")
    return labels


def run(args: argparse.Namespace) -> int:
    """Write the copies and say what changed; return 1 where masks were left out."""
    from mmseg_ext.masks.fixed_masks import fix_masks

    made = []
    for done in fix_masks(args.masks, args.out, read_allowed(args), args.turn_like):
        made.append(done)
        if done.error:
            print(f"{args.masks / done.name}: left out: {done.error}", file=sys.stderr)
        else:
            counts = f"{done.num_changed} of {done.num_pixels} pixels changed, {done.num_doubtful} doubtful"
            print(f"{done.name}: {counts}{', turned' if done.is_turned else ''}", flush=True)
    fixed = [done for done in made if not done.error]
    pixels, changed, doubtful, turned = (sum(column) for column in list(zip(*fixed, strict=True))[1:5] or [()] * 4)
    print(
        f"{args.out}: {len(fixed)} masks, {turned} turned; {changed} of {pixels} pixels changed, {doubtful} doubtful "
        "(the second nearest value is less than twice as far away)"
    )
    return 0 if len(fixed) == len(made) else 1


def main(argv: list[str] | None = None) -> int:
    """Return 0, 1 where masks were left out, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
