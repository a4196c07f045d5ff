"""Losses over labelled pixels, and of mask heads."""

from mmseg_ext.models.losses.mask_loss import MaskLoss
from mmseg_ext.models.losses.partial_binary_cross_entropy_loss import PartialBinaryCrossEntropyLoss
from mmseg_ext.models.losses.partial_cross_entropy_loss import PartialCrossEntropyLoss
from mmseg_ext.models.losses.partial_dice_loss import PartialDiceLoss
from mmseg_ext.models.losses.point_mask_loss import PointMaskLoss

__all__ = [
    "MaskLoss",
    "PartialBinaryCrossEntropyLoss",
    "PartialCrossEntropyLoss",
    "PartialDiceLoss",
    "PointMaskLoss",
]
