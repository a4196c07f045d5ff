"""Masks whose classes are colours: colours as text and numbers, reading a mask, turning colours into labels.

Shape suffixes: H height, W width, C colour channels (RGB).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mmseg_ext.arguments import LabelValue
from mmseg_ext.errors import MAX_LISTED, UserError
from mmseg_ext.masks.mask_facts import MaskFacts, has_fractions
from mmseg_ext.masks.mask_meaning import FIX_BLURRED, MaskMeaning
from mmseg_ext.masks.orientation import open_as_shown
from mmseg_ext.masks.png_decoding import RGB, decode_plain_png

Color = tuple[int, int, int]

COLOR_THRESHOLD = 128
"""The lowest value that stands for 255, where colours are only nearly those of the classes."""

ColorLike = str | tuple[LabelValue, LabelValue, LabelValue]
"""A colour as configs give it: '#RRGGBB', or three integers."""


def parse_color(color: ColorLike) -> Color:
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


def pack_color(color: Sequence[int]) -> int:
    """Write a colour as one number, 0xRRGGBB."""
    return color[0] << 16 | color[1] << 8 | color[2]


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
        mask = open_as_shown(path)
        if mask.mode == "F" and has_fractions(np.asarray(mask)):
            raise ValueError("it holds fractions")
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


@dataclass(frozen=True)
class ColorMeaning(MaskMeaning):
    """What the colours of a mask mean. Values are colours, 0xRRGGBB.

    Attributes:
        palette: The colours of the classes.
        labels: The label of each of them; several colours may share one.
        ignore_colors: Colours that mean "not labelled".
        ignore_index: The label of `ignore_colors` and of unknown colours.
        ignores_unknown: Whether colours that are in neither list are ignored.
        threshold: The lowest value of a channel that stands for 255, all others for 0; None takes colours as they are.
    """

    expected = "colours of `palette` and `ignore_colors`"

    palette: Sequence[Color]
    labels: Sequence[int]
    ignore_colors: Sequence[Color] = ()
    ignore_index: int = 255
    ignores_unknown: bool = False
    threshold: int | None = None

    @cached_property
    def label_of(self) -> Mapping[int, int]:
        """The label of each colour."""
        return {**dict.fromkeys(map(pack_color, self.ignore_colors), self.ignore_index), **self.label_of_class_color}

    @cached_property
    def label_of_class_color(self) -> Mapping[int, int]:
        """The label of each colour of a class."""
        return dict(zip(map(pack_color, self.palette), self.labels, strict=True))

    def values_of(self, rgb: np.ndarray) -> np.ndarray:
        """Turn RGB, uint8 (..., 3), into values, int32 (...)."""
        return pack_colors(rgb if self.threshold is None else binarize_colors(rgb, self.threshold))

    def read_mask(self, path: str | Path) -> np.ndarray:
        """Read a mask as labels, uint8 (H, W).

        Raises:
            UserError: The file cannot be read, or holds unknown colours.
        """
        return self.label_pixels(self.values_of(read_rgb_mask(path)), path)

    def values_in(self, facts: MaskFacts) -> Sequence[int]:
        """List the distinct colours of a mask."""
        bytes_N4 = np.array(facts.colors(), dtype=">u4").view(np.uint8).reshape(-1, 4)
        return self.values_of(bytes_N4[:, 1:]).tolist()

    def name_value(self, value: float) -> str:
        """Write a colour as '#RRGGBB'."""
        return f"#{value:06X}"

    def suggest_fix(self, unknown: Collection[int]) -> str:
        """Say what to do about a mask with unknown colours."""
        names = [self.name_value(value) for value in unknown][:MAX_LISTED]
        fix = (
            f"Set ignore_colors={names}, add the colour of the class to the palette, or ignore all such pixels with "
            "unknown='ignore'."
        )
        if len(unknown) > MAX_LISTED:
            colors = " ".join(f"'{format_color(color)}'" for color in (*self.palette, *self.ignore_colors))
            fix = f"{fix} {FIX_BLURRED[0].upper()}{FIX_BLURRED[1:]} --colors {colors}."
        is_grey = all(value == (value & 255) * 0x010101 for value in unknown)
        return f"{fix} If it is a mask of class indices, read it with LoadAnnotations." if is_grey else fix
