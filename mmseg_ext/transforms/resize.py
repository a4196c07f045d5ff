"""mmseg's Resize, faster."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Literal

import mmcv
import numpy as np
from mmcv.image import rescale_size
from mmseg.datasets.transforms import Resize as StockResize

from mmseg_ext.arguments import PositiveFloat, PositiveInt
from mmseg_ext.errors import UserError
from mmseg_ext.points.label_budget import SPARSE_LABELS
from mmseg_ext.points.resizing import resize_points
from mmseg_ext.registry import TRANSFORMS


def move_points(results: dict) -> None:
    """Move the points of every segmentation field to the size of the image, which has been resized.

    Points that fall on one pixel become one; ``results['num_merged_points']`` counts those that are gone.
    """
    # The image's shape already is the new one, whatever was rounded.
    shape = results["img_shape"]
    num_merged = 0
    for key in results.get("seg_fields", []):
        if results.get(key) is not None:
            results[key], merged = resize_points(results[key], shape)
            num_merged += merged
    results["num_merged_points"] = num_merged


@TRANSFORMS.register_module()
class Resize(StockResize):
    """mmseg's Resize: the same arguments and, bit for bit, the same arrays.

    Where the dataset has a label budget (``labels=``) and its labels are points, these are moved as coordinates
    instead, so that each stays one pixel: :func:`move_points`. Points that were grown are regions, resized as in stock.

    OpenCV resizes, as in stock, and (H, W, 1) becomes (H, W). An array that has the size already is handed on without a
    copy.

    Args:
        scale: Width and height, or one number for both.
        scale_factor: Factor on both, or on width and height.
        *args: As for mmseg's.
        **kwargs: As for mmseg's.

    Raises:
        UserError: There is neither `scale` nor `scale_factor`.
    """

    def __init__(
        self,
        scale: PositiveInt | tuple[PositiveInt, PositiveInt] | Literal[0] | None = None,
        scale_factor: PositiveFloat | tuple[PositiveFloat, PositiveFloat] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        if scale is None and scale_factor is None:
            raise UserError(f"{type(self).__name__}: expected scale or scale_factor, got neither")
        # Stock takes none but Python's own numbers, and a tuple of them.
        factors: Any = scale_factor
        if factors is not None:
            factors = float(factors) if isinstance(factors, Real) else tuple(map(float, factors))
        super().__init__(int(scale) if isinstance(scale, Integral) else scale, factors, *args, **kwargs)

    def _resize_img(self, results: dict) -> None:
        """Resize ``results['img']`` and note how much it grew."""
        image = results.get("img")
        if image is None:
            return
        resized = self._resized(image, results["scale"], self.interpolation)
        results["img"] = resized
        results["img_shape"] = resized.shape[:2]
        results["scale_factor"] = (resized.shape[1] / image.shape[1], resized.shape[0] / image.shape[0])
        results["keep_ratio"] = self.keep_ratio

    def _resize_seg(self, results: dict) -> None:
        """Resize every segmentation field."""
        if results.get(SPARSE_LABELS) == "points":
            move_points(results)
            return
        for key in results.get("seg_fields", []):
            if results.get(key) is not None:
                results[key] = self._resized(results[key], results["scale"], "nearest")

    def _resized(self, array: np.ndarray, scale: tuple[int, int], interpolation: str) -> np.ndarray:
        size = array.shape[1::-1]
        new_size = rescale_size(size, scale) if self.keep_ratio else tuple(scale)
        if new_size == size:
            return array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
        return mmcv.imresize(array, new_size, interpolation=interpolation, backend=self.backend)
