"""Pictures side by side and one below the other.

Shape suffixes: H height, W width, C colour channels (RGB).
"""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmseg_ext.errors import UserError
from mmseg_ext.pictures.array_checks import checked_image
from mmseg_ext.pictures.lettering import GAP, INK, PAPER, fit_text


def panel(columns: Sequence[tuple[str, np.ndarray]], height: int | None = None) -> np.ndarray:
    """Pictures side by side, each below its title.

    Args:
        columns: Titles and pictures (H, W, 3), uint8 RGB. A title wider than its picture is shortened.
        height: Height that all pictures are scaled to, keeping their shape; by default that of the highest.

    Returns:
        The panel (H, W, 3), uint8 RGB, on white.

    Raises:
        UserError: If there is no picture, one is no RGB picture, or the height is below 1.
    """
    if not columns:
        raise UserError("Expected at least one picture in a panel, got none.")
    pictures = [checked_image(picture) for _, picture in columns]
    height = max(picture.shape[0] for picture in pictures) if height is None else height
    if height < 1:
        raise UserError(f"Expected `height` to be at least 1 pixel, got {height}.")
    pictures = [scale_to_height(picture, height) for picture in pictures]
    size = min(max(height // 16, 13), 28)
    font = ImageFont.load_default(size)
    band = size + 10 if any(title for title, _ in columns) else 0
    width = sum(picture.shape[1] for picture in pictures) + GAP * (len(pictures) - 1)
    canvas = Image.new("RGB", (width, band + height), PAPER)
    draw = ImageDraw.Draw(canvas)
    x = 0
    for (title, _), picture in zip(columns, pictures, strict=True):
        canvas.paste(Image.fromarray(picture), (x, band))
        text = fit_text(title, font, picture.shape[1])
        draw.text((x + picture.shape[1] / 2, band / 2), text, font=font, fill=INK, anchor="mm")
        x += picture.shape[1] + GAP
    return np.array(canvas)


def sheet(rows: Sequence[np.ndarray], legend: np.ndarray | None = None) -> np.ndarray:
    """Panels one below the other, with a legend below.

    Args:
        rows: Pictures (H, W, 3), uint8 RGB, such as panels; narrower ones are filled up with white at the right.
        legend: A strip to put below, such as that of :func:`legend`.

    Returns:
        The sheet (H, W, 3), uint8 RGB.

    Raises:
        UserError: If there is no row, or one is no RGB picture.
    """
    if not rows:
        raise UserError("Expected at least one row in a sheet, got none.")
    parts = [checked_image(part) for part in (*rows, *(() if legend is None else (legend,)))]
    width = max(part.shape[1] for part in parts)
    height = sum(part.shape[0] for part in parts) + GAP * (len(parts) - 1)
    picture_HWC = np.full((height, width, 3), PAPER, np.uint8)
    y = 0
    for part in parts:
        picture_HWC[y : y + part.shape[0], : part.shape[1]] = part
        y += part.shape[0] + GAP
    return picture_HWC


def scale_to_height(image: np.ndarray, height: int) -> np.ndarray:
    """Scale to a height: smooth when smaller, whole pixels when larger, so that labels keep their colours."""
    if image.shape[0] == height:
        return image
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    method = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(image, (width, height), interpolation=method))
