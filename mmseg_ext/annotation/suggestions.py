"""Where the next label is worth most: pure functions on arrays.

Candidates are cells of images, each with a vector of what a frozen network sees there. A label says something of all
cells that look like its own. The next one is worth most where the cells that look like it, and like no labelled one,
are many and in doubt: facility location, a submodular choice, weighted by doubt.

Shape suffixes: C classes, h w height and width of a grid that covers the image, K cells, F network features, D
descriptors of colour and texture, P points.

Reference:
    Wei, Iyer and Bilmes, Submodularity in data subset selection and active learning, ICML 2015.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

NUM_SPREAD_POINTS = 10
"""Points from which on a model's doubt counts; before, all cells count alike."""
CELLS = 16
"""Cells along the longer side of an image."""
DIMENSIONS = 32
"""Principal components of the network's features that tell how alike cells look."""
REACH = 0.1
"""Squared distance at which the likeness of two cells falls to 1 / e, as a share of the median of all cells."""
FITTED_CELLS = 1024
"""Cells that the components are fitted to."""
SAMPLED_PAIRS = 100_000
"""Pairs of cells that the median is taken of."""
DOUBT_POWER = 2.0
FEW_POINTS = 5
"""Points of an image from which on further ones in it count less: by √½ with so many."""
PREFERENCE_IN_VIEW = 1.25
"""How much more a spot of the image in view counts: another image has to be looked at first."""


class ImageCells(NamedTuple):
    """The cells of one image.

    Attributes:
        positions_K2: Row and column of their centres.
        network_KF: What the network sees there; of no columns where there is none.
        descriptors_KD: Colour and texture.
    """

    positions_K2: np.ndarray
    network_KF: np.ndarray
    descriptors_KD: np.ndarray


def cell_grid(image_size: tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns of the cells of an image.

    Example:
        >>> cell_grid((1000, 500)), cell_grid((3, 5))
        ((16, 8), (3, 5))
    """
    factor = max(1.0, max(image_size) / CELLS)
    return max(1, round(image_size[0] / factor)), max(1, round(image_size[1] / factor))


def cell_positions(image_size: tuple[int, int]) -> np.ndarray:
    """Return row and column of the centres of the cells of an image, int64 (K, 2)."""
    size = cell_grid(image_size)
    centers_hw2 = (np.moveaxis(np.indices(size), 0, -1) + 0.5) * np.array(image_size) / size
    return centers_hw2.reshape(-1, 2).astype(np.int64)


def begins_with_spread(counts_C: np.ndarray) -> bool:
    """Whether there are too few points for a model's doubt.

    Args:
        counts_C: Points of each class, of all images.
    """
    return bool(counts_C.sum() < NUM_SPREAD_POINTS or np.count_nonzero(counts_C) < 2)


def find_hesitation(probabilities_Chw: np.ndarray) -> np.ndarray:
    """Compute one minus the margin between the two most probable classes, (h, w)."""
    second_hw, first_hw = np.partition(probabilities_Chw, -2, axis=0)[-2:]
    return 1 - (first_hw - second_hw)


def spread_spot(image_size: tuple[int, int], taken_P2: np.ndarray, seed: int = 0) -> tuple[int, int]:
    """Return a cell's row and column away from the border and from places that are taken: without any features.

    Args:
        image_size: Height and width in pixels.
        taken_P2: Row and column of points, and of places that were skipped.
        seed: Of the random part, which keeps off a regular grid; such as the image's number.
    """
    positions_K2 = cell_positions(image_size)
    # Half a distance from the border is as good as one from a point.
    squared_K = 4 * np.minimum(positions_K2 + 0.5, np.array(image_size) - positions_K2 - 0.5).min(1) ** 2
    for place in np.asarray(taken_P2).reshape(-1, 2):
        squared_K = np.minimum(squared_K, ((positions_K2 - place) ** 2).sum(1))
    worth_K = squared_K * np.random.default_rng(seed).uniform(0.25, 1, len(positions_K2))
    row, column = positions_K2[worth_K.argmax()]
    return int(row), int(column)


class CellPool:
    """The cells of some images, and how alike they look.

    Args:
        images: The cells of each image, by its number.
    """

    def __init__(self, images: Mapping[int, ImageCells]) -> None:
        self.numbers = tuple(images)
        self._positions = {number: cells.positions_K2 for number, cells in images.items()}
        counts = [len(positions_K2) for positions_K2 in self._positions.values()]
        self._starts = dict(zip(self.numbers, np.cumsum([0, *counts]).tolist(), strict=False))
        self._image_K = np.repeat(np.array(self.numbers), counts)
        vectors = [
            _equal_weight(np.concatenate(parts)) for parts in zip(*(c[1:] for c in images.values()), strict=True)
        ]
        self._likeness_KK = _likeness(np.concatenate(vectors, 1)) if vectors else np.zeros((0, 0), np.float32)

    def choose(
        self,
        doubt: Mapping[int, np.ndarray],
        taken: Mapping[int, Sequence[tuple[int, int]]],
        allowed: Sequence[int],
        viewed: int,
    ) -> tuple[int, int, int] | None:
        """Choose the next cell.

        Args:
            doubt: Of the cells of images that a model has looked at, (K,), from 0 to 1. Cells of others are as doubtful
                as the mean of these.
            taken: Row and column of points, and of places that were skipped, by image: each stands for the cell that it
                lies in.
            allowed: Images that a cell may be chosen of.
            viewed: The image that is shown.

        Returns:
            Number of the image, row and column; None where every cell is taken.
        """
        used = [
            self._starts[number] + int(((self._positions[number] - place) ** 2).sum(1).argmin())
            for number, places in taken.items()
            if number in self._starts
            for place in places
        ]
        is_free_K = np.isin(self._image_K, allowed)
        is_free_K[used] = False
        free = np.flatnonzero(is_free_K)
        if not len(free):
            return None
        covered_K = self._likeness_KK[used].max(0, initial=0)
        usual = float(np.mean([values.mean() for values in doubt.values()])) if doubt else 1.0
        weights_K = np.concatenate(
            [doubt.get(number, np.full(len(places), usual)) for number, places in self._positions.items()]
        )
        gain = np.maximum(self._likeness_KK[free] - covered_K, 0) @ weights_K.astype(np.float32) ** DOUBT_POWER
        worth = {n: 1 / np.sqrt(1 + len(taken.get(n, ())) / FEW_POINTS) for n in self.numbers}
        worth[viewed] = PREFERENCE_IN_VIEW * worth.get(viewed, 0)
        # Where all looks are known: anywhere, in an image with few points.
        gain += 1e-3 * np.random.default_rng(len(used)).random(len(gain))
        gain = gain * np.array([worth[number] for number in self._image_K[free].tolist()])
        best = int(free[gain.argmax()])
        number = int(self._image_K[best])
        row, column = self._positions[number][best - self._starts[number]]
        return number, int(row), int(column)


def _equal_weight(values_KF: np.ndarray) -> np.ndarray:
    """Standardise columns, keep the first principal components, and bring the mean square of the rows to 1."""
    values_KF = np.asarray(values_KF, np.float32)
    if not values_KF.shape[1]:
        return values_KF
    values_KF = (values_KF - values_KF.mean(0)) / np.maximum(values_KF.std(0), 1e-6)
    if min(values_KF.shape) > DIMENSIONS:
        some_SF = values_KF[:: -(-len(values_KF) // FITTED_CELLS)]  # of few cells the products are few, whatever F
        _, vectors_SS = np.linalg.eigh(some_SF @ some_SF.T)
        directions_FE, _ = np.linalg.qr(some_SF.T @ vectors_SS[:, -DIMENSIONS:])
        values_KF = values_KF @ directions_FE
    return values_KF / max(float(np.sqrt((values_KF**2).sum(1).mean())), 1e-6)


def _likeness(vectors_KV: np.ndarray) -> np.ndarray:
    """Compute exp(−d² / reach) of each pair of rows, float32 (K, K)."""
    squares_K = (vectors_KV**2).sum(1)
    squared_KK = np.maximum(squares_K[:, None] + squares_K - 2 * vectors_KV @ vectors_KV.T, 0)
    typical = float(np.median(squared_KK.ravel()[:: max(1, squared_KK.size // SAMPLED_PAIRS)]))
    return np.exp(squared_KK / np.float32(-max(REACH * typical, 1e-9)))
