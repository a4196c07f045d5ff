"""Colours as linear reflectances, about 0 to 1; those of different classes come close to each other on purpose."""

import numpy as np

Color = tuple[float, float, float]  # red, green, blue

CROPS: tuple[Color, ...] = (
    (0.20, 0.31, 0.13),  # dark green, close to woods
    (0.15, 0.25, 0.11),
    (0.31, 0.42, 0.17),  # young green, close to lawn
    (0.41, 0.45, 0.22),
    (0.62, 0.54, 0.33),  # ripe grain
    (0.52, 0.45, 0.31),  # stubble
    (0.42, 0.33, 0.24),  # ploughed, close to bare ground
    (0.33, 0.26, 0.19),
    (0.47, 0.37, 0.28),
)
BARE_GROUNDS: tuple[Color, ...] = (
    (0.47, 0.38, 0.28),
    (0.42, 0.32, 0.23),
    (0.55, 0.48, 0.38),
    (0.44, 0.40, 0.35),
)
WATERS: tuple[Color, ...] = (
    (0.10, 0.19, 0.22),
    (0.13, 0.20, 0.17),
    (0.21, 0.24, 0.19),  # green, close to crops
    (0.29, 0.28, 0.21),  # full of mud
    (0.15, 0.25, 0.31),
)
TILED_ROOFS: tuple[Color, ...] = (
    (0.54, 0.27, 0.19),  # red
    (0.46, 0.28, 0.20),
    (0.41, 0.32, 0.25),  # brown, close to bare and ploughed ground
)
FLAT_ROOFS: tuple[Color, ...] = (
    (0.50, 0.41, 0.31),
    (0.29, 0.28, 0.28),  # slate
    (0.42, 0.42, 0.42),  # grey, close to asphalt
    (0.54, 0.54, 0.53),
    (0.72, 0.71, 0.69),  # white sheet
    (0.28, 0.39, 0.52),  # blue sheet
    (0.30, 0.42, 0.38),
)
PITCHED_ROOFS = TILED_ROOFS + FLAT_ROOFS
CARS: tuple[Color, ...] = (
    (0.85, 0.85, 0.85),
    (0.80, 0.80, 0.78),
    (0.12, 0.12, 0.14),
    (0.20, 0.20, 0.21),
    (0.55, 0.56, 0.58),
    (0.45, 0.14, 0.12),
    (0.17, 0.24, 0.40),
)


def rgb(red: float, green: float, blue: float) -> np.ndarray:
    """A colour as an array (3,), float32."""
    return np.array((red, green, blue), np.float32)


def mix(first: Color, second: Color, share: float) -> Color:
    """A colour between two, `share` of the way from the first to the second."""
    red, green, blue = (x + (y - x) * share for x, y in zip(first, second, strict=True))
    return red, green, blue
