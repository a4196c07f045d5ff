"""The distinct values of a mask and how many pixels each has."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class MaskFacts:
    """A mask as stored.

    Attributes:
        height: In pixels, turned by the EXIF orientation.
        width: Likewise.
        mode: Pillow's mode, or numpy's dtype where another decoder was used.
        kind: 'index' for one channel (palette PNGs too), 'color' for more.
        values: The labels, or the colours as 0xRRGGBB, that occur. Empty for too many colours to be labels.
        counts: Pixels of each of `values`.
        palette: For a palette PNG the colour of each of `values`, as 0xRRGGBB; else empty.
        orientation: EXIF orientation, 1 if there is none.
    """

    height: int
    width: int
    mode: str
    kind: Literal["index", "color"]
    values: list[int]
    counts: list[int]
    palette: list[int]
    orientation: int = 1

    def colors(self) -> list[int]:
        """List the colour of each of `values`, as Pillow converts it to RGB; several may have the same."""
        if self.kind == "color":
            return self.values
        if self.mode == "1":
            return [value * 0xFFFFFF for value in self.values]
        return self.palette or [min(max(value, 0), 255) * 0x010101 for value in self.values]

    def count(self, values: Iterable[int]) -> dict[int, int]:
        """Count the pixels of each distinct one of some numbers, which stand for `values` in their order."""
        pixels: dict[int, int] = {}
        for value, count in zip(values, self.counts, strict=True):
            pixels[value] = pixels.get(value, 0) + count
        return pixels


def has_fractions(values: np.ndarray) -> bool:
    """Whether values are not all whole numbers, so that they cannot be labels."""
    return values.dtype.kind == "f" and not np.array_equal(values, np.rint(values))
