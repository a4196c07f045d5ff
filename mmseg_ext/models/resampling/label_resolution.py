"""Cross-entropy at the resolution of the labels, from smaller logits, without storing logits of that resolution.

:func:`label_resolution_cross_entropy` equals ``cross_entropy(interpolate(logits, mode='bilinear'), labels)`` in value
and gradient. With few labels, the logits are interpolated at the labelled pixels only. With many labels, blocks of
pixels that fit into the CPU's cache are interpolated, evaluated and discarded. In both cases the gradient is computed
together with the value, from the same exponentials; the backward pass only scales it.

Shape suffixes: N batch, C classes, h and w height and width of the logits, H and W of the labels, P labelled pixels.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from mmseg_ext.errors import UserError
from mmseg_ext.models.resampling.label_blocks import blocks_cross_entropy
from mmseg_ext.models.resampling.label_points import points_cross_entropy

Method = Literal["auto", "points", "blocks"]

MAX_SHARE_OF_POINTS = 1 / 32
"""Up to this share of labelled pixels, single pixels are faster than blocks."""


class LabelResolutionLoss(NamedTuple):
    """Result of :func:`label_resolution_cross_entropy`.

    Attributes:
        loss: A scalar, differentiable.
        num_correct: Number of labelled pixels whose label has a higher logit than all other classes, int64 scalar.
        num_labelled: Number of labelled pixels.
    """

    loss: Tensor
    num_correct: Tensor
    num_labelled: int


def label_resolution_cross_entropy(
    logits_NChw: Tensor,
    labels_NHW: Tensor,
    align_corners: bool = False,
    class_weight_C: Tensor | None = None,
    weight_NHW: Tensor | None = None,
    ignore_index: int = 255,
    denominator: float | None = None,
    method: Method = "auto",
) -> LabelResolutionLoss:
    """Average the cross-entropy over the labelled pixels, at the resolution of the labels.

    The average is that of ``partial_cross_entropy``: Σ w·ce / Σ w with w = class weight of the pixel's label × weight
    of the pixel. Without labelled pixels, loss and gradient are exactly zero. Computed in at least float32, also for
    logits of half precision and under autocast. Differentiable once. Logits must be finite: with many labels, an
    infinite logit makes the loss of its whole image infinite or NaN.

    Args:
        logits_NChw: Floating point.
        labels_NHW: Integer class indices; `ignore_index` where there is no label.
        align_corners: As in ``torch.nn.functional.interpolate``.
        class_weight_C: Weight of each class, non-negative.
        weight_NHW: Weight of each pixel, non-negative.
        ignore_index: Marks pixels without a label.
        denominator: Divide the weighted sum by this number instead of Σ w.
        method: 'points' or 'blocks'; 'auto' chooses by the share of labelled pixels. The results are the same.

    Returns:
        The loss, and the number of correct pixels.

    Raises:
        UserError: There is one channel only, or another number of class weights than channels.
    """
    num_classes = logits_NChw.shape[1]
    if num_classes < 2:
        raise UserError("Expected one channel a class and at least two, got 1, whose cross-entropy is always zero.")
    if class_weight_C is not None and len(class_weight_C) != num_classes:
        raise UserError(f"Expected a `class_weight` of {num_classes} numbers, one a class, got {len(class_weight_C)}.")
    labelled_NHW = labels_NHW != ignore_index
    num_labelled = int(labelled_NHW.count_nonzero())
    if method == "auto":
        method = "points" if num_labelled <= labels_NHW.numel() * MAX_SHARE_OF_POINTS else "blocks"
    compute = points_cross_entropy if method == "points" else blocks_cross_entropy
    with torch.autocast(logits_NChw.device.type, enabled=False):
        loss, num_correct = compute(
            logits_NChw, labels_NHW, labelled_NHW, align_corners, class_weight_C, weight_NHW, denominator
        )
    return LabelResolutionLoss(loss, num_correct, num_labelled)
