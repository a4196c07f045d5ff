"""Agreement between the predictions of pixels with similar features.

Shape suffixes: N batch, C classes, D feature channels, h and w height and width of the features, P = h · w.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import adaptive_avg_pool2d, interpolate, normalize

from mmseg_ext.arguments import LossName, NonNegativeInt, PositiveFloat
from mmseg_ext.models.precision import at_least_float32
from mmseg_ext.models.regularizers.regularizer import Regularizer, TrainingBatch
from mmseg_ext.registry import MODELS

ROWS_AT_ONCE = 512  # rows of a block of the affinity matrix: 8 MB for 64 × 64 features


class _AffinityL1(torch.autograd.Function):
    """Averages |A·P − P| over the counted pixels, in blocks of rows of A."""

    @staticmethod
    def forward(ctx: Any, p_NPC: Tensor, features_NPD: Tensor, counted_NP: Tensor, present_NP: Tensor) -> Tensor:
        total = p_NPC.new_zeros(())
        gradient_NPC = torch.zeros_like(p_NPC)
        for n in range(len(p_NPC)):
            absent_P = ~present_NP[n]
            for start in range(0, p_NPC.shape[1], ROWS_AT_ONCE):
                rows = slice(start, start + ROWS_AT_ONCE)
                counted_R1 = counted_NP[n, rows, None]
                if not counted_R1.any():
                    continue
                affinity_RP = features_NPD[n, rows] @ features_NPD[n].t()
                affinity_RP = affinity_RP.masked_fill_(absent_P, -torch.inf).softmax(1)
                difference_RC = (affinity_RP @ p_NPC[n] - p_NPC[n, rows]) * counted_R1
                total += difference_RC.abs().sum()
                sign_RC = difference_RC.sign_()
                gradient_NPC[n] += affinity_RP.t() @ sign_RC
                gradient_NPC[n, rows] -= sign_RC
        count = counted_NP.sum().clamp_min(1)
        ctx.save_for_backward(gradient_NPC, count)
        return total / count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        gradient_NPC, count = ctx.saved_tensors
        return gradient_NPC * (gradient / count), None, None, None


def feature_affinity_loss(
    logits_NChw: Tensor,
    features_NDhw: Tensor,
    counted_Nhw: Tensor,
    image_Nhw: Tensor,
    temperature: float = 0.1,
) -> Tensor:
    """Compute the L1 distance between the predictions P and their averages over pixels of similar features, A·P.

    A = softmax(f·fᵀ / τ) by rows; f are the L2-normalised features, used without gradient. The affinity matrix of
    (h·w)² entries is computed in blocks of rows and never stored as a whole.

    Args:
        logits_NChw: Logits of any size; their probabilities are resized to the size of the features.
        features_NDhw: Floating point.
        counted_Nhw: bool mask of the pixels whose distance is averaged.
        image_Nhw: bool mask of the pixels that A averages over.
        temperature: τ, on the scale of the cosine similarity.

    Returns:
        The distance, summed over classes and averaged over the pixels of `counted_Nhw`; 0 if that is empty.
    """
    p_NChw = at_least_float32(logits_NChw).softmax(1)
    h, w = features_NDhw.shape[2:]
    if p_NChw.shape[2] >= h and p_NChw.shape[3] >= w:
        p_NChw = adaptive_avg_pool2d(p_NChw, (h, w))
    else:
        p_NChw = interpolate(p_NChw, (h, w), mode="bilinear", align_corners=False)
    features_NPD = normalize(features_NDhw.detach().to(p_NChw.dtype), dim=1).flatten(2).transpose(1, 2)
    # Both factors are divided by the square root of the temperature, so that their product is divided by it.
    features_NPD = features_NPD * temperature**-0.5
    return _AffinityL1.apply(
        p_NChw.flatten(2).transpose(1, 2), features_NPD, counted_Nhw.flatten(1), image_Nhw.flatten(1)
    )


@MODELS.register_module()
class FeatureAffinityLoss(Regularizer):
    """Unlabelled pixels with similar features should have similar predictions: :func:`feature_affinity_loss`.

    Args:
        in_index: Index of the backbone's feature map.
        temperature: τ, on the scale of the cosine similarity.
        loss_weight: Factor on the loss.
        loss_name: Key in the log.
        start: Training iterations before the loss is added.

    Reference:
        Su et al., SASFormer: Transformers for Sparsely Annotated Semantic Segmentation, 2022 (arXiv 2212.02019): the
        L1 distance between A·P and P. Their A comes from attention maps, ours from the backbone's features, with
        cosine similarity.
    """

    def __init__(
        self,
        in_index: int = -1,
        temperature: PositiveFloat = 0.1,
        loss_weight: float = 0.1,
        loss_name: LossName = "loss_affinity",
        start: NonNegativeInt = 0,
    ) -> None:
        super().__init__(loss_weight, loss_name, start)
        self.in_index = in_index
        self.temperature = temperature

    def compute(self, batch: TrainingBatch) -> Tensor:
        """Compute the mean distance over unlabelled pixels of the feature map."""
        features_NDhw = batch.features[self.in_index]
        h, w = features_NDhw.shape[2:]
        unlabelled, image = batch.unlabelled_at((h, w)), batch.image_at((h, w))
        return feature_affinity_loss(batch.logits_NChw, features_NDhw, unlabelled, image, self.temperature)
