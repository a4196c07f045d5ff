"""The linear head of the evaluation of DINOv2 and DINOv3."""

from collections.abc import Sequence
from typing import Any

from mmcv.cnn import build_norm_layer
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor

from mmseg_ext.arguments import ComponentConfig, Fraction, PositiveInt
from mmseg_ext.models.heads.head_arguments import as_list, check_head_arguments
from mmseg_ext.registry import MODELS


@MODELS.register_module()
class LinearHead(BaseDecodeHead):
    """Concatenated features → BatchNorm → dropout → 1 × 1 convolution.

    Args:
        in_channels: Channels of each feature that is used.
        num_classes: Classes.
        in_index: Indices of the backbone's outputs, as many as `in_channels`; by default all.
        dropout_ratio: Probability that a channel is set to zero in training.
        norm_cfg: The normalisation layer.
        **kwargs: As for any decode head of mmseg.

    Reference:
        Oquab et al., DINOv2, TMLR 2024, section 7.4 and the released segmentation head; Siméoni et al., DINOv3, 2025,
        section 6.1.2.

    Example:
        >>> import torch
        >>> head = LinearHead(in_channels=8, num_classes=3, norm_cfg=dict(type='BN'))
        >>> head((torch.zeros(2, 8, 4, 5),)).shape
        torch.Size([2, 3, 4, 5])
    """

    fixed_arguments = ("channels", "input_transform")

    def __init__(
        self,
        in_channels: PositiveInt | Sequence[PositiveInt],
        num_classes: PositiveInt,
        in_index: int | Sequence[int] | None = None,
        dropout_ratio: Fraction = 0.1,
        norm_cfg: ComponentConfig | None = None,
        **kwargs: Any,
    ) -> None:
        widths = as_list(in_channels)
        indices = list(range(len(widths))) if in_index is None else as_list(in_index)
        name, out_channels = type(self).__name__, kwargs.get("out_channels")
        check_head_arguments(name, widths, num_classes, indices, "resize_concat", out_channels)
        super().__init__(
            in_channels=widths,
            channels=sum(widths),
            num_classes=num_classes,
            in_index=indices,
            input_transform="resize_concat",
            dropout_ratio=dropout_ratio,
            norm_cfg=norm_cfg or {"type": "SyncBN"},
            **kwargs,
        )
        self.norm = build_norm_layer(self.norm_cfg, self.channels)[1]

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute logits.

        Args:
            inputs: The backbone's outputs, each (N, C, h, w); all are resized to the first that is used.

        Returns:
            Logits (N, num_classes, h, w).
        """
        return self.cls_seg(self.norm(self._transform_inputs(inputs)))
