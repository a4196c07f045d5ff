"""The distinct values of a mask and how many pixels each has."""

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class MaskFacts:
    """A mask as stored.

    Attributes:
        height: In pixels.
        width: In pixels.
        mode: Pillow's mode, or numpy's dtype where another decoder was used.
        kind: 'index' for one channel (palette PNGs too), 'color' for more.
        values: The labels, or the colours as 0xRRGGBB, that occur. Empty for too many colours to be labels.
        counts: Pixels of each of `values`.
        palette: For a palette PNG the colour of each of `values`, as 0xRRGGBB; else empty.
    """

    height: int
    width: int
    mode: str
    kind: Literal["index", "color"]
    values: list[int]
    counts: list[int]
    palette: list[int]

    def colors(self) -> dict[int, int]:
        """Count the pixels of each colour 0xRRGGBB, as Pillow converts it to RGB."""
        if self.kind == "color":
            colors = self.values
        elif self.mode == "1":
            colors = [v * 0xFFFFFF for v in self.values]
        else:
            colors = self.palette or [min(max(v, 0), 255) * 0x010101 for v in self.values]
        counts: dict[int, int] = {}
        for color, count in zip(colors, self.counts, strict=True):
            counts[color] = counts.get(color, 0) + count
        return counts


def has_fractions(values: np.ndarray) -> bool:
    """Whether values are not all whole numbers, so that they cannot be labels."""
    return values.dtype.kind == "f" and not np.array_equal(values, np.rint(values))
