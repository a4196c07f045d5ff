"""Backbones."""

from mmseg_ext.models.backbones.dino import DINO

__all__ = ["DINO"]
