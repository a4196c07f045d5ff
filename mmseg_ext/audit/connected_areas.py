"""Connected areas of equal values, numbered, and what is measured of each.

Shape suffixes: H W height and width, A areas.
"""

from typing import NamedTuple

import cv2
import numpy as np
from scipy import ndimage


class ConnectedAreas(NamedTuple):
    """Areas whose pixels are connected through their sides and have one value.

    Attributes:
        number_HW: The number of each pixel's area from 1, int32; 0 for pixels of no area.
        value_A: The value of each area, that of number 1 first.
        size_A: Its pixels.
    """

    number_HW: np.ndarray
    value_A: np.ndarray
    size_A: np.ndarray

    def sum_of(self, values_HW: np.ndarray) -> np.ndarray:
        """Add up values over each area, float64 (A,)."""
        sums = np.bincount(self.number_HW.ravel(), values_HW.ravel(), minlength=len(self.value_A) + 1)
        return sums[1:]

    def thickness(self) -> np.ndarray:
        """Return the diameter of the largest disc in each area, in pixels, float64 (A,)."""
        number_HW = np.pad(self.number_HW, 1)
        is_inside_HW = number_HW > 0
        for axis in (0, 1):
            for step in (-1, 1):
                is_inside_HW &= np.roll(number_HW, step, axis) == number_HW
        distance_HW = cv2.distanceTransform(is_inside_HW.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]
        radius_A = ndimage.maximum(distance_HW, self.number_HW, np.arange(1, len(self.value_A) + 1))
        return 2 * np.asarray(radius_A, np.float64).reshape(len(self.value_A)) + 1

    def boxes(self) -> list[tuple[slice, slice]]:
        """Find the rows and columns of each area."""
        return ndimage.find_objects(self.number_HW)


def find_connected(values_HW: np.ndarray, ignored: int) -> ConnectedAreas:
    """Number the connected areas.

    Args:
        values_HW: Integers.
        ignored: The value of pixels that are of no area.

    Example:
        >>> find_connected(np.array([[1, 1, 0], [2, 0, 1]]), 0).number_HW.tolist()
        [[1, 1, 0], [3, 0, 2]]
    """
    number_HW = np.zeros(values_HW.shape, np.int32)
    value_of = []
    total = 0
    for value in np.unique(values_HW[values_HW != ignored]).tolist():
        rows, columns = (np.flatnonzero((values_HW == value).any(axis)) for axis in (1, 0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        count, found_hw = cv2.connectedComponents((values_HW[box] == value).astype(np.uint8), connectivity=4)
        np.add(found_hw, total, out=number_HW[box], where=found_hw > 0)
        value_of += [value] * (count - 1)
        total += count - 1
    sizes = np.bincount(number_HW.ravel(), minlength=total + 1)[1:]
    return ConnectedAreas(number_HW, np.array(value_of, dtype=np.int64), sizes)
