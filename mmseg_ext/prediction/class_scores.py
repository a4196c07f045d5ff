"""From logits to classes, probabilities and confidence.

Shape suffixes: C channels (1 for one sigmoid channel), H height, W width.
"""

import torch
from torch import Tensor

SMALLEST = 1e-9
"""Probabilities are kept this far from 0 before a logarithm is taken: logits stay finite."""


def classify(logits_CHW: Tensor, threshold: float | None) -> Tensor:
    """Return the classes, int64 (H, W): the first of equal logits, or, of one channel, 1 above `threshold`."""
    if threshold is None:
        return logits_CHW.max(0).indices
    return (logits_CHW[0].sigmoid() > threshold).long()


def probabilities(logits_CHW: Tensor, threshold: float | None) -> Tensor:
    """Return the probability of each channel, (C, H, W)."""
    return logits_CHW.softmax(0) if threshold is None else logits_CHW.sigmoid()


def normalized(scores: Tensor, dim: int) -> Tensor:
    """Turn scores that are not logits, such as sums over masks, into probabilities along a dimension."""
    scores = scores.clamp(min=0)
    return scores / scores.sum(dim, keepdim=True).clamp(min=1e-12)


def confidence(probabilities_CHW: Tensor, classes_HW: Tensor) -> Tensor:
    """Return the probability of the class that was chosen, (H, W)."""
    if len(probabilities_CHW) > 1:
        return probabilities_CHW.gather(0, classes_HW[None]).squeeze(0)
    return torch.where(classes_HW == 1, probabilities_CHW[0], 1 - probabilities_CHW[0])


def log_odds(probabilities_NCHW: Tensor) -> Tensor:
    """Return finite logits of probabilities, up to a constant per pixel where there are several channels."""
    values = probabilities_NCHW.float()
    if values.shape[1] > 1:
        return values.clamp(min=SMALLEST).log()
    values = values.double().clamp(SMALLEST, 1 - SMALLEST)
    return (values.log() - (-values).log1p()).float()
