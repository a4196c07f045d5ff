"""Palette and plain pictures of the tests of pictures."""

import numpy as np

PALETTE = [[10, 20, 30], [255, 0, 0], [0, 255, 0]]
RED, GREEN = PALETTE[1:]


def ground(height: int = 40, width: int = 60, value: int = 100) -> np.ndarray:
    """Return a picture of one grey value."""
    return np.full((height, width, 3), value, np.uint8)
