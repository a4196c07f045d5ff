"""Where the next label is worth most: pure functions on arrays.

The first points are spread over the image. Later ones are placed where the model hesitates between two classes. Both
keep a distance from all points that are there.

Shape suffixes: C classes, h w height and width of a grid of cells that covers the image, P points, N suggestions.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter

NUM_SPREAD_POINTS = 10
"""Points from which on a model's doubt says more than an even spread."""
SMOOTHING = 2.5
"""Standard deviation by which doubt is smoothed, in cells."""
RELATIVE_SPACING = 0.5
"""Least distance of two points, in units of √(area / points)."""
GRID_SIDE = 128
"""Cells along the longer side of an image."""
MAX_CLASS_VALUE = 2.0


class Suggestions(NamedTuple):
    """Places to label, the best first.

    Attributes:
        positions_N2: Row and column in the image, int64.
        values_N: What a label is worth there, from 0.
    """

    positions_N2: np.ndarray
    values_N: np.ndarray


def grid_size(image_size: tuple[int, int]) -> tuple[int, int]:
    """Return the height and width of the grid of an image, at most :data:`GRID_SIDE` cells along the longer side.

    Example:
        >>> grid_size((1000, 500)), grid_size((20, 30))
        ((128, 64), (20, 30))
    """
    factor = max(1.0, max(image_size) / GRID_SIDE)
    return max(1, round(image_size[0] / factor)), max(1, round(image_size[1] / factor))


def begins_with_spread(counts_C: np.ndarray) -> bool:
    """Whether there are too few points for a model's doubt.

    Args:
        counts_C: Points of each class, of all images.
    """
    return bool(counts_C.sum() < NUM_SPREAD_POINTS or np.count_nonzero(counts_C) < 2)


def value_classes(counts_C: np.ndarray) -> np.ndarray:
    """Weigh classes: one with few points more than one with many, by at most twice or half.

    Args:
        counts_C: Points of each class, of all images.

    Example:
        >>> value_classes(np.array([15, 3, 0])).round(2).tolist()
        [0.66, 1.32, 2.0]
    """
    weights_C = np.sqrt((counts_C.mean() + 1) / (counts_C + 1))
    return np.clip(weights_C, 1 / MAX_CLASS_VALUE, MAX_CLASS_VALUE)


def find_hesitation(probabilities_Chw: np.ndarray) -> np.ndarray:
    """Compute one minus the margin between the two most probable classes, (h, w)."""
    second_hw, first_hw = np.partition(probabilities_Chw, -2, axis=0)[-2:]
    return 1 - (first_hw - second_hw)


def find_doubt(probabilities_Chw: np.ndarray, class_values_C: np.ndarray | None = None) -> np.ndarray:
    """Smooth what :func:`find_hesitation` computes.

    Args:
        probabilities_Chw: Of every class.
        class_values_C: From :func:`value_classes`; doubt about valuable classes then counts more.

    Returns:
        Doubt (h, w), from 0.
    """
    doubt_hw = gaussian_filter(find_hesitation(probabilities_Chw), SMOOTHING, mode="nearest")
    if class_values_C is not None:
        doubt_hw = doubt_hw * np.tensordot(class_values_C, probabilities_Chw, axes=1)
    return doubt_hw


def suggest(
    probabilities_Chw: np.ndarray | None,
    taken_P2: np.ndarray,
    number: int,
    image_size: tuple[int, int],
    class_values_C: np.ndarray | None = None,
    seed: int = 0,
) -> Suggestions:
    """Suggest places to label in one image.

    Args:
        probabilities_Chw: What the model predicts on a grid of the image, about that of :func:`grid_size`; None spreads
            the points evenly.
        taken_P2: Row and column of the points that are there, and of places that were skipped.
        number: N.
        image_size: Height and width in pixels.
        class_values_C: See :func:`find_doubt`.
        seed: Of the random part of an even spread, such as the image's number.

    Returns:
        The suggestions; fewer than N in an image of fewer cells.
    """
    size = grid_size(image_size) if probabilities_Chw is None else probabilities_Chw.shape[1:]
    cell_2 = np.array(image_size) / size
    centers_hw2 = (np.moveaxis(np.indices(size), 0, -1) + 0.5) * cell_2
    squared_hw = np.full(size, np.inf)
    for position in np.asarray(taken_P2).reshape(-1, 2):
        _reduce_distances(squared_hw, centers_hw2, position + 0.5)
    rng = np.random.default_rng(seed)
    if probabilities_Chw is None:
        # Half a distance from the border is as good as one from a point; the random part keeps off a regular grid.
        edge_hw = 4 * np.minimum(centers_hw2, np.array(image_size) - centers_hw2).min(-1) ** 2
        worth_hw = rng.uniform(0.25, 1, size)
    else:
        edge_hw = np.full(size, np.inf)
        worth_hw = find_doubt(probabilities_Chw, class_values_C)
    spacing = RELATIVE_SPACING * np.sqrt(np.prod(image_size) / (len(taken_P2) + number))
    is_free_hw = np.full(size, True)
    found: list[np.ndarray] = []
    values: list[float] = []
    while len(found) < min(number, worth_hw.size):
        if probabilities_Chw is None:
            score_hw = np.where(is_free_hw, np.minimum(squared_hw, edge_hw) * worth_hw, -1)
        else:
            allowed_hw = is_free_hw & (squared_hw >= spacing**2)
            if not allowed_hw.any():
                spacing = spacing / 2 if spacing > cell_2.min() else 0.0
                continue
            score_hw = np.where(allowed_hw, worth_hw, -1)
        cell = np.unravel_index(int(score_hw.argmax()), size)
        is_free_hw[cell] = False
        _reduce_distances(squared_hw, centers_hw2, centers_hw2[cell])
        found.append(np.minimum(centers_hw2[cell].astype(np.int64), np.array(image_size) - 1))
        values.append(1.0 if probabilities_Chw is None else float(worth_hw[cell]))
    return Suggestions(np.array(found, np.int64).reshape(-1, 2), np.array(values))


def _reduce_distances(squared_hw: np.ndarray, centers_hw2: np.ndarray, position: np.ndarray) -> None:
    np.minimum(squared_hw, ((centers_hw2 - position) ** 2).sum(-1), out=squared_hw)
