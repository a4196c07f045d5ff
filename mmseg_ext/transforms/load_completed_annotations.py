"""Labels that were completed from points before the run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmseg_ext.arguments import Fraction, LabelValue
from mmseg_ext.data_check import LabelFileReport
from mmseg_ext.points.completed_labels import FOLDER_KEY, read_completed
from mmseg_ext.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadCompletedAnnotations(BaseTransform):
    """Load the labels that were completed from the points of an image; ``labels=dict(…, complete=True)`` adds it.

    Required keys: completed_labels and img_name, which our datasets give. Added keys: gt_seg_map (uint8 (H, W)) and,
    with `weigh`, gt_label_weight (uint8 (H, W), 255 for certain labels); both join seg_fields.

    Args:
        min_confidence: Least probability of a label; pixels below it become `ignore_index`.
        weigh: Whether each label is to weigh as much as it is probable; the ``Point…`` heads of this package do so.
        ignore_index: Marks pixels without a label.

    Raises:
        UserError: A file is missing or damaged.
    """

    def __init__(self, min_confidence: Fraction = 0.0, weigh: bool = False, ignore_index: LabelValue = 255) -> None:
        self.min_confidence = min_confidence
        self.weigh = weigh
        self.ignore_index = ignore_index

    @property
    def gives_label_weights(self) -> bool:
        """Whether heads have to take weights, or they would have no effect."""
        return self.weigh

    def transform(self, results: dict) -> dict:
        """Write ``results['gt_seg_map']`` and, with `weigh`, ``results['gt_label_weight']``."""
        results["gt_seg_map"], weight_HW = self._read(results)
        results["seg_fields"].append("gt_seg_map")
        if self.weigh:
            results["gt_label_weight"] = weight_HW
            results["seg_fields"].append("gt_label_weight")
        return results

    def check_file(self, results: dict) -> LabelFileReport:
        """Check the labels of one image, for the check before training.

        Args:
            results: The dataset's entry.
        """
        labels_HW, _ = self._read(results)
        counts = np.bincount(labels_HW.ravel(), minlength=256)
        return LabelFileReport({int(v): int(counts[v]) for v in np.flatnonzero(counts)}, size=labels_HW.shape)

    def _read(self, results: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray | None]:
        with_confidence = self.weigh or self.min_confidence > 0
        labels_HW, confidence_HW = read_completed(results[FOLDER_KEY], results["img_name"], with_confidence)
        if self.min_confidence and confidence_HW is not None:
            labels_HW[confidence_HW < 255 * self.min_confidence] = self.ignore_index
        return labels_HW, confidence_HW

    def __repr__(self) -> str:
        return f"{type(self).__name__}(min_confidence={self.min_confidence}, weigh={self.weigh})"
