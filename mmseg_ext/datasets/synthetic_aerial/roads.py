"""Roads through the country and streets of a town."""

import numpy as np

from mmseg_ext.datasets.synthetic_aerial.boxes import draw_car
from mmseg_ext.datasets.synthetic_aerial.canvas import ROAD, WATER, Canvas
from mmseg_ext.datasets.synthetic_aerial.colors import rgb
from mmseg_ext.datasets.synthetic_aerial.geometry import Rectangle, Vector, box_distance, perpendicular, point_at
from mmseg_ext.datasets.synthetic_aerial.grounds import roadway
from mmseg_ext.datasets.synthetic_aerial.patterns import ridges


def draw_winding_road(canvas: Canvas, width: float, dirt: bool, centre: Vector, axis: Vector) -> None:
    """Draw one road through the whole picture, near the line through `centre` along `axis`."""
    along, across = canvas.frame(canvas.full, axis, centre)
    offset = across + canvas.noise(120) * canvas.between(8, 40)
    slope_y, slope_x = np.gradient(offset, canvas.pixel)
    offset = offset / np.sqrt(np.maximum(slope_x * slope_x + slope_y * slope_y, 0.25))  # keeps the width in the bends
    distance = np.abs(offset) - width / 2 + canvas.fine * (0.7 if dirt else 0.1)
    verge = canvas.shade(canvas.full, (0.44, 0.42, 0.28), 0.08, 0.1, 0.0)
    canvas.blend(canvas.full, canvas.cover(distance - 1.5, 3.0) * 0.7, verge)

    surface = roadway(canvas, canvas.full, dirt)
    if dirt:
        between_wheels = np.abs(offset) < width / 7
        surface = np.where(between_wheels[..., None], surface * rgb(0.82, 0.88, 0.76), surface)
    elif width > 7:
        dashes = (np.abs(offset) < 0.5) & (ridges(along / 11) > 0)
        surface = np.where(dashes[..., None], np.float32(0.72), surface)
    canvas.paint(canvas.full, canvas.cover(distance), surface, ROAD)
    canvas.trees[distance < 3.5] = 0


def draw_street(canvas: Canvas, rectangle: Rectangle, axis: Vector, major: bool) -> None:
    """Draw one straight street of a town, with cars; major ones have markings, minor ones end at the water."""
    centre, half_length, half_width = rectangle.placed(axis)
    if half_width > half_length:
        axis, half_length, half_width = perpendicular(axis), half_width, half_length
    region = canvas.window(centre, half_length + half_width)
    along, across = canvas.frame(region, axis, centre)
    distance = box_distance(along, across, half_length + 1, half_width)
    side = np.abs(across)
    worn = 1 + 0.05 * ridges(side / half_width)
    surface = roadway(canvas, region) * worn[..., None]
    alpha = canvas.cover(distance)
    if major:
        dashes = (side < 0.45) & (ridges(along / 10) > 0)
        edges = np.abs(side - (half_width - 1)) < 0.35
        surface = np.where((dashes | edges)[..., None], np.float32(0.68), surface)
    else:
        alpha[canvas.labels[region] == WATER] = 0
    canvas.paint(region, alpha, surface, ROAD)
    canvas.trees[region][distance < 1] = 0

    for _ in range(int(half_length / (9 if major else 15))):
        lane = half_width * (0.5 if major else 0.55) * canvas.pick((-1, 1))
        spot = point_at(centre, axis, canvas.between(-half_length, half_length), lane)
        if canvas.label_at(spot) == ROAD:
            draw_car(canvas, spot, axis, canvas.between(2.6, 3.6), ROAD)
