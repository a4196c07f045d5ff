"""How well a ranking of areas finds errors that are known.

Shape suffixes: H W height and width, R ranked areas.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.audit_study.errors import Error

MIN_IOU = 0.25
"""Intersection over union from which on an area is that of an error."""


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


def average_precision(found_R: np.ndarray, num_errors: int) -> float:
    """Return the area under the precision-recall curve, as the mean of the precision at each error; 0 where missed."""
    is_hit = found_R[found_R != -2] >= 0
    precision = np.cumsum(is_hit) / np.arange(1, len(is_hit) + 1)
    return float(precision[is_hit].sum() / num_errors)
