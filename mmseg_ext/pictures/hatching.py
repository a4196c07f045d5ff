"""The pattern of pixels without a label."""

import numpy as np

HATCH_COLORS = ((255, 255, 255), (176, 176, 176))
"""Ground and lines."""


def draw_hatching(height: int, width: int) -> np.ndarray:
    """Oblique grey lines on white, (H, W, 3)."""
    period = min(max(max(height, width) // 40, 6), 24)
    lines_HW1 = ((np.arange(height)[:, None] + np.arange(width)[None, :]) % period < max(period // 4, 1))[..., None]
    return np.where(lines_HW1, np.array(HATCH_COLORS[1], np.uint8), np.array(HATCH_COLORS[0], np.uint8))
