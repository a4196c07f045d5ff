"""Mask2Former's head, on any device."""

from typing import Any

from mmengine.model import BaseModule
from mmseg.models.decode_heads import Mask2FormerHead as MMSegMask2FormerHead

from mmseg_ext.arguments import PositiveInt
from mmseg_ext.errors import UserError
from mmseg_ext.models.layers import MultiScaleDeformableAttention
from mmseg_ext.registry import MODELS


@MODELS.register_module()
class Mask2FormerHead(MMSegMask2FormerHead):
    """mmseg's head of the same name, with `MultiScaleDeformableAttention` of this package as its attention layer.

    Arguments, state_dict, initialisation and losses are mmseg's. In mmdet's pixel decoder the attention layer of mmcv
    is fixed in the code, so this head replaces it after construction.

    Args:
        num_classes: Classes.
        **kwargs: As for mmseg's head, with ``pixel_decoder=dict(type='mmdet.MSDeformAttnPixelDecoder', …)``.

    Raises:
        UserError: mmdet's models could not be imported.

    Reference:
        Cheng et al., Masked-attention Mask Transformer for Universal Image Segmentation, CVPR 2022.
    """

    def __init__(self, num_classes: PositiveInt, **kwargs: Any) -> None:
        if MMSegMask2FormerHead.__mro__[1] is BaseModule:  # mmseg's base class if mmdet cannot be imported
            raise UserError(
                "Expected mmdet's models for Mask2Former; they could not be imported when mmseg.models was. Call "
                "mmseg_ext.stack.prepare() before that, as tools/train.py does; or: python -m pip install "
                "onedl-mmdetection"
            )
        super().__init__(num_classes=num_classes, **kwargs)
        for layer in self.pixel_decoder.encoder.layers:
            layer.self_attn = MultiScaleDeformableAttention(**layer.self_attn_cfg)

    def init_weights(self) -> None:
        """Initialise as mmseg does.

        mmdet's decoder first initialises all matrices, then the attention layers again if they are mmcv's. Here those
        of this package are initialised again.
        """
        super().init_weights()
        for layer in self.pixel_decoder.encoder.layers:
            layer.self_attn.init_weights()
