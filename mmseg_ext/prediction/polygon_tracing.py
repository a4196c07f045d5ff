"""Polygons of a class map that comes in chunks of rows; none is cut where two chunks meet.

A piece of an area that touches the last row of a chunk waits for the next one. Pieces that lie side by side across the
edge belong to one area, which is handed on, as one polygon, as soon as no piece of it waits any more.

Shape suffixes: H height, W width.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import cv2
import numpy as np
import shapely
from shapely.geometry import shape

from mmseg_ext.prediction.geo_packages import load_rasterio

CHUNK_PIXELS = 2**23
"""Pixels of a chunk, about: less than the memory of a row of windows."""


class AreaPolygon(NamedTuple):
    """One connected area of one class.

    Attributes:
        class_index: The class.
        polygon: In pixels: x to the right, y down, from the raster's corner.
        num_pixels: Its size.
        confidence: Mean probability of the class over its pixels, NaN where it is not known.
    """

    class_index: int
    polygon: shapely.Polygon
    num_pixels: int
    confidence: float


@dataclass
class _Area:
    """An area that may go on: its pieces, and sums over its pixels."""

    class_index: int
    num_pixels: int
    confidence_sum: float
    pieces: list[Any] = field(default_factory=list)
    joined_to: "_Area | None" = None

    def root(self) -> "_Area":
        area = self
        while area.joined_to is not None:
            area = area.joined_to
        return area

    def join(self, other: "_Area") -> None:
        """Take over another area of the same class."""
        mine, theirs = self.root(), other.root()
        if mine is theirs:
            return
        if len(mine.pieces) < len(theirs.pieces):
            mine, theirs = theirs, mine
        mine.num_pixels += theirs.num_pixels
        mine.confidence_sum += theirs.confidence_sum
        mine.pieces += theirs.pieces
        theirs.pieces, theirs.joined_to = [], mine

    def finish(self) -> AreaPolygon:
        merged = self.pieces[0] if len(self.pieces) == 1 else shapely.simplify(shapely.union_all(self.pieces), 0)
        return AreaPolygon(self.class_index, merged, self.num_pixels, self.confidence_sum / self.num_pixels)


def number_areas(classes_HW: np.ndarray, nodata: int) -> tuple[np.ndarray, np.ndarray]:
    """Number the connected areas of all classes.

    Args:
        classes_HW: Class indices.
        nodata: The value of pixels that belong to no area.

    Returns:
        int32 (H, W), numbers from 1, 0 where there is no data; and the class of each number, that of 0 being −1.
    """
    numbers_HW = np.zeros(classes_HW.shape, np.int32)
    class_of = [-1]
    for index in np.unique(classes_HW).tolist():
        if index == nodata:
            continue
        mask_HW = (classes_HW == index).view(np.uint8)
        count, own_HW = cv2.connectedComponents(mask_HW, connectivity=4, ltype=cv2.CV_32S)
        own_HW += np.int32(len(class_of) - 1)
        np.copyto(numbers_HW, own_HW, where=mask_HW.view(bool))
        class_of += [index] * (count - 1)
    return numbers_HW, np.array(class_of)


def trace_polygons(
    chunks: Iterable[tuple[int, np.ndarray, np.ndarray | None]], nodata: int, min_pixels: int = 1
) -> Iterator[AreaPolygon]:
    """Trace the areas of a class map.

    Args:
        chunks: (first row, classes (H, W), probability of the class times 255 (H, W) or None), from the top.
        nodata: The value of pixels without data.
        min_pixels: Smaller areas are left out.

    Yields:
        The areas, as they are complete.
    """
    waiting: dict[int, _Area] = {}  # by number in the last chunk, those that touch its last row
    last_row = np.zeros(0, np.int32)
    for top, classes_HW, confidence_HW in chunks:
        numbers_HW, class_of = number_areas(classes_HW, nodata)
        areas = _measure(numbers_HW, class_of, confidence_HW)
        joined = _join_across_edge(last_row, numbers_HW[0], waiting, areas)
        open_numbers = set(np.unique(numbers_HW[-1]).tolist()) - {0}
        _trace_pieces(numbers_HW, top, areas, min_pixels, joined | open_numbers)
        still_open = {id(areas[number].root()) for number in open_numbers}
        candidates = [*waiting.values(), *(areas[number] for number in range(1, len(areas)))]
        yield from _finished(candidates, still_open, min_pixels)
        waiting = {number: areas[number] for number in open_numbers}
        last_row = numbers_HW[-1].copy()
    yield from _finished(waiting.values(), set(), min_pixels)


def _measure(numbers_HW: np.ndarray, class_of: np.ndarray, confidence_HW: np.ndarray | None) -> list[_Area]:
    counts = np.bincount(numbers_HW.ravel(), minlength=len(class_of))
    sums: np.ndarray = np.full(len(class_of), np.nan)
    if confidence_HW is not None:
        sums = np.bincount(numbers_HW.ravel(), confidence_HW.ravel(), len(class_of)) / 255
    return [_Area(*values) for values in zip(class_of.tolist(), counts.tolist(), sums.tolist(), strict=True)]


def _join_across_edge(
    above_W: np.ndarray, below_W: np.ndarray, waiting: dict[int, _Area], areas: list[_Area]
) -> set[int]:
    """Join areas of one class that lie one below the other; return the numbers of those below."""
    joined: set[int] = set()
    if not len(above_W):
        return joined
    pairs = np.unique(np.stack([above_W, below_W], axis=1)[(above_W > 0) & (below_W > 0)], axis=0)
    for upper, lower in pairs.tolist():
        if waiting[upper].class_index == areas[lower].class_index:
            waiting[upper].join(areas[lower])
            joined.add(lower)
    return joined


def _trace_pieces(numbers_HW: np.ndarray, top: int, areas: list[_Area], min_pixels: int, kept: set[int]) -> None:
    """Trace the areas of a chunk that are large enough or may belong to larger ones."""
    is_traced = np.array([area.num_pixels >= min_pixels for area in areas])
    is_traced[list(kept)] = True
    is_traced[0] = False
    if not is_traced.any():
        return
    load_rasterio()
    from rasterio.features import shapes
    from rasterio.transform import Affine

    placed = Affine.translation(0, top)
    for geometry, number in shapes(numbers_HW, mask=is_traced[numbers_HW], connectivity=4, transform=placed):
        areas[int(number)].root().pieces.append(shape(geometry))


def _finished(areas: Iterable[_Area], still_open: set[int], min_pixels: int) -> Iterator[AreaPolygon]:
    seen: set[int] = set()
    for area in areas:
        root = area.root()
        if id(root) in still_open or id(root) in seen:
            continue
        seen.add(id(root))
        if root.num_pixels >= min_pixels and root.pieces:
            yield root.finish()
