"""Cross-entropy over the labelled pixels only.

Shape suffixes: N batch, C classes, H height, W width, P labelled pixels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_ext.arguments import NonNegativeFloat
from mmseg_ext.errors import UserError
from mmseg_ext.models.losses.partial_loss import PartialLoss
from mmseg_ext.models.precision import at_least_float32
from mmseg_ext.registry import MODELS


def partial_cross_entropy(
    logits_NCHW: Tensor,
    labels_NHW: Tensor,
    class_weight_C: Tensor | None = None,
    weight_NHW: Tensor | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """Average the cross-entropy over the labelled pixels.

    The average is weighted: Σ w·ce / Σ w with w = class weight of the pixel's label × weight of the pixel, both 1 by
    default. Computed in at least float32. Without labelled pixels (or with weights that sum to zero) the loss is
    exactly zero, and its gradient too.

    Args:
        logits_NCHW: Floating point.
        labels_NHW: Integer class indices; `ignore_index` where there is no label.
        class_weight_C: Weight of each class, non-negative.
        weight_NHW: Weight of each pixel, non-negative.
        ignore_index: Marks pixels without a label.

    Returns:
        A scalar.

    Raises:
        UserError: There is one channel only, or another number of class weights than channels.
    """
    num_classes = logits_NCHW.shape[1]
    if num_classes < 2:
        raise UserError("Expected one channel a class and at least two, got 1, whose cross-entropy is always zero.")
    if class_weight_C is not None and len(class_weight_C) != num_classes:
        raise UserError(f"Expected a `class_weight` of {num_classes} numbers, one a class, got {len(class_weight_C)}.")
    labelled_NHW = labels_NHW != ignore_index
    # Gathered first, so that memory and time are proportional to the number of labels, not to the image.
    logits_PC = at_least_float32(logits_NCHW.movedim(1, -1)[labelled_NHW])
    labels_P = labels_NHW[labelled_NHW].long()
    losses_P = F.cross_entropy(logits_PC, labels_P, reduction="none")
    if class_weight_C is None and weight_NHW is None:
        return losses_P.sum() / max(losses_P.numel(), 1)
    weights_P = torch.ones_like(losses_P)
    if class_weight_C is not None:
        weights_P = weights_P * class_weight_C.to(losses_P)[labels_P]
    if weight_NHW is not None:
        weights_P = weights_P * weight_NHW[labelled_NHW].to(losses_P)
    total = weights_P.sum()
    return (losses_P * weights_P).sum() / torch.where(total > 0, total, torch.ones_like(total))


@MODELS.register_module()
class PartialCrossEntropyLoss(PartialLoss):
    """Cross-entropy averaged over the labelled pixels; see :func:`partial_cross_entropy`.

    mmseg's CrossEntropyLoss divides by the number of all pixels, labelled or not: with 20 points in a 512² crop its
    gradient is 13,000 times smaller.

    Args:
        class_weight: One non-negative weight per class, 0 for a class that is not trained on; or ``'FILE:FORMULA'``,
            such as ``'work_dirs/statistics.json:median_frequency'``, for the weights in a file of
            tools/dataset_stats.py.
        loss_weight: Factor on the loss.
        loss_name: Key in the log; must begin with 'loss_' to be trained on.

    Raises:
        UserError: A weight is negative, or the formula is not known.
    """

    def __init__(
        self,
        class_weight: Sequence[NonNegativeFloat] | str | None = None,
        loss_weight: float = 1.0,
        loss_name: str = "loss_pce",
    ) -> None:
        super().__init__(class_weight, loss_weight, loss_name)

    def compute(self, pred: Tensor, label: Tensor, weight: Tensor | None, ignore_index: int) -> Tensor:
        """Compute the loss without `loss_weight`."""
        return partial_cross_entropy(pred, label, self.class_weight_C, weight, ignore_index)
