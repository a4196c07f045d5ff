"""Label files as they lie on disk: reading a mask, turning colours into class indices, packing class indices as PNG.

Pure functions on files and arrays, shared by the transforms that train on labels and by the check that looks at all of
them before the first step.

Shape suffixes: H height, W width, C colour channels (RGB).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.masks.png_decoding import RGB, decode_plain_png

Color = tuple[int, int, int]

COLOR_THRESHOLD = 128
"""The lowest value that stands for 255, where colours are only nearly those of the classes."""


def parse_color(color: str | Sequence[int]) -> Color:
    """Read a colour given as ``'#3C1098'`` or as three integers in 0..255.

    Example:
        >>> parse_color('#3C1098')
        (60, 16, 152)
    """
    if isinstance(color, str):
        text = color.removeprefix("#")
        if len(text) != 6 or any(c not in "0123456789abcdefABCDEF" for c in text):
            raise UserError(f"Expected a colour like '#3C1098', got {color!r}.")
        return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)
    values = tuple(int(v) for v in color)
    if len(values) != 3 or not all(0 <= v <= 255 for v in values):
        raise UserError(f"Expected a colour of three integers in 0..255, got {color!r}.")
    return values


def format_color(color: Sequence[int]) -> str:
    """Write a colour as ``'#RRGGBB'``."""
    return "#{:02X}{:02X}{:02X}".format(*color)


def read_rgb_mask(path: str | Path) -> np.ndarray:
    """Read a colour mask, palette PNGs converted by their own palette.

    Returns:
        uint8 array (H, W, 3), RGB.

    Raises:
        UserError: The file is missing or cannot be decoded.
    """
    try:
        rgb_HWC = decode_plain_png(Path(path).read_bytes(), RGB)
        if rgb_HWC is not None:
            return rgb_HWC
        with Image.open(path) as mask:
            return np.asarray(mask.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"Cannot read the mask {path}: {error}. Replace the file or remove its image.") from error


def pack_colors(rgb_HWC: np.ndarray) -> np.ndarray:
    """Pack RGB into one int32 a pixel, 0xRRGGBB: (H, W, 3) uint8 to (H, W) int32."""
    packed_HW = rgb_HWC[..., 0].astype(np.int32)
    packed_HW <<= 8
    packed_HW |= rgb_HWC[..., 1]
    packed_HW <<= 8
    packed_HW |= rgb_HWC[..., 2]
    return packed_HW


def binarize_colors(colors_HWC: np.ndarray, threshold: int = COLOR_THRESHOLD) -> np.ndarray:
    """Set every channel to 255 where it reaches the threshold, else to 0: (H, W, 3) uint8 to the same.

    Example:
        >>> binarize_colors(np.array([[[127, 128, 255]]], dtype=np.uint8)).tolist()
        [[[0, 255, 255]]]
    """
    return (colors_HWC >= threshold) * np.uint8(255)


def colors_to_indices(
    rgb_HWC: np.ndarray,
    palette: Sequence[Color],
    ignore_colors: Sequence[Color] = (),
    ignore_index: int = 255,
) -> tuple[np.ndarray, dict[Color, int]]:
    """Turn a colour mask into class indices.

    Args:
        rgb_HWC: uint8 (H, W, 3).
        palette: The colour of each class, in the order of the classes.
        ignore_colors: Colours that mean "not labelled".
        ignore_index: What pixels of `ignore_colors` and of no known colour become.

    Returns:
        The labels, uint8 (H, W), and the number of pixels of each colour that neither `palette` nor `ignore_colors`
        holds.
    """
    packed_HW = pack_colors(rgb_HWC)
    labels_HW = np.full(packed_HW.shape, ignore_index, dtype=np.uint8)
    known_HW = np.zeros(packed_HW.shape, dtype=bool)
    for index, (r, g, b) in enumerate(palette):
        match_HW = packed_HW == (r << 16 | g << 8 | b)
        labels_HW[match_HW] = index
        known_HW |= match_HW
    for r, g, b in ignore_colors:
        known_HW |= packed_HW == (r << 16 | g << 8 | b)
    if known_HW.all():
        return labels_HW, {}
    colors, counts = np.unique(packed_HW[~known_HW], return_counts=True)
    unknown = {(int(c) >> 16, int(c) >> 8 & 255, int(c) & 255): int(n) for c, n in zip(colors, counts, strict=True)}
    return labels_HW, unknown
