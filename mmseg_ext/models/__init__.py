"""Backbones, heads, losses and segmentors."""

from mmseg_ext.models.losses import PartialCrossEntropyLoss

__all__ = ["PartialCrossEntropyLoss"]
