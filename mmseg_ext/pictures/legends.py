"""Legends: class names beside their colours.

Shape suffixes: H height, W width, C colour channels (RGB).
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmseg_ext.errors import UserError
from mmseg_ext.pictures.array_checks import Palette, checked_palette
from mmseg_ext.pictures.error_maps import RIGHT_COLOR, WRONG_COLOR
from mmseg_ext.pictures.lettering import GAP, INK, PAPER, fit_text, text_length


def legend(classes: Sequence[str], palette: Palette, width: int) -> np.ndarray:
    """A strip of class names beside their colours, in as many rows as the width requires.

    Args:
        classes: The names to show, in any script and of any length; a name wider than the strip is shortened.
        palette: One RGB colour per name.
        width: Width of the strip in pixels, at least 1.

    Returns:
        The strip (H, W, 3), uint8 RGB, of the given width.

    Raises:
        UserError: If names and colours differ in number, or the width is below 1.
    """
    palette_KC = checked_palette(palette, allow_empty=True)
    if len(classes) != len(palette_KC):
        raise UserError(f"Expected one colour for each of {len(classes)} classes, got {len(palette_KC)} colours.")
    if width < 1:
        raise UserError(f"Expected `width` to be at least 1 pixel, got {width}.")
    font = ImageFont.load_default(13)
    swatch, line = 14, 22
    places: list[tuple[int, int, str]] = []
    x, y = GAP, 4
    for name in classes:
        text = fit_text(name, font, width - 2 * GAP - swatch - 5)
        length = swatch + 5 + text_length(text, font)
        if x > GAP and x + length > width - GAP:
            x, y = GAP, y + line
        places.append((x, y, text))
        x += length + 2 * GAP
    strip = Image.new("RGB", (width, y + line + 4), PAPER)
    draw = ImageDraw.Draw(strip)
    for (x, y, text), color in zip(places, palette_KC.tolist(), strict=True):
        box = (x, y + 4, x + swatch - 1, y + 4 + swatch - 1)
        draw.rectangle(box, fill=tuple(color), outline=(110, 110, 110))
        draw.text((x + swatch + 5, y + line // 2), text, font=font, fill=INK, anchor="lm")
    return np.array(strip)


def segmentation_legend(classes: Sequence[str], palette: Palette, width: int) -> np.ndarray:
    """The legend of labels, predictions and errors: the classes, then black, right and wrong.

    Args:
        classes: The names of the classes.
        palette: One RGB colour per class.
        width: Width of the strip in pixels.

    Returns:
        The strip (H, W, 3), uint8 RGB; see :func:`legend`.
    """
    names = [*classes, "no label", "right", "wrong"]
    return legend(names, [*palette, (0, 0, 0), RIGHT_COLOR, WRONG_COLOR], width)
