"""Cross-entropy that asks for the same class, not for the same uncertainty.

Shape suffixes: N batch, C classes, h and w height and width.
"""

import torch
from torch import Tensor

from mmseg_ext.models.precision import at_least_float32


def collision_cross_entropy(logits_NChw: Tensor, target_logits_NChw: Tensor, counted_Nhw: Tensor) -> Tensor:
    """Compute −log Σ σ·y over classes: minus the log-probability that draws from σ and from y are the same class.

    An uncertain target asks for little: where y is uniform the loss is constant, while that of the ordinary
    cross-entropy pulls σ towards uniform.

    Args:
        logits_NChw: Whose softmax is σ.
        target_logits_NChw: Whose softmax is y; gets no gradient.
        counted_Nhw: bool; the pixels that count.

    Returns:
        The mean over the counted pixels; 0 when there are none.

    Reference:
        Zhang and Boykov, CVPR 2025 (arXiv 2507.01721), section on collision cross-entropy.
    """
    log_p_NChw = at_least_float32(logits_NChw).log_softmax(1)
    joint_NChw = log_p_NChw + at_least_float32(target_logits_NChw.detach()).log_softmax(1)
    loss_Nhw = -joint_NChw.logsumexp(1)
    return torch.where(counted_Nhw, loss_Nhw, 0.0).sum() / counted_Nhw.sum().clamp_min(1)
