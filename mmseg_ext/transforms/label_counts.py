"""How many pixels each label has. Shape suffixes: H height, W width."""

import cv2
import numpy as np

EXACT_IN_FLOAT32 = 1 << 24  # cv2.calcHist counts in float32


def count_labels(labels_HW: np.ndarray, ignore_index: int = 255) -> np.ndarray:
    """Count the pixels of each label that occurs.

    Args:
        labels_HW: Integers.
        ignore_index: Not counted.

    Returns:
        int64, one positive number for each label, in the order of the labels.

    Example:
        >>> count_labels(np.array([[3, 3, 0], [255, 3, 0]], dtype=np.uint8)).tolist()
        [2, 3]
    """
    if labels_HW.dtype != np.uint8 or labels_HW.ndim != 2:
        labels, counts = np.unique(labels_HW, return_counts=True)
        return counts[labels != ignore_index]
    if 0 < labels_HW.size <= EXACT_IN_FLOAT32:
        counts = cv2.calcHist([labels_HW], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    else:
        counts = np.bincount(labels_HW.ravel(), minlength=256)
    if 0 <= ignore_index <= 255:
        counts[ignore_index] = 0
    return counts[counts > 0]


def is_mixed(labels_HW: np.ndarray, max_ratio: float, ignore_index: int = 255) -> bool:
    """Whether no class fills `max_ratio` or more of the labelled pixels, by the rule of mmseg's RandomCrop.

    Args:
        labels_HW: Integers.
        max_ratio: Highest share of one class, exclusive.
        ignore_index: Marks pixels without a label.
    """
    counts = count_labels(labels_HW, ignore_index)
    return len(counts) > 1 and bool(counts.max() / counts.sum() < max_ratio)
