"""Labels as colours, over an image, or as points.

Shape suffixes: H height, W width, C colour channels (RGB).
"""

from collections.abc import Sequence

import numpy as np

from mmseg_ext.errors import UserError
from mmseg_ext.pictures.array_checks import Palette, check_range, checked_labels, checked_pair, checked_palette
from mmseg_ext.pictures.hatching import draw_hatching

SPARSE_SHARE = 0.02
"""Below this share of labelled pixels, labels are drawn as points."""


def colorize(
    labels_HW: np.ndarray, palette: Palette, ignore_index: int = 255, ignore_color: Sequence[int] = (0, 0, 0)
) -> np.ndarray:
    """Paint each pixel in the colour of its class.

    Args:
        labels_HW: Class indices, any integer type.
        palette: One RGB colour per class.
        ignore_index: The label of pixels without a class.
        ignore_color: Their colour.

    Returns:
        The picture (H, W, 3), uint8 RGB.

    Raises:
        UserError: If the labels are not a map of integers, or name a class that the palette lacks.

    Example:
        >>> colorize(np.array([[1, 255]]), [[9, 9, 9], [255, 0, 0]]).tolist()
        [[[255, 0, 0], [0, 0, 0]]]
    """
    labels_HW = checked_labels(labels_HW)
    palette_KC = checked_palette(palette)
    valid_HW = labels_HW != ignore_index
    check_range(labels_HW[valid_HW], len(palette_KC), ignore_index)
    colors_KC = np.concatenate([palette_KC, checked_palette([ignore_color])])
    return colors_KC[np.where(valid_HW, labels_HW, len(palette_KC)).astype(np.intp)]


def overlay(
    image_HWC: np.ndarray, labels_HW: np.ndarray, palette: Palette, alpha: float = 0.5, ignore_index: int = 255
) -> np.ndarray:
    """Lay the class colours over a picture; ignored pixels keep the picture as it is.

    Args:
        image_HWC: The picture, uint8 RGB.
        labels_HW: Class indices of the same height and width.
        palette: One RGB colour per class.
        alpha: Weight of the class colours, 0 (the picture alone) to 1 (the colours alone).
        ignore_index: The label of pixels without a class.

    Returns:
        The blended picture (H, W, 3), uint8 RGB.

    Raises:
        UserError: If shapes, types or values do not fit.
    """
    if not 0 <= alpha <= 1:
        raise UserError(f"Expected `alpha` between 0 and 1, got {alpha}.")
    image_HWC, labels_HW = checked_pair(image_HWC, labels_HW)
    colors_HWC = colorize(labels_HW, palette, ignore_index)
    blend_HWC = np.rint((1 - alpha) * image_HWC + alpha * colors_HWC).astype(np.uint8)
    return np.where((labels_HW != ignore_index)[..., None], blend_HWC, image_HWC)


def draw_points(
    image_HWC: np.ndarray,
    labels_HW: np.ndarray,
    palette: Palette,
    radius: float | None = None,
    ignore_index: int = 255,
) -> np.ndarray:
    """Draw each labelled pixel as a disc in its class colour, with a light and a dark ring around it.

    The two rings keep a point visible on any ground. Rings never cover the colour of another point.

    Args:
        image_HWC: The picture, uint8 RGB.
        labels_HW: Class indices of the same height and width, `ignore_index` where there is no point.
        palette: One RGB colour per class.
        radius: Radius of the coloured disc in pixels; by default 1/80 of the longer side, at least 2.5.
        ignore_index: The label of pixels without a class.

    Returns:
        The picture with points (H, W, 3), uint8 RGB.

    Raises:
        UserError: If shapes, types or values do not fit.
    """
    image_HWC, labels_HW = checked_pair(image_HWC, labels_HW)
    palette_KC = checked_palette(palette)
    rows, columns = np.nonzero(labels_HW != ignore_index)
    classes = labels_HW[rows, columns]
    check_range(classes, len(palette_KC), ignore_index)
    if radius is None:
        radius = max(2.5, max(labels_HW.shape) / 80)
    elif not radius >= 0:
        raise UserError(f"Expected `radius` to be 0 or more pixels, got {radius}.")
    ring = max(1.0, radius / 3)
    picture_HWC = image_HWC.copy()
    for reach, fixed_color in ((radius + 2 * ring, (20, 20, 20)), (radius + ring, (255, 255, 255)), (radius, None)):
        whole = int(reach)
        steps = np.arange(-whole, whole + 1)
        disc_rows, disc_columns = np.nonzero(steps[:, None] ** 2 + steps[None, :] ** 2 <= reach * reach)
        for row, column, label in zip(rows, columns, classes, strict=True):
            y, x = disc_rows + (row - whole), disc_columns + (column - whole)
            inside = (y >= 0) & (y < labels_HW.shape[0]) & (x >= 0) & (x < labels_HW.shape[1])
            picture_HWC[y[inside], x[inside]] = palette_KC[label] if fixed_color is None else fixed_color
    picture_HWC[rows, columns] = palette_KC[classes]  # of two overlapping discs, each keeps its own centre
    return picture_HWC


def draw_labels(image_HWC: np.ndarray, labels_HW: np.ndarray, palette: Palette, ignore_index: int = 255) -> np.ndarray:
    """Draw what is trained on: points if few pixels are labelled, else an overlay with the ignored pixels hatched.

    Args:
        image_HWC: The picture, uint8 RGB.
        labels_HW: Class indices of the same height and width.
        palette: One RGB colour per class.
        ignore_index: The label of pixels that are not trained on.

    Returns:
        The picture with labels (H, W, 3), uint8 RGB. With less than 2 % labelled pixels: `draw_points`. Otherwise:
        `overlay`, and hatching over the ignored pixels.

    Raises:
        UserError: If shapes, types or values do not fit.
    """
    image_HWC, labels_HW = checked_pair(image_HWC, labels_HW)
    ignored_HW = labels_HW == ignore_index
    if np.count_nonzero(~ignored_HW) < SPARSE_SHARE * ignored_HW.size:
        return draw_points(image_HWC, labels_HW, palette, ignore_index=ignore_index)
    picture_HWC = overlay(image_HWC, labels_HW, palette, ignore_index=ignore_index)
    hatched_HWC = draw_hatching(*labels_HW.shape)
    return np.where(ignored_HW[..., None], hatched_HWC, picture_HWC)
