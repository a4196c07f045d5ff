"""Text in pictures: one font, lines that fit."""

import numpy as np
from PIL import ImageFont

from mmseg_ext.escaping import printable

INK = (33, 37, 41)
PAPER = (255, 255, 255)
GAP = 8
"""Pixels between the parts of a picture."""


def text_length(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    """Return the width of a text in pixels, rounded up."""
    return int(np.ceil(font.getlength(text)))


def fit_text(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """One line that fits the width, shortened with an ellipsis; empty where not even that fits."""
    text = printable(" ".join(text.split()))
    if text_length(text, font) <= width:
        return text
    low, high = 0, min(len(text), max(width, 0))  # no letter is narrower than a pixel
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text_length(text[:middle] + "…", font) <= width else (low, middle - 1)
    shortened = text[:low].rstrip() + "…"
    return shortened if text_length(shortened, font) <= width else ""
