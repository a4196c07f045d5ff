"""A Potts model over neighbouring pixels, relaxed to soft predictions.

Shape suffixes: N batch, C classes, h and w height and width of the logits.
"""

import torch
from torch import Tensor

from mmseg_ext.arguments import LossName, NonNegativeInt, PositiveFloat
from mmseg_ext.models.precision import at_least_float32
from mmseg_ext.models.regularizers.regularizer import Regularizer, TrainingBatch
from mmseg_ext.registry import MODELS


def potts_loss(logits_NChw: Tensor, colors_N3hw: Tensor, image_Nhw: Tensor, sigma: float | None = None) -> Tensor:
    """Compute the energy of all pairs of horizontal and vertical neighbours, per pixel.

    A pair of predictions p, q costs w · D(p, q): the collision divergence D = −log (p·q / (|p| |q|)), zero only where
    p = q, and the contrast weight w = exp(−|difference of colours|² / (2 σ²)).

    Args:
        logits_NChw: Floating point.
        colors_N3hw: Colours at the size of the logits.
        image_Nhw: bool; pairs with a False pixel are excluded.
        sigma: Colour difference at which the weight is exp(−1/2); None for the root mean square over the pairs of each
            image.

    Returns:
        The sum over the pairs divided by the number of pixels of `image_Nhw`; 0 if there are none.
    """
    logits_NChw = at_least_float32(logits_NChw)
    # The denominators of the softmax cancel in D, so it is computed from the logits directly.
    half_norm_Nhw = 0.5 * (2 * logits_NChw).logsumexp(1)
    energies, contrasts, weights = [], [], []
    for axis in (1, 2):
        length = logits_NChw.shape[axis + 1] - 1
        first, second = (0, length), (1, length)
        joint = (logits_NChw.narrow(axis + 1, *first) + logits_NChw.narrow(axis + 1, *second)).logsumexp(1)
        energies.append(half_norm_Nhw.narrow(axis, *first) + half_norm_Nhw.narrow(axis, *second) - joint)
        difference = colors_N3hw.narrow(axis + 1, *first) - colors_N3hw.narrow(axis + 1, *second)
        contrasts.append(difference.square().sum(1))
        weights.append((image_Nhw.narrow(axis, *first) & image_Nhw.narrow(axis, *second)).to(logits_NChw.dtype))
    if sigma is None:
        summed_N = sum((c * w).sum((1, 2)) for c, w in zip(contrasts, weights, strict=True))
        pairs_N = weights[0].sum((1, 2)) + weights[1].sum((1, 2))
        variance_N11 = (summed_N / pairs_N.clamp_min(1)).clamp_min(torch.finfo(torch.float32).tiny)[:, None, None]
    else:
        variance_N11 = torch.full_like(half_norm_Nhw[:, :1, :1], sigma**2)
    total = sum(
        (w * torch.exp(-c / (2 * variance_N11)) * e).sum() for e, c, w in zip(energies, contrasts, weights, strict=True)
    )
    return total / image_Nhw.sum().clamp_min(1)


@MODELS.register_module()
class PottsLoss(Regularizer):
    """Neighbouring pixels of similar colour should have the same class: :func:`potts_loss`.

    Args:
        sigma: As in :func:`potts_loss`, for colours in [0, 1].
        loss_weight: λ of the paper.
        loss_name: Key in the log.
        start: Training iterations before the loss is added.

    Reference:
        Zhang and Boykov, Soft Self-labeling and Potts Relaxations for Weakly-Supervised Segmentation, CVPR 2025
        (arXiv 2507.01721): the collision divergence, nearest neighbours, λ = 6. They minimise it over pseudo-labels;
        here it acts on the predictions themselves.
    """

    def __init__(
        self,
        sigma: PositiveFloat | None = None,
        loss_weight: float = 6.0,
        loss_name: LossName = "loss_potts",
        start: NonNegativeInt = 0,
    ) -> None:
        super().__init__(loss_weight, loss_name, start)
        self.sigma = sigma

    def compute(self, batch: TrainingBatch) -> Tensor:
        """Compute the energy per pixel of the logits."""
        h, w = batch.logits_NChw.shape[2:]
        return potts_loss(batch.logits_NChw, batch.colors_at((h, w)), batch.image_at((h, w)), self.sigma)
