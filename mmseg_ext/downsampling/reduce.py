"""Images and labels at a fraction of their resolution.

An axis of `size` pixels becomes ``reduced_size(size, factor)`` cells of equal length, ``size / cells``: the geometry of
any plain resize, so that enlarging by the same rule restores every position. A pixel of a reduced image
is the mean of its cell, to which a pixel that the border cuts counts by its share. A pixel of a reduced label map is
chosen among the pixels whose middle lies in the cell.

Shape suffixes: H, W pixels of the original, h, w pixels of the copy, C channels, M cells, P pixels of a cell.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import cv2
import numpy as np

LabelFilter = Literal["majority", "nearest"]
LABEL_FILTERS: tuple[LabelFilter, ...] = ("majority", "nearest")

_COMPARED_AT_ONCE = 1 << 20  # pixels: bounds the memory that a large mask takes, and stays in the processor's cache


def reduced_size(size: int, factor: int) -> int:
    """Return the length of an axis at 1/factor: the nearest whole number, halves up, at least 1.

    Example:
        >>> [reduced_size(size, 4) for size in (512, 683, 685, 686, 1)]
        [128, 171, 171, 172, 1]
    """
    return max(1, (2 * size + factor) // (2 * factor))


def reduce_image(image: np.ndarray, factor: int) -> np.ndarray:
    """Reduce an image: each pixel of the copy is the mean of its cell.

    Args:
        image: (H, W) or (H, W, C), uint8 or uint16.
        factor: How many pixels of the original go into one, along each axis.

    Returns:
        (h, w) or (h, w, C), of the same dtype.
    """
    height, width = (reduced_size(size, factor) for size in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


def reduce_labels(
    labels: np.ndarray,
    factor: int,
    ignored: Sequence[int] | Sequence[Sequence[int]] = (),
    how: LabelFilter = "majority",
) -> np.ndarray:
    """Reduce a label map.

    Args:
        labels: (H, W), uint8 or uint16; or colours (H, W, 3), uint8, each of which is a label.
        factor: How many pixels of the original go into one, along each axis.
        ignored: Labels without a vote; rows of three for colours. A cell of such labels alone keeps the first of them.
        how: 'majority': the label of most pixels of the cell; of several with as many, the one met first in reading
            order (rows from the top, each from the left), so that no label is favoured. 'nearest': the label at the
            middle of the cell, ignored or not.

    Returns:
        (h, w) or (h, w, 3), of the same dtype. Holds no label that its cell does not hold.

    Example:
        >>> reduce_labels(np.array([[0, 7, 2, 2], [7, 7, 2, 3]], np.uint8), 2)
        array([[7, 2]], dtype=uint8)
    """
    rows, columns = (cut_axis(size, factor) for size in labels.shape[:2])
    if how == "nearest":
        return np.asarray(labels[rows.middle].take(columns.middle, axis=1))
    packed_HW, none = labels, np.asarray(ignored)
    if labels.ndim == 3:
        packed_HW = _pack(labels)
        none = _pack(none.astype(np.uint8).reshape(-1, 1, 3)).ravel() if len(none) else none
    reduced_hw = packed_HW[rows.first].take(columns.first, axis=1)
    _vote_in_mixed_cells(packed_HW, reduced_hw, _mixed_cells(labels, rows, columns), rows, columns, none)
    return _unpack(reduced_hw) if labels.ndim == 3 else reduced_hw


class Axis(NamedTuple):
    """One axis cut into n cells.

    Attributes:
        first: (n,) the first pixel whose middle lies in the cell; one on the border lies in the later cell.
        length: (n,) how many pixels these are.
        lengths: The distinct ones of them: the factor, and at most one more.
        middle: (n,) the pixel in the middle of the cell; the later of two.
    """

    first: np.ndarray
    length: np.ndarray
    lengths: tuple[int, ...]
    middle: np.ndarray


@lru_cache(maxsize=256)
def cut_axis(size: int, factor: int) -> Axis:
    """Cut an axis of `size` pixels into cells of equal length: cell i from i · size / n to (i + 1) · size / n."""
    cells = reduced_size(size, factor)
    borders = (2 * size * np.arange(cells + 1, dtype=np.int64) + cells - 1) // (2 * cells)
    middle = (2 * np.arange(cells, dtype=np.int64) + 1) * size // (2 * cells)
    length = np.diff(borders)
    for part in (borders, middle, length):
        part.setflags(write=False)  # shared by all images of this size
    return Axis(borders[:-1], length, tuple(np.unique(length).tolist()), middle)


def _mixed_cells(labels: np.ndarray, rows: Axis, columns: Axis) -> np.ndarray:
    """Find the cells that may hold more than one label: (h, w) bool.

    Uses windows as large as the largest cell; a smaller cell may be found mixed though it is not.
    """
    window = np.ones((rows.lengths[-1], columns.lengths[-1]), np.uint8)
    # Greatest less least label of the window that begins at a pixel; nothing is seen beyond the border.
    spread = np.asarray(cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, window, anchor=(0, 0)))
    nothing = 0
    if spread.ndim == 3:
        spread, nothing = _pack(spread), _pack(np.zeros((1, 1, 3), np.uint8))[0, 0]
    return np.asarray(spread[rows.first].take(columns.first, axis=1) != nothing)


def _vote_in_mixed_cells(
    labels_HW: np.ndarray,
    reduced_hw: np.ndarray,
    mixed_hw: np.ndarray,
    rows: Axis,
    columns: Axis,
    ignored: np.ndarray,
) -> None:
    """Put the majority's label into the mixed cells of `reduced_hw`, cells of one size at a time."""
    width, flat, written = labels_HW.shape[1], labels_HW.ravel(), reduced_hw.ravel()
    for height_of_cell in rows.lengths:
        for width_of_cell in columns.lengths:
            of_size_hw = mixed_hw & (rows.length == height_of_cell)[:, None] & (columns.length == width_of_cell)
            cells = np.flatnonzero(of_size_hw)
            pixels_P1 = (np.arange(height_of_cell)[:, None] * width + np.arange(width_of_cell)).reshape(-1, 1)
            at_once = max(1, _COMPARED_AT_ONCE // len(pixels_P1))
            for start in range(0, len(cells), at_once):
                chunk_M = cells[start : start + at_once]
                y, x = np.divmod(chunk_M, len(columns.first))
                written[chunk_M] = _vote(flat.take(pixels_P1 + (rows.first[y] * width + columns.first[x])), ignored)
    reduced_hw.ravel()[:] = written


def _vote(labels_PM: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """Return the most frequent label of each cell, the first in order of several: (M,)."""
    num_pixels, num_cells = labels_PM.shape
    winner_M = np.empty(num_cells, labels_PM.dtype)
    has_vote_PM = np.ones(labels_PM.shape, bool)
    for label in ignored:
        has_vote_PM &= labels_PM != label
    open_M = np.arange(num_cells)
    for candidate in (num_pixels // 2, 0, num_pixels - 1):
        # A label on more than half of the pixels has won, and as a rule it is on one of these three.
        is_like_PM = labels_PM == labels_PM[candidate]
        has_won_M = (2 * np.count_nonzero(is_like_PM, axis=0) > num_pixels) & has_vote_PM[candidate]
        winner_M[open_M[has_won_M]] = labels_PM[candidate, has_won_M]
        rest = np.flatnonzero(~has_won_M)
        open_M, labels_PM, has_vote_PM = open_M[rest], labels_PM.take(rest, axis=1), has_vote_PM.take(rest, axis=1)
    at_once = max(1, _COMPARED_AT_ONCE // num_pixels**2)
    for start in range(0, len(open_M), at_once):
        few = slice(start, start + at_once)
        winner_M[open_M[few]] = _compare_all(labels_PM[:, few], has_vote_PM[:, few])
    return winner_M


def _compare_all(labels_PM: np.ndarray, has_vote_PM: np.ndarray) -> np.ndarray:
    """Return the most frequent label of each cell by comparing each of its pixels with each: (M,)."""
    num_pixels, num_cells = labels_PM.shape
    is_like_PPM = labels_PM[:, None] == labels_PM
    # Bytes are quickest to add, where they hold the sum.
    count = np.uint8 if num_pixels < 256 else np.uint32
    votes_PM = np.add.reduce(is_like_PPM.view(np.uint8), axis=1, dtype=count) * has_vote_PM
    # The votes for a pixel's label, then its place counted from the end: the greatest of these numbers is chosen.
    from_end_P1 = np.arange(num_pixels - 1, -1, -1, dtype=np.uint32)[:, None]
    best_M = (votes_PM * np.uint32(num_pixels) + from_end_P1).max(axis=0)
    place_M = num_pixels - 1 - (best_M % num_pixels).astype(np.int64)
    return np.asarray(labels_PM[place_M, np.arange(num_cells)])


def _pack(colors: np.ndarray) -> np.ndarray:
    """Turn colours (H, W, 3), uint8, into one number each: (H, W) uint32."""
    return cv2.cvtColor(np.ascontiguousarray(colors), cv2.COLOR_RGB2RGBA).view(np.uint32)[..., 0]


def _unpack(packed_HW: np.ndarray) -> np.ndarray:
    """Undo :func:`_pack`."""
    return np.ascontiguousarray(packed_HW.view(np.uint8).reshape(*packed_HW.shape, 4)[..., :3])
