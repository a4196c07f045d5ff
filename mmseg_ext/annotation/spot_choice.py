"""Which image and spot to label next, out of the suggestions in many images."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mmseg_ext.annotation.suggestions import suggest

SPREAD_AN_IMAGE = 5
"""Points that an image gets by an even spread before the next one is shown."""
PREFERENCE_IN_VIEW = 1.25
"""How much more a spot of the image in view counts: another image has to be looked at first."""


class ImageSpots(NamedTuple):
    """Suggestions in one image.

    Attributes:
        positions_N2: Row and column.
        values_N: What a label is worth there.
    """

    positions_N2: np.ndarray
    values_N: np.ndarray


def choose_spot(
    images: Sequence[int],
    spots: Mapping[int, ImageSpots],
    taken: Mapping[int, Sequence[tuple[int, int]]],
    num_points: Mapping[int, int],
    size_of: Callable[[int], tuple[int, int]],
) -> tuple[int, int, int] | None:
    """Choose a spot.

    Args:
        images: Numbers of the images that are not done, the one in view first.
        spots: The suggestions of a model, where it has any.
        taken: Row and column of points and skipped suggestions, by image.
        num_points: Of each image that has points.
        size_of: Height and width of an image.

    Returns:
        Number of the image, row and column. Without suggestions: a spot away from the others, in the image in view
        until it has :data:`SPREAD_AN_IMAGE`, then in that with the fewest. Likewise in an image without any yet, where
        those with suggestions have many more points. None without an image.
    """
    if not images:
        return None
    best, most = None, -1.0
    for place, number in enumerate(images):
        for (row, column), value in zip(*spots.get(number, ((), ())), strict=True):
            if (row, column) in taken.get(number, ()):
                continue
            value = _worth(value, num_points.get(number, 0)) * (PREFERENCE_IN_VIEW if place == 0 else 1)
            if value > most:
                best, most = (number, int(row), int(column)), value
    if best is None:
        rounds = {number: len(taken.get(number, ())) // SPREAD_AN_IMAGE for number in images}
        return _spread_spot(min(images, key=rounds.__getitem__), taken, size_of)
    # The model has not looked at all images yet: to those a spot is worth what it is in the others.
    unseen = [number for number in images if number not in spots]
    if unseen:
        number = min(unseen, key=lambda n: num_points.get(n, 0))
        usual = np.mean([values.max() for _, values in spots.values() if len(values)])
        if _worth(usual, num_points.get(number, 0)) > most:
            return _spread_spot(number, taken, size_of)
    return best


def _worth(value: float, num_points: int) -> float:
    """Return what a spot is worth in an image that has points already."""
    return value / np.sqrt(1 + num_points / SPREAD_AN_IMAGE)


def _spread_spot(
    number: int, taken: Mapping[int, Sequence[tuple[int, int]]], size_of: Callable[[int], tuple[int, int]]
) -> tuple[int, int, int]:
    """Return an image with a spot in it that is far from what is taken."""
    ((row, column),) = suggest(None, np.array(taken.get(number, ())), 1, size_of(number), seed=number).positions_N2
    return number, int(row), int(column)
