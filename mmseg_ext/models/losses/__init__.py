"""Losses over labelled pixels."""

from mmseg_ext.models.losses.partial_cross_entropy_loss import PartialCrossEntropyLoss

__all__ = ["PartialCrossEntropyLoss"]
