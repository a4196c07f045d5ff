"""mmseg's PhotoMetricDistortion, faster."""

from __future__ import annotations

import cv2
import numpy as np
from mmseg.datasets.transforms import PhotoMetricDistortion as StockPhotoMetricDistortion

from mmseg_ext.errors import UserError
from mmseg_ext.registry import TRANSFORMS

HUE, SATURATION = 0, 1  # channels of HSV
NUM_HUES = 180  # OpenCV's 8-bit hue is in steps of two degrees


def linear_table(alpha: float = 1.0, beta: float = 0.0) -> np.ndarray:
    """Say what stock's ``convert`` makes of each value: ``value · alpha + beta`` in float32, clipped and cut off.

    Returns:
        uint8 (256,).

    Example:
        >>> linear_table(alpha=1.5, beta=-1.0)[[0, 1, 3, 200]].tolist()
        [0, 0, 3, 255]
    """
    values = np.arange(256, dtype=np.float32) * alpha + beta
    return np.clip(values, 0, 255).astype(np.uint8)


def hue_table(shift: int) -> np.ndarray:
    """Turn each hue by `shift` steps of two degrees: uint8 (256,)."""
    return ((np.arange(256) + shift) % NUM_HUES).astype(np.uint8)


def change_hsv_channel(bgr_HWC: np.ndarray, channel: int, table: np.ndarray) -> np.ndarray:
    """Look one channel of HSV up in a table, and convert back.

    Args:
        bgr_HWC: uint8 (H, W, 3).
        channel: `HUE` or `SATURATION`.
        table: uint8 (256,).

    Returns:
        A new uint8 array (H, W, 3), BGR.
    """
    hsv_HWC = cv2.cvtColor(bgr_HWC, cv2.COLOR_BGR2HSV)
    cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv_HWC, channel), table), hsv_HWC, channel)
    return cv2.cvtColor(hsv_HWC, cv2.COLOR_HSV2BGR)


@TRANSFORMS.register_module()
class PhotoMetricDistortion(StockPhotoMetricDistortion):
    """mmseg's PhotoMetricDistortion: the same arguments, the same random numbers and, bit for bit, the same arrays.

    Every step but the two conversions of colours is a table of 256 entries; brightness and contrast in a row are one.
    Saturation and hue keep a conversion to HSV and back each: one for both would round differently.

    Raises:
        UserError: The image is not uint8 with three channels. Stock loses a fourth channel and cuts other types down
            to uint8.
    """

    def transform(self, results: dict) -> dict:
        """Distort ``results['img']``, BGR."""
        image = results["img"]
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise UserError(
                f"Expected a uint8 image (H, W, 3) for PhotoMetricDistortion, got {image.dtype} {image.shape} from "
                f"{results.get('img_path', 'a sample without img_path')}. Leave the step out for images of other bands "
                "or types, and load without to_float32."
            )
        # np.random is called as stock calls it: the same draws in the same order.
        table = None
        if np.random.randint(2):
            table = linear_table(beta=np.random.uniform(-self.brightness_delta, self.brightness_delta))
        contrast_first = np.random.randint(2) == 1
        if contrast_first:
            contrast = self._draw_contrast()
            if contrast is not None:
                table = contrast if table is None else contrast[table]
        if table is not None:
            image = cv2.LUT(image, table)
        if np.random.randint(2):
            alpha = np.random.uniform(self.saturation_lower, self.saturation_upper)
            image = change_hsv_channel(image, SATURATION, linear_table(alpha))
        if np.random.randint(2):
            shift = np.random.randint(-self.hue_delta, self.hue_delta)
            image = change_hsv_channel(image, HUE, hue_table(shift))
        if not contrast_first:
            contrast = self._draw_contrast()
            if contrast is not None:
                image = cv2.LUT(image, contrast)
        results["img"] = image
        return results

    def _draw_contrast(self) -> np.ndarray | None:
        if not np.random.randint(2):
            return None
        return linear_table(np.random.uniform(self.contrast_lower, self.contrast_upper))
