"""Class maps kept in memory, compressed."""

import zlib
from typing import NamedTuple

import numpy as np


class CompressedMap(NamedTuple):
    """A class map (H, W), without loss.

    Attributes:
        content: The compressed bytes.
        dtype: Of the map.
        shape: Height and width.
    """

    content: bytes
    dtype: str
    shape: tuple[int, int]

    @classmethod
    def of(cls, class_map_HW: np.ndarray) -> "CompressedMap":
        """Compress a map."""
        height, width = class_map_HW.shape
        return cls(zlib.compress(class_map_HW.tobytes(), 1), class_map_HW.dtype.str, (height, width))

    def open(self) -> np.ndarray:
        """Return the map."""
        return np.frombuffer(zlib.decompress(self.content), np.dtype(self.dtype)).reshape(self.shape)
