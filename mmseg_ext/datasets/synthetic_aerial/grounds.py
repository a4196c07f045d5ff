"""Grounds: each function returns the colours (H, W, 3) of a region."""

import numpy as np

from mmseg_ext.datasets.synthetic_aerial.canvas import Canvas, Region
from mmseg_ext.datasets.synthetic_aerial.colors import BARE_GROUNDS, CROPS, mix, rgb
from mmseg_ext.datasets.synthetic_aerial.geometry import Vector
from mmseg_ext.datasets.synthetic_aerial.patterns import ridges


def field(canvas: Canvas, region: Region, axis: Vector) -> np.ndarray:
    """A crop or ploughed land, with furrows along the axis."""
    along, across = canvas.frame(region, axis)
    color = canvas.shade(region, canvas.jitter(canvas.pick(CROPS), 0.15), 0.05, canvas.between(0.02, 0.1), 0.08)
    wobble = canvas.medium[region] * canvas.between(0.2, 1.0)
    period = canvas.visible_period(canvas.between(3, 8.5))
    furrows = ridges((across + wobble) / period)
    light = 1 + canvas.between(0.05, 0.2) * furrows * (1 + canvas.fine[region] / 2)
    if canvas.chance(0.5):  # the tracks of the tractor
        spacing = canvas.between(24, 40)
        light = light - np.float32(0.16) * (ridges(across / spacing) > 0.97)
    if canvas.chance(0.35):  # rows of single plants
        light = light * (1 + 0.1 * ridges(along / canvas.visible_period(period * 0.8)))
    return color * light[..., None]


def grass(canvas: Canvas, region: Region) -> np.ndarray:
    """Meadow or lawn, drier or fresher, worn in places."""
    fresh = mix((0.25, 0.37, 0.16), (0.33, 0.41, 0.20), canvas.between(0, 1))
    color = canvas.jitter(mix(fresh, (0.47, 0.44, 0.27), canvas.dryness * canvas.between(0.2, 0.9)), 0.12)
    ground = canvas.shade(region, color, 0.07, 0.1, 0.08)
    worn = np.clip(canvas.medium[region] - canvas.coarse[region] / 2 - 0.5, 0, 1)
    return ground + (worn * 0.45)[..., None] * (rgb(0.47, 0.40, 0.29) - ground)


def bare(canvas: Canvas, region: Region) -> np.ndarray:
    """Open soil with heaps, stones and ruts."""
    ground = canvas.shade(region, canvas.jitter(canvas.pick(BARE_GROUNDS), 0.12), 0.09, 0.1, 0.1)
    relief = canvas.medium - np.roll(canvas.medium, (1, 1), (0, 1))  # heaps, lit from one side
    stones = canvas.grain[region] * canvas.fine[region]
    light = 1 + (0.55 / canvas.pixel) * relief[region] + 0.14 * stones
    tracks = canvas.frame(region, canvas.direction())[1] + 8 * canvas.coarse[region]
    ruts = ridges(tracks / canvas.between(30, 60)) > 0.96
    return ground * (light + np.float32(0.1) * ruts)[..., None]


def paved(canvas: Canvas, region: Region) -> np.ndarray:
    """Yards and pavements."""
    grey = canvas.between(0.4, 0.62)
    color = (grey * 1.01, grey, grey * canvas.between(0.92, 0.99))
    return canvas.shade(region, color, 0.04, 0.06, 0.05)


def roadway(canvas: Canvas, region: Region, dirt: bool = False) -> np.ndarray:
    """Asphalt, or a dirt road."""
    grey = canvas.between(0.3, 0.5)
    color = canvas.jitter((0.52, 0.45, 0.35), 0.15) if dirt else (grey, grey, grey * canvas.between(0.97, 1.05))
    return canvas.shade(region, color, 0.04, 0.05, 0.04)
