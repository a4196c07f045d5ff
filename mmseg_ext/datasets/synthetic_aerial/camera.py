"""How the land is seen: shadows, light, haze, blur, tone, sensor noise, and a border without data."""

import math

import numpy as np

from mmseg_ext.datasets.synthetic_aerial.canvas import NO_DATA, Canvas
from mmseg_ext.datasets.synthetic_aerial.colors import rgb
from mmseg_ext.datasets.synthetic_aerial.geometry import tilted


def cast_shadows(canvas: Canvas) -> None:
    """Darken what the sun does not reach: each height is compared with the heights towards the sun."""
    fall = canvas.between(0.6, 1.3)  # how far the shadow's edge falls over one unit of way
    shadow = np.zeros((canvas.size, canvas.size), np.float32)
    reach = int(16 / fall / canvas.pixel)  # in pixels: hardly anything is higher than 16 units
    margin = reach + 1
    padded = np.pad(canvas.height, margin)
    for step in range(1, reach + 1):
        row = margin + math.floor(canvas.sun[1] * step + 0.5)
        column = margin + math.floor(canvas.sun[0] * step + 0.5)
        towards_sun = padded[row : row + canvas.size, column : column + canvas.size]
        hidden = towards_sun - canvas.height - step * canvas.pixel * fall
        shadow = np.maximum(shadow, np.clip(hidden, 0, 1))
    depth = canvas.between(0.45, 0.62)
    tint = rgb(1.0, 0.96, 0.88)  # the sky lights the shadow
    canvas.color *= 1 - (shadow * depth)[..., None] * tint


def photograph(canvas: Canvas, border: bool) -> tuple[np.ndarray, np.ndarray]:
    """Take the picture.

    Args:
        canvas: The land, drawn and with its shadows.
        border: Whether to leave a border without data, as where a picture was turned.

    Returns:
        The picture (H, W, 3), uint8 RGB, and the labels (H, W), uint8.
    """
    color = canvas.color
    color = color + canvas.between(0.4, 0.9) * (_blur(color) - color)
    brighter_side = canvas.frame(canvas.full, canvas.direction())[0] * (canvas.between(0, 0.12) / 128)
    warmth = canvas.between(-0.06, 0.06)
    gain = canvas.between(1.05, 1.55)
    balance = rgb(gain * (1 + warmth), gain * (1 + canvas.between(-0.02, 0.02)), gain * (1 - warmth))
    grey = (color[..., 0] + color[..., 1] + color[..., 2]) / 3
    color = color + canvas.between(0.12, 0.4) * (grey[..., None] - color)
    color = color * (1 + brighter_side)[..., None] * balance
    haze = canvas.between(0, 0.22) * (1 + canvas.noise(110) * 0.4)
    color = color + haze[..., None] * (rgb(0.66, 0.70, 0.74) - color)
    color = np.clip(color, 0, 1)
    color = color + canvas.between(-0.1, 0.35) * color * (1 - color)
    strength = canvas.between(0.006, 0.022)
    noise = np.stack([canvas.pixel_noise() for _ in range(3)], axis=-1)
    color = color + strength * (noise + canvas.pixel_noise()[..., None])
    image = np.rint(np.clip(color, 0, 1) * 255).astype(np.uint8)
    labels = canvas.labels.copy()
    if border:
        outside = _border(canvas)
        image[outside] = 0
        labels[outside] = NO_DATA
    return image, labels


def _blur(color: np.ndarray) -> np.ndarray:
    """A 3 x 3 binomial blur of (H, W, 3) with repeated borders."""
    padded = np.pad(color, ((1, 1), (0, 0), (0, 0)), mode="edge")
    color = color / 2 + (padded[:-2] + padded[2:]) / 4
    padded = np.pad(color, ((0, 0), (1, 1), (0, 0)), mode="edge")
    return color / 2 + (padded[:, :-2] + padded[:, 2:]) / 4


def _border(canvas: Canvas) -> np.ndarray:
    """The mask (H, W) of what lies outside of a slightly turned picture, at two of its sides."""
    along, across = canvas.frame(canvas.full, tilted((1.0, 0.0), canvas.between(-0.12, 0.12)))
    reach = 128 - canvas.between(1, 6)
    return (along * canvas.pick((-1, 1)) > reach) | (across * canvas.pick((-1, 1)) > reach)
