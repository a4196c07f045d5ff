"""Checks of the arrays that pictures are drawn of, each with the message that a user needs."""

from collections.abc import Sequence

import numpy as np

from mmseg_ext.errors import UserError, out_of_range

Palette = Sequence[Sequence[int]]
"""One RGB colour (0 to 255) per class."""


def checked_image(image: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, 3), uint8 RGB, or raise UserError."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise UserError(f"Expected a picture (H, W, 3) of uint8 RGB, got shape {image.shape} of {image.dtype}.")
    return image


def checked_labels(labels: np.ndarray) -> np.ndarray:
    """Return a map (H, W) of integers, or raise UserError."""
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iu" or 0 in labels.shape:
        raise UserError(f"Expected labels (H, W) of integers, got shape {labels.shape} of {labels.dtype}.")
    return labels


def checked_pair(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture and the labels of its height and width, or raise UserError."""
    image, labels = checked_image(image), checked_labels(labels)
    if image.shape[:2] != labels.shape:
        raise UserError(f"Expected labels of the picture's height and width {image.shape[:2]}, got {labels.shape}.")
    return image, labels


def checked_palette(palette: Palette, allow_empty: bool = False) -> np.ndarray:
    """Return the colours as uint8 (K, 3), or raise UserError."""
    rows = [list(color) for color in palette]
    fits = all(len(color) == 3 and all(0 <= channel <= 255 for channel in color) for color in rows)
    if not fits or not (rows or allow_empty):
        raise UserError(f"Expected colours of three integers in 0..255, got {palette!r}.")
    return np.array(rows, np.uint8).reshape(-1, 3)


def check_range(labels: np.ndarray, num_classes: int, ignore_index: int) -> None:
    """Raise UserError for labels that the palette has no colour for."""
    if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
        wrong = {int(labels.min()), int(labels.max())} - set(range(num_classes))
        raise UserError(out_of_range("labels", wrong, num_classes, ignore_index))
