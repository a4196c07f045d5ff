"""mmseg's PhotoMetricDistortion, faster."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from mmseg.datasets.transforms import PhotoMetricDistortion as StockPhotoMetricDistortion

from mmseg_ext.errors import UserError
from mmseg_ext.registry import TRANSFORMS

HUE, SATURATION = 0, 1  # channels of HSV
NUM_HUES = 180  # OpenCV's 8-bit hue is in steps of two degrees
ALL_VALUES = np.arange(256, dtype=np.uint8)
STOCK_STEPS = ("brightness", "contrast", "saturation", "hue", "convert")
VECTOR = 64  # bytes of the longest vector register: rows of whole vectors, so that all values are scaled alike


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


def apply_linear(values: np.ndarray, alpha: float = 1.0, beta: float = 0.0) -> np.ndarray:
    """Give each value what :func:`linear_table` says.

    Adding whole numbers and OpenCV's scaling take a third of the time of a table, or less. But float32 may round a sum
    up to the next whole number; and OpenCV rounds where stock cuts off, so that half less before rounding comes to the
    same but for numbers close to whole ones, and drops signs. So each is used only if it gives the table's entry for
    every one of the 256 values, which is computed first.

    Args:
        values: uint8, (H, W) or (H, W, channels).
        alpha: Factor.
        beta: Summand.

    Returns:
        A new uint8 array of that shape.
    """
    table = linear_table(alpha, beta)
    shift = max(-255, min(255, math.floor(beta)))
    if alpha == 1.0 and np.array_equal(_shift(ALL_VALUES, shift).ravel(), table):
        return _shift(values, shift)
    if values[0].size % VECTOR == 0 and np.array_equal(_scale(ALL_VALUES, alpha, beta).ravel(), table):
        return _scale(values, alpha, beta)
    return cv2.LUT(values, table)


def _shift(values: np.ndarray, shift: int) -> np.ndarray:
    """Add a whole number of at most 255 either way, and stay in 0 … 255."""
    # Arrays on both sides: OpenCV takes a hundred times as long to add a scalar to three channels.
    summands = np.full_like(values, abs(shift))
    return cv2.add(values, summands) if shift >= 0 else cv2.subtract(values, summands)


def _scale(values: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    return cv2.convertScaleAbs(values, alpha=alpha, beta=beta - 0.5)


def change_saturation(bgr_HWC: np.ndarray, alpha: float) -> np.ndarray:
    """Multiply the saturation, uint8 (H, W, 3) BGR, as stock does."""
    return _change_hsv(bgr_HWC, SATURATION, lambda saturation_HW: apply_linear(saturation_HW, alpha))


def change_hue(bgr_HWC: np.ndarray, shift: int) -> np.ndarray:
    """Turn the hue by steps of two degrees, uint8 (H, W, 3) BGR, as stock does."""
    return _change_hsv(bgr_HWC, HUE, lambda hue_HW: cv2.LUT(hue_HW, hue_table(shift)))


def _change_hsv(bgr_HWC: np.ndarray, channel: int, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Change one channel of HSV, and convert back."""
    hsv_HWC = cv2.cvtColor(bgr_HWC, cv2.COLOR_BGR2HSV)
    cv2.insertChannel(change(cv2.extractChannel(hsv_HWC, channel)), hsv_HWC, channel)
    return cv2.cvtColor(hsv_HWC, cv2.COLOR_HSV2BGR)


@TRANSFORMS.register_module()
class PhotoMetricDistortion(StockPhotoMetricDistortion):
    """mmseg's PhotoMetricDistortion: the same arguments, the same random numbers and, bit for bit, the same arrays.

    A subclass that overrides one of stock's steps (`brightness`, `contrast`, `saturation`, `hue`, `convert`) is
    distorted by stock's `transform`, which calls them.

    Every step but the two conversions of colours is a function of 256 values; brightness and contrast in a row are one.
    Saturation and hue keep a conversion to HSV and back each: one for both would round differently.

    Raises:
        UserError: The image is not uint8 with three channels. Stock loses a fourth channel and cuts other types down
            to uint8.
    """

    overrides_steps = False
    """Whether a subclass has its own version of one of stock's steps."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.overrides_steps = any(
            getattr(cls, name) is not getattr(StockPhotoMetricDistortion, name) for name in STOCK_STEPS
        )

    def transform(self, results: dict) -> dict:
        """Distort ``results['img']``, BGR."""
        image = results["img"]
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise UserError(
                f"Expected a uint8 image (H, W, 3) for PhotoMetricDistortion, got {image.dtype} {image.shape} from "
                f"{results.get('img_path', 'a sample without img_path')}. Leave the step out for images of other bands "
                "or types, and load without to_float32."
            )
        if self.overrides_steps:
            return super().transform(results)
        # np.random is called as stock calls it: the same draws in the same order.
        beta = None
        if np.random.randint(2):
            beta = np.random.uniform(-self.brightness_delta, self.brightness_delta)
        contrast_first = np.random.randint(2) == 1
        contrast = self._draw_contrast() if contrast_first else None
        if beta is not None and contrast is not None:
            image = cv2.LUT(image, linear_table(contrast)[linear_table(beta=beta)])
        elif beta is not None:
            image = apply_linear(image, beta=beta)
        elif contrast is not None:
            image = apply_linear(image, contrast)
        if np.random.randint(2):
            image = change_saturation(image, np.random.uniform(self.saturation_lower, self.saturation_upper))
        if np.random.randint(2):
            image = change_hue(image, np.random.randint(-self.hue_delta, self.hue_delta))
        if not contrast_first:
            contrast = self._draw_contrast()
            if contrast is not None:
                image = apply_linear(image, contrast)
        results["img"] = image
        return results

    def _draw_contrast(self) -> float | None:
        if not np.random.randint(2):
            return None
        return np.random.uniform(self.contrast_lower, self.contrast_upper)
