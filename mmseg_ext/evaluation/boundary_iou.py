"""Boundary IoU: the IoU of the boundaries of the classes, whatever the size of their areas.

Shape suffixes: H height, W width, C classes.
"""

import math

import cv2
import numpy as np

from mmseg_ext.scores.percentages import percent


def boundary_reach(shape: tuple[int, int], width: float = 0.02) -> int:
    """Return how many pixels a boundary reaches into a class: a share of the image's diagonal, at least 1.

    Example:
        >>> boundary_reach((300, 400)), boundary_reach((8, 8))
        (10, 1)
    """
    return max(1, round(width * math.hypot(*shape)))


def near_other_class(class_map_HW: np.ndarray, known_HW: np.ndarray, reach: int, num_classes: int) -> np.ndarray:
    """Mark the pixels of every class's boundary.

    Args:
        class_map_HW: Class indices.
        known_HW: bool; pixels that are not known have no class, and nothing is near to them.
        reach: In pixels.
        num_classes: C.

    Returns:
        bool (H, W): known pixels that have the image's edge or a known pixel of another class at most `reach` rows and
        columns away.
    """
    # One class's mask less its erosion by a square of 2 · reach + 1 pixels is where the mask, and another class or the
    # outside, meet in that square: for all classes at once, where the square's lowest or highest class is another one.
    dtype = next((t for t in (np.uint8, np.uint16) if num_classes <= np.iinfo(t).max), np.float32)
    above_all = num_classes
    square = cv2.getStructuringElement(cv2.MORPH_RECT, (2 * reach + 1, 2 * reach + 1))
    lowest_HW = cv2.erode(np.where(known_HW, class_map_HW, above_all).astype(dtype), square)
    near_HW = lowest_HW != class_map_HW
    highest_HW = cv2.dilate(np.where(known_HW, class_map_HW, 0).astype(dtype), square)
    near_HW |= highest_HW != class_map_HW
    near_HW[:reach] = near_HW[-reach:] = True
    near_HW[:, :reach] = near_HW[:, -reach:] = True
    return near_HW & known_HW


def count_boundary(
    prediction_HW: np.ndarray, labels_HW: np.ndarray, num_classes: int, width: float = 0.02, ignore_index: int = 255
) -> np.ndarray:
    """Count the pixels that the boundaries of truth and prediction share, and those of either.

    Args:
        prediction_HW: Class indices in 0..C-1 wherever there is a label.
        labels_HW: Class indices in 0..C-1; `ignore_index` where there is no label. Such pixels are not counted, and a
            class that meets them has no boundary there, neither in truth nor in prediction.
        num_classes: C.
        width: Of a boundary, as a share of the image's diagonal.
        ignore_index: Marks pixels without a label.

    Returns:
        int64 (2, C): intersection and union.

    Reference:
        Cheng et al., Boundary IoU, CVPR 2021 (arXiv 2103.16562), section 4, as in the authors' ``mask_to_boundary``:
        distances in rows and columns, the image's edge is a contour. Unlabelled pixels are our addition.
    """
    labelled_HW = labels_HW != ignore_index
    reach = boundary_reach((labels_HW.shape[0], labels_HW.shape[1]), width)
    truth_HW = near_other_class(labels_HW, labelled_HW, reach, num_classes)
    found_HW = near_other_class(prediction_HW, labelled_HW, reach, num_classes)
    both_HW = truth_HW & found_HW & (labels_HW == prediction_HW)

    def count(values: np.ndarray) -> np.ndarray:
        return np.bincount(values.astype(np.intp), minlength=num_classes)

    intersection_C = count(labels_HW[both_HW])
    union_C = count(labels_HW[truth_HW]) + count(prediction_HW[found_HW]) - intersection_C
    return np.stack([intersection_C, union_C]).astype(np.int64)


def boundary_scores(counts_2C: np.ndarray) -> np.ndarray:
    """Turn counts into Boundary IoU, float64 (C,), in percent; NaN for a class without a boundary."""
    return percent(counts_2C[0], counts_2C[1])
