"""Where the windows of a large image lie.

Neighbouring windows overlap. A window's own strip begins where it begins, and ends where the next one begins: it is
complete as soon as the window is predicted. The grid is anchored in the map, not at the raster's corner: another
extent of the same map has the same windows. At the raster's edge a window is moved inwards by multiples of
`EDGE_STEP`, so that networks which reduce their input by up to that factor see the same grid there too.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mmseg_ext.errors import UserError

EDGE_STEP = 32


@dataclass(frozen=True)
class WindowAxis:
    """The windows along one axis.

    Attributes:
        length: Pixels of the image.
        window: Pixels of a window; more than `overlap` twice, or as many.
        overlap: Pixels that neighbouring windows share.
        anchor: Pixels of the first window's place in the grid that lie before the image, 0 to window − overlap − 1.

    Raises:
        UserError: The overlap is larger than half of the window, or a number is out of range.
    """

    length: int
    window: int
    overlap: int
    anchor: int = 0

    def __post_init__(self) -> None:
        if self.window < 1 or not 0 <= self.overlap <= self.window // 2:
            raise UserError(
                f"Expected an overlap of 0 to {self.window // 2} pixels, half of a window of {self.window}, got "
                f"{self.overlap}."
            )

    @property
    def step(self) -> int:
        """Pixels between two windows."""
        return self.window - self.overlap

    @property
    def _edge_step(self) -> int:
        return math.gcd(self.step, EDGE_STEP)

    @property
    def _first(self) -> int:
        """Where the first window begins: at most a few pixels before the image."""
        return -(self.anchor % self._edge_step)

    @cached_property
    def count(self) -> int:
        """Number of windows."""
        if self.length <= self.window + self._first:
            return 1
        return max(math.ceil((self.length + self.anchor - self.window) / self.step), 0) + 1

    def place(self, index: int) -> int:
        """Return where a window begins in the grid; before 0 for the first one alone."""
        return index * self.step - (self.anchor if self.count > 1 else 0)

    def range_of(self, index: int) -> tuple[int, int]:
        """Return the pixels that a window shows; the first may begin before 0, the last ends with the image."""
        start = self._first
        if index > 0:
            start = self.place(index)
            beyond = max(start + self.window - self.length, 0)
            start = max(start - beyond // self._edge_step * self._edge_step, self._first)
        return start, min(start + self.window, self.length)

    def used(self, index: int) -> tuple[int, int]:
        """Return the pixels of a window that count: its own strip, and what it shares with the next one."""
        return max(self.place(index), 0), min(self.place(index) + self.window, self.length)

    def strip(self, index: int) -> tuple[int, int]:
        """Return the pixels that are complete when a window and those before it are predicted."""
        stop = self.length if index == self.count - 1 else self.place(index + 1)
        return max(self.place(index), 0), stop

    @cached_property
    def ramp(self) -> np.ndarray:
        """Weights of the later window where two overlap, float32; those of the earlier are 1 − ramp.

        They rise from 0 to 1 in the middle third. In the outer thirds one window counts alone: at the very edge of a
        window the network sees least of what surrounds a pixel.
        """
        middles = (np.arange(self.overlap) + 0.5) / max(self.overlap, 1)
        return (0.5 - 0.5 * np.cos(np.pi * np.clip(3 * middles - 1, 0, 1))).astype(np.float32)


def anchor_of(origin: float, step: int) -> int:
    """Return the anchor of a grid that begins at the origin of the map.

    Args:
        origin: Where the map's origin lies on the axis, in pixels of the image.
        step: Pixels between two windows.

    Example:
        >>> anchor_of(-1000.0, 384), anchor_of(-1100.0, 384)  # 100 pixels further
        (232, 332)
    """
    # Origins lie on whole and half pixels mostly: they are not rounded where an error of the last digit would decide.
    return -math.floor(origin + 0.37) % step
