"""How well a ranking of areas finds errors that are known.

Shape suffixes: H W height and width, R ranked areas.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.audit_study.errors import Error

MIN_IOU = 0.25
"""Intersection over union from which on an area is that of an error."""
MIN_BOX_IOU = 0.5
"""That of boxes, from which on an area is one that a person has judged."""


class RankedArea(NamedTuple):
    """An area with its score.

    Attributes:
        image: Index of its image.
        box: Rows and columns.
        mask_hw: The pixels inside of the box, bool.
        score: The higher, the more it looks like an error.
    """

    image: int
    box: tuple[slice, slice]
    mask_hw: np.ndarray
    score: float


def match_areas(areas: Iterable[RankedArea], errors: Sequence[Error]) -> np.ndarray:
    """Find the error that each area shows, the highest score first.

    Returns:
        Index of the error, int (R,); -1 for none, -2 for an area of an error that a better one has shown already.
    """
    of_image: dict[int, list[int]] = {}
    for index, error in enumerate(errors):
        of_image.setdefault(error.image, []).append(index)
    sizes = [int(error.changed_HW.sum()) for error in errors]
    shown: set[int] = set()
    found = []
    for area in sorted(areas, key=lambda a: -a.score):
        best, best_iou = -1, MIN_IOU
        num_pixels = int(area.mask_hw.sum())
        for index in of_image.get(area.image, ()):
            both = int((errors[index].changed_HW[area.box] & area.mask_hw).sum())
            iou = both / (num_pixels + sizes[index] - both)
            if iou >= best_iou:
                best, best_iou = index, iou
        found.append(-2 if best in shown else best)
        if best >= 0:
            shown.add(best)
    return np.array(found, dtype=np.int64)


def precision_at(found_R: np.ndarray, count: int = 20) -> float:
    """Return the share of errors among the first areas, those of an error shown already left out."""
    first = found_R[found_R != -2][:count]
    return float((first >= 0).sum() / count)


Box = tuple[slice, slice]


def read_judged(path: Path, names: Sequence[str]) -> dict[int, list[Box]]:
    """Read the boxes of the areas that a person judged to be labelled wrongly, by the index of the image.

    Args:
        path: A CSV file with the columns image, x, y, width, height, verdict; without it there are none.
        names: Of the images.
    """
    found: dict[int, list[Box]] = {}
    if path.is_file():
        index_of = {name: index for index, name in enumerate(names)}
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            if row["verdict"] == "wrong" and row["image"] in index_of:
                x, y, width, height = (int(row[key]) for key in ("x", "y", "width", "height"))
                found.setdefault(index_of[row["image"]], []).append((slice(y, y + height), slice(x, x + width)))
    return found


def count_judged(
    areas: Iterable[RankedArea], found_R: np.ndarray, judged: Mapping[int, Sequence[Box]], count: int = 20
) -> int:
    """Count the areas among the first that show no error put in, but one that a person has found in the labels."""
    ranked = sorted(areas, key=lambda a: -a.score)
    first = [(area, found) for area, found in zip(ranked, found_R, strict=True) if found != -2][:count]
    besides = [area for area, found in first if found == -1]
    return sum(any(_box_iou(a.box, box) >= MIN_BOX_IOU for box in judged.get(a.image, ())) for a in besides)


def _box_iou(one: Box, other: Box) -> float:
    sides = [max(0, min(a.stop, b.stop) - max(a.start, b.start)) for a, b in zip(one, other, strict=True)]
    both = sides[0] * sides[1]
    areas = [(box[0].stop - box[0].start) * (box[1].stop - box[1].start) for box in (one, other)]
    return both / (sum(areas) - both)


def average_precision(found_R: np.ndarray, num_errors: int) -> float:
    """Return the area under the precision-recall curve, as the mean of the precision at each error; 0 where missed."""
    is_hit = found_R[found_R != -2] >= 0
    precision = np.cumsum(is_hit) / np.arange(1, len(is_hit) + 1)
    return float(precision[is_hit].sum() / num_errors)
