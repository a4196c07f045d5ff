"""Losses over labelled pixels."""

from mmseg_ext.models.losses.partial_cross_entropy_loss import PartialCrossEntropyLoss
from mmseg_ext.models.losses.partial_dice_loss import PartialDiceLoss

__all__ = ["PartialCrossEntropyLoss", "PartialDiceLoss"]
