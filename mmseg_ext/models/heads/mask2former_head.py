"""Mask2Former's head, on any device."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.model import BaseModule
from mmseg.models.decode_heads import Mask2FormerHead as MMSegMask2FormerHead
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_ext.arguments import ComponentConfig, PositiveInt
from mmseg_ext.errors import UserError
from mmseg_ext.models.heads.mask_prediction import MaskPrediction
from mmseg_ext.models.layers import MultiScaleDeformableAttention
from mmseg_ext.registry import MODELS


@MODELS.register_module()
class Mask2FormerHead(MaskPrediction, MMSegMask2FormerHead):
    """mmseg's head of the same name, with `MultiScaleDeformableAttention` of this package as its attention layer.

    Arguments, state_dict, initialisation and losses are mmseg's. In mmdet's pixel decoder the attention layer of mmcv
    is fixed in the code, so this head replaces it after construction.

    Args:
        num_classes: Classes.
        loss_decode: Config of the loss, ``dict(type='mmseg_ext.PointMaskLoss')`` for example, in place of mmdet's
            `loss_cls`, `loss_mask`, `loss_dice` and `train_cfg`; None for these.
        **kwargs: As for mmseg's head, with ``pixel_decoder=dict(type='mmdet.MSDeformAttnPixelDecoder', …)``.

    Raises:
        UserError: mmdet's models could not be imported.

    Reference:
        Cheng et al., Masked-attention Mask Transformer for Universal Image Segmentation, CVPR 2022.
    """

    def __init__(self, num_classes: PositiveInt, loss_decode: ComponentConfig | None = None, **kwargs: Any) -> None:
        if MMSegMask2FormerHead.__mro__[1] is BaseModule:  # mmseg's base class if mmdet cannot be imported
            raise UserError(
                "Expected mmdet's models for Mask2Former; they could not be imported when mmseg.models was. Call "
                "mmseg_ext.stack.prepare() before that, as tools/train.py does; or: python -m pip install "
                "onedl-mmdetection"
            )
        super().__init__(num_classes=num_classes, **kwargs)
        for layer in self.pixel_decoder.encoder.layers:
            layer.self_attn = MultiScaleDeformableAttention(**layer.self_attn_cfg)
        self.loss_decode = None if loss_decode is None else MODELS.build(loss_decode)

    def loss(
        self, x: Sequence[Tensor], batch_data_samples: Sequence[SegDataSample], train_cfg: Any
    ) -> dict[str, Tensor]:
        """Compute the losses of all layers.

        Args:
            x: Features (N, C, h, w), as the backbone returns them.
            batch_data_samples: mmseg's SegDataSample, with the labels in ``gt_sem_seg``.
            train_cfg: Not used; mmseg passes it.

        Returns:
            Every loss by its name.
        """
        if self.loss_decode is None:
            return super().loss(x, batch_data_samples, train_cfg)
        return self.loss_decode(*self(x, batch_data_samples), batch_data_samples, self.ignore_index)

    def predict_masks(
        self, inputs: Sequence[Tensor], batch_img_metas: Sequence[Mapping[str, Any]]
    ) -> tuple[Tensor, Tensor]:
        """Compute class logits (N, Q, C + 1) and mask logits (N, Q, h, w) of the last layer."""
        class_logits, mask_logits = self(inputs, [SegDataSample(metainfo=dict(meta)) for meta in batch_img_metas])
        return class_logits[-1], mask_logits[-1]

    def init_weights(self) -> None:
        """Initialise as mmseg does.

        mmdet's decoder first initialises all matrices, then the attention layers again if they are mmcv's. Here those
        of this package are initialised again.
        """
        super().init_weights()
        for layer in self.pixel_decoder.encoder.layers:
            layer.self_attn.init_weights()
