"""A random crop that is worth training on."""

import cv2
import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets.transforms import RandomCrop

from mmseg_ext.errors import UserError
from mmseg_ext.registry import TRANSFORMS

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


@TRANSFORMS.register_module()
class PointAwareRandomCrop(RandomCrop):
    """mmseg's RandomCrop, drawn among the crops that hold labels.

    A crop qualifies with at least `min_points` labelled pixels; where no crop has that many, the crops with the most
    qualify. All qualifying positions are equally likely. An image without any label is cropped anywhere. As in stock,
    up to ten crops are tried until no class fills `cat_max_ratio` or more of the labelled pixels; where none passes,
    one more is drawn and taken.

    Args:
        crop_size: Height and width.
        cat_max_ratio: Highest share of one class among the labelled pixels of a crop.
        ignore_index: Marks pixels without a label.
        min_points: Labelled pixels that a crop must hold.
    """

    def __init__(
        self,
        crop_size: int | tuple[int, int],
        cat_max_ratio: float = 1.0,
        ignore_index: int = 255,
        min_points: int = 1,
    ) -> None:
        size = crop_size if isinstance(crop_size, int) else tuple(crop_size)  # configs from the command line hold lists
        super().__init__(crop_size=size, cat_max_ratio=cat_max_ratio, ignore_index=ignore_index)
        if min_points < 1:
            raise UserError(f"Expected `min_points` of at least 1, got {min_points}.")
        self.min_points = min_points

    @cache_randomness
    def crop_bbox(self, results: dict) -> tuple[int, int, int, int]:
        """Draw a crop.

        Returns:
            Top, bottom, left, right in pixels, bottom and right exclusive.
        """
        image_height, image_width = results["img"].shape[:2]
        height, width = min(self.crop_size[0], image_height), min(self.crop_size[1], image_width)
        labels_HW = results["gt_seg_map"]
        counts = count_labels_of_crops(labels_HW != self.ignore_index, (height, width))
        positions = np.flatnonzero(counts >= min(self.min_points, int(counts.max())))
        for tries in range(MAX_TRIES + 1):
            top, left = divmod(int(positions[np.random.randint(len(positions))]), counts.shape[1])
            box = (top, top + height, left, left + width)
            taken = self.cat_max_ratio >= 1.0 or tries == MAX_TRIES
            if taken or self._is_mixed(labels_HW[top : box[1], left : box[3]]):
                break
        return box

    def _is_mixed(self, labels_HW: np.ndarray) -> bool:
        """Whether no class fills `cat_max_ratio` or more of the labelled pixels, by stock's rule."""
        counts = np.unique(labels_HW[labels_HW != self.ignore_index], return_counts=True)[1]
        return len(counts) > 1 and counts.max() / counts.sum() < self.cat_max_ratio
