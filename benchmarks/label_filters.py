"""What majority and nearest each do to the classes of a copy: python benchmarks/label_filters.py --data data/dubai.

For the Dubai images: the share of each class among the labelled pixels, and the IoU of the reduced labels with the
original ones once they are enlarged again, a pixel of the copy to a block: the score, on the original labels, of a
prediction that is perfect at the copy's resolution. With ``--picture`` also a picture.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext.downsampling.layouts import LAYOUTS, list_pairs
from mmseg_ext.downsampling.reduce import LABEL_FILTERS, reduce_labels
from mmseg_ext.masks.color_masks import ColorMeaning, parse_color
from mmseg_ext.pictures import colorize, legend, panel, save_picture, sheet

CLASSES = {"building": "#3C1098", "land": "#8429F6", "road": "#6EC1E4", "vegetation": "#FEDD3A", "water": "#E2A929"}
PALETTE = [parse_color(color) for color in CLASSES.values()]
MEANING = ColorMeaning(PALETTE, range(len(PALETTE)), ignores_unknown=True)
IGNORED = 255


def enlarge(labels_hw: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Enlarge labels: every pixel takes the label of the cell that holds its middle."""
    rows, columns = (((2 * np.arange(a) + 1) * b // (2 * a)) for a, b in zip(shape, labels_hw.shape, strict=True))
    return labels_hw[rows][:, columns]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/dubai"))
    parser.add_argument("--factors", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--picture", type=Path, help="file to draw a part of one mask into")
    parser.add_argument("--mask", default="tile_1/masks/image_part_003.png", help="that mask")
    args = parser.parse_args(argv)
    pairs, _ = list_pairs(args.data, LAYOUTS["dubai"])
    masks = [MEANING.read_mask(args.data / pair.mask) for pair in pairs if pair.mask]
    print(f"{time.strftime('%Y-%m-%d')}, OpenCV {cv2.__version__}, numpy {np.__version__}, {len(masks)} masks\n")
    print("| labels | " + " | ".join(CLASSES) + " | mean |")
    print("|---" * (len(CLASSES) + 2) + "|")
    shares = np.sum([np.bincount(mask.ravel(), minlength=256)[: len(CLASSES)] for mask in masks], axis=0)
    print("| original, share | " + " | ".join(f"{s:.2f} %" for s in 100 * shares / shares.sum()) + " | |")
    for factor in args.factors:
        for how in LABEL_FILTERS:
            counts, confusion = np.zeros(len(CLASSES)), np.zeros((256, 256), np.int64)
            for mask in masks:
                small = reduce_labels(mask, factor, (IGNORED,), how)
                counts += np.bincount(small.ravel(), minlength=256)[: len(CLASSES)]
                again = enlarge(small, mask.shape)
                confusion += np.bincount(mask.ravel() * np.int64(256) + again.ravel(), minlength=1 << 16).reshape(
                    256, 256
                )
            confusion[IGNORED] = 0  # where the original has no label, nothing is judged
            hit = np.diag(confusion)
            iou = 100 * (hit / (confusion.sum(0) + confusion.sum(1) - hit).clip(min=1))[: len(CLASSES)]
            print(
                f"| 1/{factor} {how}, share | " + " | ".join(f"{s:.2f} %" for s in 100 * counts / counts.sum()) + " | |"
            )
            print(
                f"| 1/{factor} {how}, IoU | " + " | ".join(f"{v:.2f}" for v in iou) + f" | {iou.mean():.2f} |",
                flush=True,
            )
    if args.picture:
        mask = MEANING.read_mask(args.data / args.mask)[:320, :320]
        rows = []
        for how in LABEL_FILTERS:
            columns = [("original" if how == "majority" else "", mask)]
            for factor in args.factors:
                small = enlarge(reduce_labels(mask, factor, (IGNORED,), how), mask.shape)
                columns.append((f"1/{factor}, {how}", small))
            rows.append(panel([(title, colorize(labels, PALETTE)) for title, labels in columns]))
        strip = legend([*CLASSES, "no label"], [*PALETTE, (0, 0, 0)], rows[0].shape[1])
        print(f"\n{save_picture(args.picture, sheet(rows, strip))}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
