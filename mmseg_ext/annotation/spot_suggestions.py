"""The spot to label next, out of the images that the model has features of.

Shape suffixes: C classes, h w height and width of a map, K cells of an image.
"""

from collections import defaultdict
from collections.abc import Set as AbstractSet
from itertools import accumulate, takewhile

import cv2
import numpy as np

from mmseg_ext.annotation.image_folder import ImageFolder
from mmseg_ext.annotation.point_database import PointDatabase
from mmseg_ext.annotation.suggestions import (
    CellPool,
    ImageCells,
    begins_with_spread,
    cell_grid,
    find_hesitation,
    spread_spot,
)

MAX_CELLS = 4096
"""Cells that are compared with one another: those of the nearest images."""
NEAR_IMAGES = 24
"""Images around the one in view that spots are looked for in."""
SPREAD_AN_IMAGE = 3
"""Points that an image gets by an even spread before the next one does."""
KEPT_IMAGES = 48
"""Images whose cells are kept."""


class SpotSuggestions:
    """Chooses spots; safe to be asked while another thread updates it.

    Args:
        folder: The images.
        database: The points.
    """

    def __init__(self, folder: ImageFolder, database: PointDatabase) -> None:
        self.folder, self.database = folder, database
        self._cells: dict[int, ImageCells] = {}
        self._doubt: dict[int, tuple[int, np.ndarray]] = {}
        self._pool = CellPool({})

    def clear(self) -> None:
        """Forget what the model has said: there is none any more."""
        self._doubt.clear()

    def version_of(self, number: int) -> int:
        """Return the fit that the doubt in an image is of, 0 where there is none."""
        return self._doubt[number][0] if number in self._doubt else 0

    def lacks_cells(self, viewed: int) -> list[int]:
        """List the images around the one in view whose cells are not there, the nearest first."""
        return [number for number in self.folder.neighbours(viewed, NEAR_IMAGES) if number not in self._cells]

    def add_cells(self, number: int, cells: ImageCells) -> None:
        """Take the cells of an image; those of the image that is farthest from it may go."""
        self._cells[number] = cells
        if len(self._cells) > KEPT_IMAGES:
            farthest = max(self._cells, key=lambda other: abs(other - number))
            del self._cells[farthest]
            self._doubt.pop(farthest, None)

    def update(self, number: int, probabilities_Chw: np.ndarray, version: int) -> None:
        """Take what the model predicts in an image.

        Args:
            number: Of the image.
            probabilities_Chw: On a grid that covers it.
            version: Of the fit, from 1.
        """
        self._doubt[number] = (version, cell_doubt(probabilities_Chw, self.folder.size(number)))

    def pool_of(self, viewed: int) -> list[int]:
        """List the images whose cells are compared, the nearest to the one in view."""
        near = sorted(self._cells, key=lambda number: (abs(number - viewed), number < viewed))
        totals = accumulate(len(self._cells[number].positions_K2) for number in near)
        return [number for number, _ in zip(near, takewhile(lambda total: total <= MAX_CELLS, totals), strict=False)]

    def is_pooled(self, viewed: int) -> bool:
        """Whether the cells that are compared are those of enough images, the one in view among them."""
        numbers = self._pool.numbers
        return (viewed in numbers or viewed not in self._cells) and len(numbers) >= len(self.pool_of(viewed))

    def pool(self, viewed: int) -> None:
        """Compare the cells of the images around the one in view, in half a second."""
        self._pool = CellPool({number: self._cells[number] for number in self.pool_of(viewed)})

    def next_spot(self, viewed: int, left_out: AbstractSet[int]) -> dict[str, int] | None:
        """Return where a label is worth most: image, x and y; None where all images are done.

        Args:
            viewed: Number of the image in view.
            left_out: Images that cannot be read.
        """
        number_of, taken = self.folder.number_of, defaultdict(list)
        points = [point for point in self.database.points_since() if point.image in number_of]
        for point in points:
            taken[number_of[point.image]].append((point.y, point.x))
        for name, places in self.database.skipped().items():
            if name in number_of:
                taken[number_of[name]] += places
        done = {number_of.get(name) for name, is_done in self.database.done_since().items() if is_done}
        allowed = [number for number in self.folder.neighbours(viewed) if number not in done | left_out]
        counts_C = np.bincount([point.label for point in points], minlength=len(self.database.classes))
        doubt = {} if begins_with_spread(counts_C) else {n: doubt_K for n, (_, doubt_K) in dict(self._doubt).items()}
        found = self._pool.choose(doubt, taken, allowed, viewed)
        # Without features, and where fast clicks have left no time for those of the images around.
        others = allowed if found is None else [n for n in allowed[:NEAR_IMAGES] if n not in self._pool.numbers]
        if others:
            number = min(others, key=lambda other: len(taken[other]) // SPREAD_AN_IMAGE)
            if found is None or len(taken[found[0]]) >= len(taken[number]) + SPREAD_AN_IMAGE:
                found = (number, *spread_spot(self.folder.size(number), np.array(taken[number]), seed=number))
        return None if found is None else dict(zip(("image", "y", "x"), found, strict=True))


def cell_doubt(probabilities_Chw: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
    """Average what :func:`find_hesitation` computes over the cells of an image, (K,)."""
    rows, columns = cell_grid(image_size)
    return cv2.resize(find_hesitation(probabilities_Chw), (columns, rows), interpolation=cv2.INTER_AREA).ravel()
