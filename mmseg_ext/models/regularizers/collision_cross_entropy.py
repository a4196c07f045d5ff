"""Cross-entropy that requires the same class, but not the same uncertainty.

Shape suffixes: N batch, C classes, h and w height and width.
"""

import torch
from torch import Tensor

from mmseg_ext.models.precision import at_least_float32


def collision_cross_entropy(logits_NChw: Tensor, target_logits_NChw: Tensor, counted_Nhw: Tensor) -> Tensor:
    """Compute −log Σ σ·y over classes: minus the log-probability that samples from σ and y are of the same class.

    An uncertain target has little effect: where y is uniform, the loss is constant, while ordinary cross-entropy would
    move σ towards the uniform distribution.

    Args:
        logits_NChw: Logits of σ.
        target_logits_NChw: Logits of y, used without gradient.
        counted_Nhw: bool mask of the pixels to average over.

    Returns:
        The mean over the pixels of the mask; 0 if it is empty.

    Reference:
        Zhang and Boykov, CVPR 2025 (arXiv 2507.01721), section on collision cross-entropy.
    """
    log_p_NChw = at_least_float32(logits_NChw).log_softmax(1)
    joint_NChw = log_p_NChw + at_least_float32(target_logits_NChw.detach()).log_softmax(1)
    loss_Nhw = -joint_NChw.logsumexp(1)
    return torch.where(counted_Nhw, loss_Nhw, 0.0).sum() / counted_Nhw.sum().clamp_min(1)
