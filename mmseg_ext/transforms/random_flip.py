"""mmseg's RandomFlip, faster."""

from __future__ import annotations

import cv2
import mmcv
import numpy as np
from mmseg.datasets.transforms import RandomFlip as StockRandomFlip

from mmseg_ext.registry import TRANSFORMS

FLIP_CODES = {"horizontal": 1, "vertical": 0, "diagonal": -1}
FLIPPED_BY_OPENCV = frozenset(map(np.dtype, ("u1", "i1", "u2", "i2", "i4", "f4", "f8")))
MAX_CHANNELS = 4  # cv2.flip turns more of them one by one


def flip_array(array: np.ndarray, direction: str) -> np.ndarray:
    """Flip an image or a label map into a new, contiguous array.

    Args:
        array: (H, W) or (H, W, C), of any type.
        direction: 'horizontal', 'vertical' or 'diagonal' (both).
    """
    small = array.ndim == 2 or (array.ndim == 3 and array.shape[2] <= MAX_CHANNELS)
    if not small or array.dtype not in FLIPPED_BY_OPENCV or not array.size:
        return np.ascontiguousarray(mmcv.imflip(array, direction))
    return cv2.flip(array, FLIP_CODES[direction]).reshape(array.shape)


@TRANSFORMS.register_module()
class RandomFlip(StockRandomFlip):
    """mmseg's RandomFlip: the same arguments, the same random numbers and, bit for bit, the same arrays.

    Stock hands on a view of the image that is read backwards, which makes every later step slow; here it is a new array
    in reading order.
    """

    def _flip(self, results: dict) -> None:
        """Flip the image, its boxes and every segmentation field in ``results['flip_direction']``."""
        direction = results["flip_direction"]
        results["img"] = flip_array(results["img"], direction)
        if results.get("gt_bboxes") is not None:
            results["gt_bboxes"] = self._flip_bbox(results["gt_bboxes"], results["img"].shape[:2], direction)
        for key in results.get("seg_fields", []):
            if results.get(key) is not None:
                results[key] = self._flip_seg_map(results[key], direction)
                results["swap_seg_labels"] = self.swap_seg_labels

    def _flip_seg_map(self, seg_map: np.ndarray, direction: str) -> np.ndarray:
        """Flip a segmentation map, (H, W), into a new one, and swap left and right labels."""
        if self.swap_seg_labels is not None:
            return super()._flip_seg_map(seg_map, direction).copy()
        return flip_array(seg_map, direction)
