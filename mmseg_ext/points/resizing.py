"""A map of points at another size. Shape suffixes: H height, W width, P points."""

import numpy as np


def resize_points(labels_HW: np.ndarray, shape: tuple[int, int], ignore_index: int = 255) -> tuple[np.ndarray, int]:
    """Resize a map of points so that each stays exactly one pixel.

    A point moves with the centre of its pixel. Of several points that fall on one pixel, the first in reading order
    stays.

    Args:
        labels_HW: Integer class indices, `ignore_index` where there is no point.
        shape: Height and width of the result.
        ignore_index: Marks pixels without a label.

    Returns:
        The resized map, and how many points were merged into another.
    """
    height, width = labels_HW.shape
    y_P, x_P = np.nonzero(labels_HW != ignore_index)
    # (2 y + 1) / (2 H) is the centre in units of the image; integers keep it exact at any size.
    new_y_P = (2 * y_P + 1) * shape[0] // (2 * height)
    new_x_P = (2 * x_P + 1) * shape[1] // (2 * width)
    resized_HW = np.full(shape, ignore_index, dtype=labels_HW.dtype)
    # Written last to first: the first point of a pixel is the one that stays.
    resized_HW[new_y_P[::-1], new_x_P[::-1]] = labels_HW[y_P[::-1], x_P[::-1]]
    return resized_HW, len(y_P) - int(np.count_nonzero(resized_HW != ignore_index))
