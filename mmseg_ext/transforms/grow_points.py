"""Labelled points grown into small regions of their colour.

Shape suffixes: H and W height and width of the image, C its channels.
"""

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmseg_ext.arguments import NonNegativeFloat, PositiveInt
from mmseg_ext.errors import UserError
from mmseg_ext.registry import TRANSFORMS


def grow_points(
    image_HWC: np.ndarray,
    labels_HW: np.ndarray,
    radius: int = 16,
    tolerance: float = 12,
    sigma: float = 2.0,
    ignore_index: int = 255,
) -> np.ndarray:
    """Give the pixels around every point its label that are connected with it, near, and of its colour.

    Args:
        image_HWC: uint8, one to four channels.
        labels_HW: The points; `ignore_index` elsewhere.
        radius: Half the side, in pixels, of the square around a point that its region stays in.
        tolerance: Largest difference from the point's colour, in each channel, of 0 … 255.
        sigma: Standard deviation, in pixels, of the Gaussian that smooths the image first; 0 for none.
        ignore_index: Marks pixels without a label.

    Returns:
        Labels of the same shape and dtype. A pixel that points of two classes reach has no label, and a point keeps
        its own.
    """
    height, width = labels_HW.shape
    smooth_HWC = cv2.GaussianBlur(image_HWC, (0, 0), sigma) if sigma else image_HWC
    grown_HW = np.full_like(labels_HW, ignore_index)
    contested_HW = np.zeros(labels_HW.shape, dtype=bool)
    points = np.argwhere(labels_HW != ignore_index)
    for y, x in points.tolist():
        rows = slice(max(0, y - radius), min(height, y + radius + 1))
        columns = slice(max(0, x - radius), min(width, x + radius + 1))
        window = np.ascontiguousarray(smooth_HWC[rows, columns])
        mask = np.zeros((window.shape[0] + 2, window.shape[1] + 2), np.uint8)
        flags = 4 | cv2.FLOODFILL_FIXED_RANGE | cv2.FLOODFILL_MASK_ONLY | (1 << 8)
        bound = (tolerance,) * 4
        cv2.floodFill(window, mask, (x - columns.start, y - rows.start), 0, bound, bound, flags)
        region = mask[1:-1, 1:-1] == 1
        before = grown_HW[rows, columns]
        label = labels_HW[y, x]
        contested_HW[rows, columns] |= region & (before != ignore_index) & (before != label)
        before[region] = label
    grown_HW[contested_HW] = ignore_index
    grown_HW[tuple(points.T)] = labels_HW[tuple(points.T)]
    return grown_HW


@TRANSFORMS.register_module()
class GrowPoints(BaseTransform):
    """Grow labelled points into small regions of their colour: :func:`grow_points`.

    Place it behind SamplePoints or LoadPointAnnotations, before anything that changes the image. The labels are no
    longer points then: resize them with the stock ``Resize``.

    Required keys: img, gt_seg_map. Modified key: gt_seg_map.

    Args:
        radius: Half the side, in pixels, of the square around a point that its region stays in.
        tolerance: Largest difference from the point's colour, in each channel, of 0 … 255.
        sigma: Standard deviation, in pixels, of the Gaussian that smooths the image first; 0 for none.
        ignore_index: Marks pixels without a label.

    Raises:
        UserError: A setting is out of range, or the image is not of 8 bits or of another size than its labels.
    """

    def __init__(
        self,
        radius: PositiveInt = 16,
        tolerance: NonNegativeFloat = 12,
        sigma: NonNegativeFloat = 2.0,
        ignore_index: int = 255,
    ) -> None:
        self.radius, self.tolerance, self.sigma = radius, tolerance, sigma
        self.ignore_index = ignore_index

    def transform(self, results: dict) -> dict:
        """Replace ``results['gt_seg_map']``."""
        image = results["img"]
        if image.dtype != np.uint8:
            raise UserError(f"{results.get('img_path')}: Expected an image of uint8 for GrowPoints, got {image.dtype}.")
        if image.shape[:2] != results["gt_seg_map"].shape:
            raise UserError(
                f"{results.get('img_path')}: Expected an image of the size of its labels for GrowPoints, got "
                f"{image.shape[:2]} and {results['gt_seg_map'].shape}. Load the labels before the image is resized."
            )
        results["gt_seg_map"] = grow_points(
            image, results["gt_seg_map"], self.radius, self.tolerance, self.sigma, self.ignore_index
        )
        return results

    def __repr__(self) -> str:
        """Show the settings."""
        return f"{type(self).__name__}(radius={self.radius}, tolerance={self.tolerance}, sigma={self.sigma})"
