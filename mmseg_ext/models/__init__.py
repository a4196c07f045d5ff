"""Backbones, heads, losses and segmentors."""

from mmseg_ext.models.backbones import DINO
from mmseg_ext.models.heads import (
    LinearHead,
    PointFCNHead,
    PointFPNHead,
    PointLinearHead,
    PointSupervision,
    PointUPerHead,
)
from mmseg_ext.models.losses import PartialCrossEntropyLoss, PartialDiceLoss

__all__ = [
    "DINO",
    "LinearHead",
    "PartialCrossEntropyLoss",
    "PartialDiceLoss",
    "PointFCNHead",
    "PointFPNHead",
    "PointLinearHead",
    "PointSupervision",
    "PointUPerHead",
]
