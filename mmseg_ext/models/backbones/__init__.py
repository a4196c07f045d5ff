"""Backbones."""

from mmseg_ext.models.backbones.dino import DINO
from mmseg_ext.models.backbones.efficientnet_lite import EfficientNetLite
from mmseg_ext.models.backbones.smp_backbone import SMPBackbone

__all__ = ["DINO", "EfficientNetLite", "SMPBackbone"]
