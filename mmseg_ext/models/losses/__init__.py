"""Losses over labelled pixels."""

from mmseg_ext.models.losses.partial_binary_cross_entropy_loss import PartialBinaryCrossEntropyLoss
from mmseg_ext.models.losses.partial_cross_entropy_loss import PartialCrossEntropyLoss
from mmseg_ext.models.losses.partial_dice_loss import PartialDiceLoss

__all__ = ["PartialBinaryCrossEntropyLoss", "PartialCrossEntropyLoss", "PartialDiceLoss"]
