"""Small flat boxes: cars, and what stands on roofs."""

import numpy as np

from mmseg_ext.datasets.synthetic_aerial.canvas import Canvas
from mmseg_ext.datasets.synthetic_aerial.colors import CARS, Color
from mmseg_ext.datasets.synthetic_aerial.geometry import Vector, box_distance


def draw_box(
    canvas: Canvas, centre: Vector, axis: Vector, half_sides: Vector, color: Color, label: int, height: float
) -> None:
    """Draw one box, its half sides given along and across the axis."""
    region = canvas.window(centre, half_sides[0] + half_sides[1] + 1)
    alpha = canvas.cover(box_distance(*canvas.frame(region, axis, centre), *half_sides))
    canvas.paint(region, alpha, canvas.shade(region, color, 0.03, 0.0, 0.0), label)
    part = canvas.height[region]
    np.maximum(part, np.float32(height) * (alpha >= 0.5), out=part)


def draw_car(canvas: Canvas, centre: Vector, axis: Vector, half_length: float, label: int) -> None:
    """Draw a car in a colour at random; it bears the label of what it stands on."""
    draw_box(canvas, centre, axis, (half_length, 1.3), canvas.pick(CARS), label, height=1.5)
