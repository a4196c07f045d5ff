"""Necks: between backbone and head."""

from mmseg_ext.models.necks.unet_decoder import UNetDecoder

__all__ = ["UNetDecoder"]
