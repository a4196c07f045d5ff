"""Dice over the labelled pixels only.

Shape suffixes: N batch, C classes, H height, W width, P labelled pixels.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_ext.arguments import NonNegativeFloat, PositiveFloat
from mmseg_ext.errors import UserError
from mmseg_ext.models.losses.partial_loss import PartialLoss
from mmseg_ext.models.precision import at_least_float32
from mmseg_ext.registry import MODELS


def partial_dice(
    logits_NCHW: Tensor,
    labels_NHW: Tensor,
    use_sigmoid: bool = False,
    class_weight_C: Tensor | None = None,
    weight_NHW: Tensor | None = None,
    ignore_index: int = 255,
    eps: float = 1e-3,
) -> Tensor:
    """Compute 1 − Dice over the labelled pixels of the batch, averaged over the classes that are labelled in it.

    Dice of a class is (2 Σ w·p·t + eps) / (Σ w·p + Σ w·t + eps), over labelled pixels, with p the probability of the
    class, t whether it is the label and w the weight of the pixel. A class without a labelled pixel in the batch, the
    foreground of one channel too, does not count: the paper's Dice is 0/0 where nothing is predicted and 0 where
    anything is, so that it tells nothing. segmentation-models-pytorch leaves such a class out as well. Computed in at
    least float32. Where no class counts the loss and its gradient are exactly zero: in a batch without labelled pixels,
    of weights that are zero, or, with one channel, of background only.

    Args:
        logits_NCHW: Floating point.
        labels_NHW: Integer class indices; `ignore_index` where there is no label. With one channel 1 is the foreground
            and 0 the background.
        use_sigmoid: Apply the sigmoid to one channel; otherwise the softmax to at least two.
        class_weight_C: Weight of each class in the average, non-negative.
        weight_NHW: Weight of each pixel, non-negative.
        ignore_index: Marks pixels without a label.
        eps: Added to numerator and denominator.

    Returns:
        A scalar in [0, 1].

    Raises:
        UserError: The number of channels does not fit `use_sigmoid` or the class weights.

    Reference:
        Milletari et al., V-Net, 3DV 2016, with sums in place of sums of squares.
    """
    num_channels = logits_NCHW.shape[1]
    if use_sigmoid != (num_channels == 1):
        wanted = "one channel with use_sigmoid=True" if use_sigmoid else "at least two channels with use_sigmoid=False"
        raise UserError(f"Expected {wanted}, got {num_channels}. Change `use_sigmoid` or the head's `out_channels`.")
    if class_weight_C is not None and len(class_weight_C) != num_channels:
        raise UserError(f"Expected a `class_weight` of {num_channels} numbers, got {len(class_weight_C)}.")
    labelled_NHW = labels_NHW != ignore_index
    logits_PC = at_least_float32(logits_NCHW.movedim(1, -1)[labelled_NHW])
    labels_P = labels_NHW[labelled_NHW].long()
    if use_sigmoid:
        probabilities_PC = logits_PC.sigmoid()
        targets_PC = (labels_P == 1).to(logits_PC)[:, None]
    else:
        probabilities_PC = logits_PC.softmax(1)
        targets_PC = F.one_hot(labels_P, num_channels).to(logits_PC)
    counts_C = logits_PC.new_ones(num_channels) if class_weight_C is None else class_weight_C.to(logits_PC)
    if weight_NHW is not None:
        weights_P1 = weight_NHW[labelled_NHW].to(logits_PC)[:, None]
        probabilities_PC = probabilities_PC * weights_P1
        shared_C = (probabilities_PC * targets_PC).sum(0)
        targets_PC = targets_PC * weights_P1
    else:
        shared_C = (probabilities_PC * targets_PC).sum(0)
    target_sums_C = targets_PC.sum(0)
    counts_C = counts_C * (target_sums_C > 0)
    dice_C = (2 * shared_C + eps) / (probabilities_PC.sum(0) + target_sums_C + eps)
    total = counts_C.sum()
    return ((1 - dice_C) * counts_C).sum() / torch.where(total > 0, total, torch.ones_like(total))


@MODELS.register_module()
class PartialDiceLoss(PartialLoss):
    """Dice over the labelled pixels; see :func:`partial_dice`.

    mmseg's DiceLoss treats every pixel as labelled: most of its gradient is at ignored pixels.

    Args:
        use_sigmoid: Apply the sigmoid to one channel; otherwise the softmax.
        class_weight: One non-negative weight per class, for the average over the classes; or ``'FILE:FORMULA'``, as for
            `PartialCrossEntropyLoss`.
        loss_weight: Factor on the loss.
        eps: Added to numerator and denominator; positive.
        loss_name: Key in the log; must begin with 'loss_' to be trained on.

    Raises:
        UserError: A weight is negative, or `eps` not positive.
    """

    takes_labelled_pixels = True
    """The loss is the same for a list of the labelled pixels as for the whole map."""

    def __init__(
        self,
        use_sigmoid: bool = False,
        class_weight: Sequence[NonNegativeFloat] | str | None = None,
        loss_weight: float = 1.0,
        eps: PositiveFloat = 1e-3,
        loss_name: str = "loss_pdice",
    ) -> None:
        super().__init__(class_weight, loss_weight, loss_name)
        self.use_sigmoid = use_sigmoid
        self.eps = eps

    def compute(self, pred: Tensor, label: Tensor, weight: Tensor | None, ignore_index: int) -> Tensor:
        """Compute the loss without `loss_weight`."""
        return partial_dice(pred, label, self.use_sigmoid, self.class_weight_C, weight, ignore_index, self.eps)
