"""What a model says of the label of each pixel of one image.

Shape suffixes: C classes, H W height and width of the labels, h w of a grid.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

UNLABELLED = 255
SMALLEST_PROBABILITY = 1e-5
"""Of a label, in its loss: less is not told apart."""


class PixelEvidence(NamedTuple):
    """Labels beside predictions.

    Attributes:
        labels_HW: Class indices, uint8; 255 where there is no label, or none that the model can judge.
        predicted_HW: The most probable class, uint8.
        margin_HW: Probability of that class less that of the label, float32; 0 where both agree, or without a label.
        loss_HW: Cross-entropy of the label in nats, float32; 0 without a label.
    """

    labels_HW: np.ndarray
    predicted_HW: np.ndarray
    margin_HW: np.ndarray
    loss_HW: np.ndarray

    def mean_loss(self) -> float | None:
        """Average the loss over the labelled pixels, in nats; None without any."""
        num_labelled = np.count_nonzero(self.labels_HW != UNLABELLED)
        return float(self.loss_HW.sum(dtype=np.float64)) / num_labelled if num_labelled else None


def gather_evidence(probabilities_1Chw: Tensor, labels_HW: np.ndarray, known_C: np.ndarray) -> PixelEvidence:
    """Compare labels with probabilities, a class at a time: those of all classes are never held at the labels' size.

    Args:
        probabilities_1Chw: On a grid that covers the image.
        labels_HW: uint8, 255 for none.
        known_C: Which classes the model has seen, bool; labels of others are not judged.
    """
    table = np.full(256, UNLABELLED, np.uint8)
    table[: len(known_C)] = np.where(known_C, np.arange(len(known_C)), UNLABELLED)
    labels_HW = table[labels_HW]
    truth_HW = torch.from_numpy(labels_HW)
    best_HW = torch.full(truth_HW.shape, -1.0)
    of_label_HW = torch.full(truth_HW.shape, -1.0)
    predicted_HW = torch.zeros(truth_HW.shape, dtype=torch.uint8)
    present = set(np.unique(labels_HW).tolist())
    highest = probabilities_1Chw.amax((0, 2, 3)).cpu()
    for index in np.flatnonzero(known_C).tolist():
        if index not in present and float(highest[index]) * len(known_C) < 1:
            continue  # nowhere the most probable
        one = probabilities_1Chw[:, index : index + 1]
        found_HW = F.interpolate(one, size=truth_HW.shape, mode="bilinear", align_corners=False)[0, 0].cpu()
        better_HW = found_HW > best_HW
        predicted_HW[better_HW] = index
        best_HW = torch.where(better_HW, found_HW, best_HW)
        if index in present:
            of_label_HW = torch.where(truth_HW == index, found_HW, of_label_HW)
    is_judged_HW = of_label_HW >= 0
    margin_HW = torch.where(is_judged_HW, best_HW - of_label_HW, 0.0)
    loss_HW = torch.where(is_judged_HW, -of_label_HW.clamp(min=SMALLEST_PROBABILITY).log(), 0.0)
    return PixelEvidence(labels_HW, predicted_HW.numpy(), margin_HW.numpy(), loss_HW.numpy())
