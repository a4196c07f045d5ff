"""What a scene is drawn on: colours, labels and heights of each pixel, and the draws that shape them."""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from mmseg_ext.datasets.synthetic_aerial.colors import Color, rgb
from mmseg_ext.datasets.synthetic_aerial.geometry import EXTENT, MIDDLE, Vector
from mmseg_ext.datasets.synthetic_aerial.patterns import pixel_noise, smooth_noise

NO_DATA, BACKGROUND, BUILDING, ROAD, WATER, BARREN, FOREST, AGRICULTURE = range(8)

Region = tuple[slice, slice]  # rows and columns of a part of the picture

_Item = TypeVar("_Item")


class Canvas:
    """A picture that is being drawn; lengths are in the units of geometry.py, arrays (H, W) unless said otherwise.

    Args:
        rng: The only source of randomness of the picture.
        size: Height and width in pixels.
    """

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.rng = rng
        self.size = size
        self.pixel = EXTENT / size
        self.full: Region = (slice(0, size), slice(0, size))
        centres = (np.arange(size, dtype=np.float32) + 0.5) * self.pixel
        self.x, self.y = centres[None, :], centres[:, None]

        self.color: np.ndarray = np.zeros((size, size, 3), np.float32)  # linear reflectance, about 0 to 1
        self.labels = np.full((size, size), BACKGROUND, np.uint8)
        self.height: np.ndarray = np.zeros((size, size), np.float32)  # above the ground
        self.trees = np.zeros((size, size), np.float32)  # the chance that a tree stands here

        self.sun = self.direction()
        self.dryness = self.between(0, 1)
        # The grounds share one noise of each scale: finest to coarsest.
        self.grain = self.pixel_noise()
        self.fine = self.noise(2.2)
        self.medium = self._fractal_noise(14, 3)
        self.coarse = self._fractal_noise(70, 2)

    # draws

    def between(self, low: float, high: float) -> float:
        """A number, uniform in a range."""
        return low + (high - low) * float(self.rng.random())

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return float(self.rng.random()) < probability

    def pick(self, items: Sequence[_Item]) -> _Item:
        """One of the items, each with the same probability."""
        return items[int(self.rng.integers(len(items)))]

    def direction(self) -> Vector:
        """A unit vector, uniform over the circle."""
        while True:
            x, y = self.between(-1, 1), self.between(-1, 1)
            square = x * x + y * y
            if 0.01 < square <= 1:
                length = math.sqrt(square)
                return x / length, y / length

    def jitter(self, color: Color, amount: float) -> Color:
        """A colour a little lighter or darker, and a little off in hue."""
        light = 1 + self.between(-amount, amount)
        red, green, blue = (channel * light * (1 + self.between(-amount, amount) / 3) for channel in color)
        return red, green, blue

    def pixel_noise(self) -> np.ndarray:
        """Independent noise of each pixel, bell-shaped, about -1 to 1."""
        return pixel_noise(self.rng, self.size)

    def noise(self, cell: float) -> np.ndarray:
        """Smooth noise of one scale, about -1 to 1."""
        cell = max(cell, self.pixel)
        return smooth_noise(self.rng, self.x[0] / cell, num_nodes=int(EXTENT / cell) + 4)

    def _fractal_noise(self, cell: float, octaves: int) -> np.ndarray:
        """Noise of several scales, each half as long and half as strong as the one before."""
        total = self.noise(cell)
        for octave in range(1, octaves):
            total = total + self.noise(cell / 2**octave) / 2**octave
        return total

    # geometry

    def frame(self, region: Region, axis: Vector, centre: Vector = MIDDLE) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates of a region along and across an axis, with the origin at the centre."""
        x = self.x[:, region[1]] - centre[0]
        y = self.y[region[0]] - centre[1]
        return x * axis[0] + y * axis[1], y * axis[0] - x * axis[1]

    def window(self, centre: Vector, reach: float) -> Region:
        """The part of the picture within `reach` of a point; may be empty."""
        bounds = []
        for middle in (centre[1], centre[0]):
            low = math.floor((middle - reach) / self.pixel)
            high = math.ceil((middle + reach) / self.pixel) + 1
            bounds.append(slice(min(max(low, 0), self.size), min(max(high, 0), self.size)))
        return bounds[0], bounds[1]

    def label_at(self, point: Vector) -> int | None:
        """The label under a point, None outside the picture."""
        column, row = math.floor(point[0] / self.pixel), math.floor(point[1] / self.pixel)
        inside = 0 <= column < self.size and 0 <= row < self.size
        return int(self.labels[row, column]) if inside else None

    def visible_period(self, period: float) -> float:
        """The period of a pattern, made longer where it would beat against the pixels."""
        return max(period, 2.6 * self.pixel)

    # paint

    def cover(self, distance: np.ndarray, softness: float = 1.0) -> np.ndarray:
        """How far a shape covers each pixel, 0 to 1, from the signed distance to its edge (negative inside)."""
        return np.clip(0.5 - distance / max(softness, self.pixel), 0, 1)

    def blend(self, region: Region, alpha: np.ndarray, color: np.ndarray) -> None:
        """Lay a colour (H, W, 3) over a region by the weight `alpha`; labels stay."""
        part = self.color[region]
        part += alpha[..., None] * (color - part)

    def paint(self, region: Region, alpha: np.ndarray, color: np.ndarray, label: int) -> None:
        """Blend a colour in; pixels that are covered by half or more get the label."""
        self.blend(region, alpha, color)
        self.labels[region][alpha >= 0.5] = label

    def shade(self, region: Region, color: Color, fine: float, medium: float, coarse: float) -> np.ndarray:
        """A ground colour under noise of three scales, (H, W, 3)."""
        light = (
            1
            + fine * (self.fine[region] + self.grain[region])
            + medium * self.medium[region]
            + coarse * self.coarse[region]
        )
        return light[..., None] * rgb(*color)
