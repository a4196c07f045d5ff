"""Clean-up of a class map: specks, holes, ragged edges.

Shape suffixes: H height, W width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from mmseg_ext.arguments import NonNegativeInt, checked


@partial(checked, name="clean-up step")
@dataclass(frozen=True)
class CleanUpStep:
    """The clean-up of one class, in this order; all in pixels, 0 for nothing.

    Attributes:
        class_index: The class.
        opening: Radius of a disk: parts that are too small to hold it are removed.
        closing: Radius of a disk: gaps that are too small to hold it are filled.
        max_hole: Holes of at most this area are filled. A hole is a group of other pixels, connected through their
            sides, that does not reach the image's border.
        min_area: Groups of fewer pixels, connected through their sides, are removed.

    Raises:
        UserError: A number is negative or not whole.
    """

    class_index: NonNegativeInt
    opening: NonNegativeInt = 0
    closing: NonNegativeInt = 0
    max_hole: NonNegativeInt = 0
    min_area: NonNegativeInt = 0


def _disk(radius: int) -> np.ndarray:
    offsets = np.arange(-radius, radius + 1)
    return (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.uint8)


def _groups(mask_HW: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the groups of positive pixels, from 1; return the numbers (H, W) and cv2's statistics of each."""
    _, number_HW, statistics, _ = cv2.connectedComponentsWithStats(mask_HW.astype(np.uint8), connectivity=4)
    return number_HW, statistics


def remove_specks(mask_HW: np.ndarray, min_area: int) -> np.ndarray:
    """Remove groups of fewer than `min_area` pixels; bool (H, W)."""
    number_HW, statistics = _groups(mask_HW)
    is_kept = statistics[:, cv2.CC_STAT_AREA] >= min_area
    is_kept[0] = False
    return is_kept[number_HW]


def fill_holes(mask_HW: np.ndarray, max_hole: int) -> np.ndarray:
    """Fill holes of at most `max_hole` pixels; bool (H, W)."""
    number_HW, statistics = _groups(~mask_HW)
    is_filled = statistics[:, cv2.CC_STAT_AREA] <= max_hole
    for edge in (number_HW[0], number_HW[-1], number_HW[:, 0], number_HW[:, -1]):
        is_filled[edge] = False
    is_filled[0] = True  # the mask itself
    return is_filled[number_HW]


def nearest_class(class_map_HW: np.ndarray, unknown_HW: np.ndarray) -> np.ndarray:
    """Give unknown pixels the class of a nearest known one; all stay as they are where none is known.

    Distances are cv2's, which are exact to a few hundredths.
    """
    if unknown_HW.all() or not unknown_HW.any():
        return class_map_HW
    _, nearest_HW = cv2.distanceTransformWithLabels(
        unknown_HW.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    class_of = np.zeros(int(nearest_HW.max()) + 1, class_map_HW.dtype)
    class_of[nearest_HW[~unknown_HW]] = class_map_HW[~unknown_HW]
    return np.where(unknown_HW, class_of[nearest_HW], class_map_HW)


def clean_up_class(class_map_HW: np.ndarray, step: CleanUpStep) -> np.ndarray:
    """Clean up one class.

    Pixels that the class gains are taken from any other class; pixels that it loses get the nearest other class. Disks
    are cut off at the image's border: a part that the border cuts is not eroded there, and a gap between a class and
    the border is closed like one between two parts.

    Args:
        class_map_HW: Class indices.
        step: What is to be done.

    Returns:
        A new map, or the same one where nothing changes.
    """
    before_HW = class_map_HW == step.class_index
    if not before_HW.any():
        return class_map_HW
    mask_HW = before_HW
    for radius, operation in ((step.opening, cv2.MORPH_OPEN), (step.closing, cv2.MORPH_CLOSE)):
        if radius:
            mask_HW = cv2.morphologyEx(mask_HW.astype(np.uint8), operation, _disk(radius)).astype(bool)
    if step.max_hole:
        mask_HW = fill_holes(mask_HW, step.max_hole)
    if step.min_area > 1:
        mask_HW = remove_specks(mask_HW, step.min_area)
    if np.array_equal(mask_HW, before_HW):
        return class_map_HW
    if (before_HW & ~mask_HW).any():
        class_map_HW = nearest_class(class_map_HW, before_HW)
    return np.where(mask_HW, class_map_HW.dtype.type(step.class_index), class_map_HW)


def clean_up_map(class_map_HW: np.ndarray, steps: Sequence[CleanUpStep]) -> np.ndarray:
    """Clean up a class map, step by step.

    Args:
        class_map_HW: Class indices, any integer dtype.
        steps: One a class, in the order in which they are taken.

    Returns:
        A class map of the same dtype.
    """
    for step in steps:
        class_map_HW = clean_up_class(class_map_HW, step)
    return class_map_HW
