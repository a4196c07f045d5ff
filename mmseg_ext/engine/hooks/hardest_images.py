"""The images with the lowest IoU of each class.

Shape suffixes: H height, W width, C classes.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from mmseg_ext.masks.class_maps import pack_labels
from mmseg_ext.scores.confusion_matrix import count_confusion, scores_of_classes


class HardImage(NamedTuple):
    """How well a class is found in one image, and what was predicted there; the label maps are compressed."""

    iou: float
    img_path: str
    prediction_png: bytes
    truth_png: bytes


@dataclass
class HardestImages:
    """Keeps for each class the images with the lowest IoU of it, among those that hold enough of it in truth.

    Attributes:
        num_classes: C.
        per_class: Images kept a class.
        min_pixels: Pixels of the class that the truth of an image must hold.
        of_class: The images of each class, the worst first; of equal ones the first by path.
    """

    num_classes: int
    per_class: int
    min_pixels: int = 100
    of_class: dict[int, list[HardImage]] = field(default_factory=dict)

    def add(self, img_path: str, prediction_HW: np.ndarray, truth_HW: np.ndarray) -> None:
        """Score one image, and keep it for the classes that it is among the worst of."""
        confusion_CC = count_confusion(
            torch.from_numpy(np.ascontiguousarray(prediction_HW).astype(np.int64)),
            torch.from_numpy(np.ascontiguousarray(truth_HW).astype(np.int64)),
            self.num_classes,
        ).numpy()
        iou_C, truth_C = scores_of_classes(confusion_CC)["IoU"], confusion_CC.sum(1)
        packed: tuple[bytes, bytes] | None = None
        for index in np.flatnonzero(truth_C >= self.min_pixels).tolist():
            kept = self.of_class.setdefault(index, [])
            if len(kept) == self.per_class and (iou_C[index], img_path) >= kept[-1][:2]:
                continue
            packed = packed or (pack_labels(prediction_HW), pack_labels(truth_HW))
            self.of_class[index] = self._worst([*kept, HardImage(float(iou_C[index]), img_path, *packed)])

    def merge(self, other: "HardestImages") -> None:
        """Merge the images of another process."""
        for index, images in other.of_class.items():
            self.of_class[index] = self._worst([*self.of_class.get(index, []), *images])

    def _worst(self, images: list[HardImage]) -> list[HardImage]:
        by_path = {image.img_path: image for image in images}  # a padded sampler shows an image twice
        return sorted(by_path.values(), key=lambda image: image[:2])[: self.per_class]
