"""The suggestions in all images, as far as the model has looked at them, and the one that comes next.

Shape suffixes: C classes, h w height and width of a grid of cells, P points.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import numpy as np

from mmseg_ext.annotation.image_folder import ImageFolder
from mmseg_ext.annotation.point_database import PointDatabase
from mmseg_ext.annotation.spot_choice import ImageSpots, choose_spot
from mmseg_ext.annotation.suggestions import begins_with_spread, suggest, value_classes

SPOTS_AN_IMAGE = 8
KEPT_GRIDS = 4
"""Images whose predictions are kept, so that suggestions in them follow each click at once."""


class _Labelled(NamedTuple):
    """What is labelled: places (row, column) that are taken, and points, by image; points of each class."""

    taken: dict[int, list[tuple[int, int]]]
    num_points: dict[int, int]
    counts_C: np.ndarray


class SpotSuggestions:
    """Suggestions in images; safe to be read while another thread updates them.

    Args:
        folder: The images.
        database: The points.
    """

    def __init__(self, folder: ImageFolder, database: PointDatabase) -> None:
        self.folder, self.database = folder, database
        self._grids: OrderedDict[int, np.ndarray] = OrderedDict()
        self._spots: dict[int, tuple[int, ImageSpots]] = {}

    def clear(self) -> None:
        """Forget all: there is no model any more."""
        self._grids.clear()
        self._spots.clear()

    def version_of(self, number: int) -> int:
        """Return the fit that the suggestions in an image are of, 0 where there are none."""
        return self._spots[number][0] if number in self._spots else 0

    def update(self, number: int, grid_Chw: np.ndarray, version: int) -> None:
        """Make the suggestions in an image anew.

        Args:
            number: Of the image.
            grid_Chw: Probabilities on a grid of it.
            version: Of the fit, from 1.
        """
        self._spots[number] = (version, self._suggest(number, grid_Chw, self._labelled()))
        self._grids[number] = grid_Chw
        self._grids.move_to_end(number)
        while len(self._grids) > KEPT_GRIDS:
            self._grids.popitem(last=False)

    def next_spot(self, viewed: int, left_out: AbstractSet[int]) -> dict[str, int] | None:
        """Return where a label is worth most: image, x and y; None where all images are done.

        Args:
            viewed: Number of the image in view.
            left_out: Images that cannot be read.
        """
        labelled = self._labelled()
        spots, grid = {}, self._grids.get(viewed)
        if not begins_with_spread(labelled.counts_C):
            spots = {number: spots for number, (_, spots) in dict(self._spots).items()}
            if grid is not None:
                spots[viewed] = self._suggest(viewed, grid, labelled)
        done = {self.folder.number_of.get(name) for name, is_done in self.database.done_since().items() if is_done}
        allowed = [number for number in self.folder.neighbours(viewed) if number not in done | left_out]
        found = choose_spot(allowed, spots, labelled.taken, labelled.num_points, self.folder.size)
        return None if found is None else dict(zip(("image", "y", "x"), found, strict=True))

    def _suggest(self, number: int, grid_Chw: np.ndarray, labelled: _Labelled) -> ImageSpots:
        taken_P2 = np.array(labelled.taken.get(number, []))
        values_C = value_classes(labelled.counts_C)
        found = suggest(grid_Chw, taken_P2, SPOTS_AN_IMAGE, self.folder.size(number), values_C)
        return ImageSpots(found.positions_N2, found.values_N)

    def _labelled(self) -> _Labelled:
        number_of, taken = self.folder.number_of, defaultdict(list)
        points = [point for point in self.database.points_since() if point.image in number_of]
        for point in points:
            taken[number_of[point.image]].append((point.y, point.x))
        num_points = {number: len(places) for number, places in taken.items()}
        for name, places in self.database.skipped().items():
            if name in number_of:
                taken[number_of[name]] += places
        counts_C = np.bincount([point.label for point in points], minlength=len(self.database.classes))
        return _Labelled(dict(taken), num_points, counts_C)
