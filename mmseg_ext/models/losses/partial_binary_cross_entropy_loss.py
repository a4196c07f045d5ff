"""Binary cross-entropy over the labelled pixels only, for one channel with a sigmoid.

Shape suffixes: N batch, H height, W width, P labelled pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_ext.arguments import NonNegativeFloat
from mmseg_ext.errors import UserError
from mmseg_ext.models.losses.partial_loss import PartialLoss
from mmseg_ext.models.precision import at_least_float32
from mmseg_ext.registry import MODELS
from mmseg_ext.statistics.class_weights import parse_weights_file, pos_weight_of, read_class_weights


def partial_binary_cross_entropy(
    logits_N1HW: Tensor,
    labels_NHW: Tensor,
    pos_weight: float = 1.0,
    weight_NHW: Tensor | None = None,
    ignore_index: int = 255,
) -> Tensor:
    """Average the binary cross-entropy over the labelled pixels.

    A pixel's loss is −log σ(x) times `pos_weight` on the foreground and −log(1 − σ(x)) elsewhere. The average is
    Σ w·loss / Σ w with w the weight of the pixel, 1 by default; `pos_weight` is no part of the divisor, as in
    ``torch.nn.BCEWithLogitsLoss``. Computed in at least float32. Without labelled pixels (or with weights that sum to
    zero) the loss is exactly zero, and its gradient too.

    Args:
        logits_N1HW: Floating point.
        labels_NHW: 1 foreground, 0 background, `ignore_index` where there is no label.
        pos_weight: Factor on the loss of foreground pixels, non-negative.
        weight_NHW: Weight of each pixel, non-negative.
        ignore_index: Marks pixels without a label.

    Returns:
        A scalar.

    Raises:
        UserError: There are several channels.
    """
    if logits_N1HW.shape[1] != 1:
        raise UserError(
            f"Expected one channel, got {logits_N1HW.shape[1]}. Set the head's `out_channels=1` with num_classes=2, or "
            "use mmseg_ext.PartialCrossEntropyLoss."
        )
    labelled_NHW = labels_NHW != ignore_index
    logits_P = at_least_float32(logits_N1HW.squeeze(1)[labelled_NHW])
    targets_P = (labels_NHW[labelled_NHW] == 1).to(logits_P)
    losses_P = F.binary_cross_entropy_with_logits(
        logits_P, targets_P, reduction="none", pos_weight=logits_P.new_tensor(pos_weight)
    )
    if weight_NHW is None:
        return losses_P.sum() / max(losses_P.numel(), 1)
    weights_P = weight_NHW[labelled_NHW].to(losses_P)
    total = weights_P.sum()
    return (losses_P * weights_P).sum() / torch.where(total > 0, total, torch.ones_like(total))


@MODELS.register_module()
class PartialBinaryCrossEntropyLoss(PartialLoss):
    """Binary cross-entropy averaged over the labelled pixels; see :func:`partial_binary_cross_entropy`.

    Stock CrossEntropyLoss(use_sigmoid=True) divides by all pixels, labelled or not, and raises where none is labelled.
    Together with ``PartialDiceLoss(use_sigmoid=True)``, whose Dice is the F1 score of the foreground, it is the usual
    BCE + F1 loss: list both in ``loss_decode``.

    Args:
        pos_weight: Factor on the loss of foreground pixels, non-negative; or ``'FILE:FORMULA'``, the foreground's
            weight divided by the background's in a file of tools/dataset_stats.py. A missing file is an error when the
            first loss is computed.
        loss_weight: Factor on the loss.
        loss_name: Key in the log; must begin with 'loss_' to be trained on.

    Raises:
        UserError: The weight is negative, or the formula is not known.
    """

    takes_labelled_pixels = True
    """The loss is the same for a list of the labelled pixels as for the whole map."""

    def __init__(
        self, pos_weight: NonNegativeFloat | str = 1.0, loss_weight: float = 1.0, loss_name: str = "loss_pbce"
    ) -> None:
        super().__init__(None, loss_weight, loss_name)
        self._pos_weight = pos_weight
        if isinstance(pos_weight, str) and parse_weights_file(pos_weight)[0].is_file():
            self._pos_weight = pos_weight_of(read_class_weights(pos_weight))

    @property
    def pos_weight(self) -> float:
        """Factor on the loss of foreground pixels.

        Raises:
            UserError: The file that holds it is missing.
        """
        if isinstance(self._pos_weight, str):
            self._pos_weight = pos_weight_of(read_class_weights(self._pos_weight))
        return self._pos_weight

    def compute(self, pred: Tensor, label: Tensor, weight: Tensor | None, ignore_index: int) -> Tensor:
        """Compute the loss of logits (N, 1, H, W) and labels 0 and 1 without `loss_weight`."""
        return partial_binary_cross_entropy(pred, label, self.pos_weight, weight, ignore_index)
