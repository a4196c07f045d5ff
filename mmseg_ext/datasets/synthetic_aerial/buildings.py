"""Buildings with gable, hip or flat roofs."""

import numpy as np

from mmseg_ext.datasets.synthetic_aerial.boxes import draw_box
from mmseg_ext.datasets.synthetic_aerial.canvas import BUILDING, ROAD, WATER, Canvas
from mmseg_ext.datasets.synthetic_aerial.colors import FLAT_ROOFS, PITCHED_ROOFS
from mmseg_ext.datasets.synthetic_aerial.geometry import Vector, perpendicular, point_at
from mmseg_ext.datasets.synthetic_aerial.patterns import ridges


def draw_building(canvas: Canvas, centre: Vector, axis: Vector, half_sides: Vector, style: str) -> bool:
    """Draw a building, unless it would stand in water, on a road or in another building.

    Args:
        canvas: What is drawn on.
        centre: The middle of the building.
        axis: The direction of a side.
        half_sides: Half the sides along and across the axis.
        style: ``'gable'``, ``'hip'`` or ``'flat'``.

    Returns:
        Whether it was drawn.
    """
    if not _is_free(canvas, centre, axis, half_sides):
        return False
    if half_sides[1] > half_sides[0]:
        axis, half_sides = perpendicular(axis), (half_sides[1], half_sides[0])
    half_length, half_width = half_sides
    region = canvas.window(centre, half_length + half_width + 2)
    along, across = canvas.frame(region, axis, centre)
    inside = np.minimum(half_length - np.abs(along), half_width - np.abs(across))  # distance to the nearest wall
    if half_length > 9 and canvas.chance(0.3):  # an L: one corner is missing
        corner = np.maximum(half_length * canvas.between(0, 0.3) - along, half_width * 0.1 - across)
        inside = np.minimum(inside, corner)
    alpha = canvas.cover(-inside)
    base = canvas.jitter(canvas.pick(FLAT_ROOFS if style == "flat" else PITCHED_ROOFS), 0.15)
    color = canvas.shade(region, base, 0.04, 0.06, 0.03)
    if style == "flat":
        wall = canvas.between(4, 12)
        light, top = _flat_roof(canvas, along, inside, half_length), np.full(inside.shape, wall, np.float32)
    else:
        wall = canvas.between(3.5, 6)
        light, rise = _pitched_roof(canvas, along, across, axis, half_sides, style)
        top = wall + rise
    canvas.paint(region, alpha, color * light[..., None], BUILDING)
    canvas.height[region] = np.where(alpha >= 0.5, top, canvas.height[region])
    canvas.trees[region][inside > -2.5] = 0
    if style == "flat":
        _draw_roof_plant(canvas, centre, axis, half_sides, wall + 2)
    return True


def _is_free(canvas: Canvas, centre: Vector, axis: Vector, half_sides: Vector) -> bool:
    """Whether corners, walls and middle of a building, a little enlarged, stand on open ground."""
    spots = (
        point_at(centre, axis, along * half_sides[0], across * half_sides[1])
        for along in (-1.1, 0, 1.1)
        for across in (-1.1, 0, 1.1)
    )
    return all(canvas.label_at(spot) not in (WATER, ROAD, BUILDING) for spot in spots)


def _flat_roof(canvas: Canvas, along: np.ndarray, inside: np.ndarray, half_length: float) -> np.ndarray:
    """The light on a flat roof: a bright parapet, and on large ones perhaps the seams of its sheets."""
    light: np.ndarray = 1 + np.float32(0.22) * (inside < 1.2)
    if half_length > 14 and canvas.chance(0.5):
        period = canvas.visible_period(canvas.between(4, 8))
        light = light + 0.06 * ridges(along / period)
    return light


def _pitched_roof(
    canvas: Canvas, along: np.ndarray, across: np.ndarray, axis: Vector, half_sides: Vector, style: str
) -> tuple[np.ndarray, np.ndarray]:
    """The light on a gable or hip roof, and how far it rises above the walls."""
    inside_along, inside_across = half_sides[0] - np.abs(along), half_sides[1] - np.abs(across)
    sun_along = np.float32(canvas.sun[0] * axis[0] + canvas.sun[1] * axis[1])
    sun_across = np.float32(canvas.sun[1] * axis[0] - canvas.sun[0] * axis[1])
    contrast = canvas.between(0.2, 0.34)
    facing_sun = np.where(across > 0, sun_across, -sun_across)
    run = inside_across  # level distance to the eaves
    if style == "hip":
        facing_sun = np.where(inside_along < inside_across, np.where(along > 0, sun_along, -sun_along), facing_sun)
        run = np.minimum(inside_along, inside_across)
    rows_of_tiles = ridges(run / canvas.visible_period(2.2))
    ridge = np.abs(across) < 0.5
    light = 1 + contrast * facing_sun + 0.05 * rows_of_tiles + np.float32(0.16) * ridge
    return light, 0.4 * np.maximum(run, 0)


def _draw_roof_plant(canvas: Canvas, centre: Vector, axis: Vector, half_sides: Vector, height: float) -> None:
    """Draw lift heads and air plant on a flat roof, the more the larger it is."""
    for _ in range(int(half_sides[0] * half_sides[1] / 60)):
        along, across = canvas.between(-0.7, 0.7) * half_sides[0], canvas.between(-0.7, 0.7) * half_sides[1]
        spot = point_at(centre, axis, along, across)
        if canvas.label_at(spot) == BUILDING:  # not where the corner of an L is missing
            extent, grey = (canvas.between(0.8, 2.5), canvas.between(0.8, 1.8)), canvas.between(0.35, 0.7)
            draw_box(canvas, spot, axis, extent, (grey, grey, grey), BUILDING, height)
