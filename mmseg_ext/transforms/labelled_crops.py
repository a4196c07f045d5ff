"""Crops of sparsely labelled images that hold labels. Shape suffixes: H height, W width."""

import cv2
import numpy as np

from mmseg_ext.transforms.label_counts import is_mixed

MAX_TRIES = 10  # as stock RandomCrop tries to meet cat_max_ratio


def count_labels_of_crops(labelled_HW: np.ndarray, crop_size: tuple[int, int]) -> np.ndarray:
    """Count the labelled pixels in every crop.

    Args:
        labelled_HW: bool (H, W).
        crop_size: Height and width, at most H and W.

    Returns:
        int32 (H − height + 1, W − width + 1): the count for the crop whose top left corner is there.
    """
    height, width = crop_size
    sums = cv2.integral(labelled_HW.astype(np.uint8), sdepth=cv2.CV_32S)
    return sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]


def draw_labelled_crop(
    labels_HW: np.ndarray,
    crop_size: tuple[int, int],
    cat_max_ratio: float = 1.0,
    ignore_index: int = 255,
    min_points: int = 1,
) -> tuple[int, int, int, int]:
    """Draw a crop among those that hold labels, by NumPy's global generator.

    Args:
        labels_HW: Integer class indices.
        crop_size: Height and width; cut down to the image's.
        cat_max_ratio: Highest share of one class among the labelled pixels of a crop, exclusive. As in stock, up to ten
            crops are tried; where none passes, one more is drawn and taken.
        ignore_index: Marks pixels without a label.
        min_points: Labelled pixels that a crop must hold; where no crop has that many, those with the most qualify.

    Returns:
        Top, bottom, left, right in pixels, bottom and right exclusive. All positions that qualify are equally likely.
    """
    height, width = min(crop_size[0], labels_HW.shape[0]), min(crop_size[1], labels_HW.shape[1])
    counts = count_labels_of_crops(labels_HW != ignore_index, (height, width))
    positions = np.flatnonzero(counts >= min(min_points, int(counts.max())))
    for tries in range(MAX_TRIES + 1):
        top, left = divmod(int(positions[np.random.randint(len(positions))]), counts.shape[1])
        box = (top, top + height, left, left + width)
        taken = cat_max_ratio >= 1.0 or tries == MAX_TRIES
        if taken or is_mixed(labels_HW[top : box[1], left : box[3]], cat_max_ratio, ignore_index):
            break
    return box
