"""Rivers and lakes."""

import numpy as np

from mmseg_ext.datasets.synthetic_aerial.canvas import WATER, Canvas
from mmseg_ext.datasets.synthetic_aerial.colors import WATERS, rgb
from mmseg_ext.datasets.synthetic_aerial.geometry import Vector
from mmseg_ext.datasets.synthetic_aerial.patterns import ridges


def draw_water(canvas: Canvas, kind: str, centre: Vector) -> None:
    """Draw a winding river or a lake, with a soft, wet shore.

    Args:
        canvas: What is drawn on.
        kind: ``'river'`` or ``'lake'``.
        centre: A point of the river, or the middle of the lake.
    """
    distance = _distance_to_shore(canvas, kind, centre)
    sand = canvas.shade(canvas.full, canvas.jitter((0.46, 0.41, 0.30), 0.15), 0.06, 0.08, 0.0)
    shore = canvas.cover(distance - canvas.between(1.5, 4.0), 5.0) * 0.8
    canvas.blend(canvas.full, shore, sand)

    shallowness = 1 - np.clip(-distance / 12, 0, 1)
    ripples = canvas.frame(canvas.full, canvas.direction())[1] + canvas.medium * 1.5
    light = 1 + 0.03 * ridges(ripples / canvas.visible_period(4.5)) * canvas.coarse
    light = light + 0.05 * canvas.coarse + 0.02 * canvas.grain
    deep = rgb(*canvas.jitter(canvas.pick(WATERS), 0.12))
    water = (deep + shallowness[..., None] * rgb(0.05, 0.05, 0.02)) * light[..., None]
    canvas.paint(canvas.full, canvas.cover(distance, 2.2), water, WATER)
    canvas.trees[distance < 2] = 0


def _distance_to_shore(canvas: Canvas, kind: str, centre: Vector) -> np.ndarray:
    """Signed, negative in the water."""
    along, across = canvas.frame(canvas.full, canvas.direction(), centre)
    bends = canvas.noise(90) * 34 + canvas.noise(28) * 5 + canvas.medium * 1.2
    if kind == "river":
        return np.abs(across + bends) - canvas.between(9, 20) - canvas.noise(60) * 4
    radius, stretch = canvas.between(24, 46), canvas.between(0.6, 1.6)
    outline = bends * 0.4 + canvas.noise(36) * 9
    return np.sqrt(along * along + across * across * stretch) - radius + outline
