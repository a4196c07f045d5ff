"""Layers that heads and backbones are made of."""

from mmseg_ext.models.layers.multi_scale_deformable_attention import MultiScaleDeformableAttention

__all__ = ["MultiScaleDeformableAttention"]
