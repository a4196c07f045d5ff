"""The linear head of the evaluation of DINOv2 and DINOv3."""

from collections.abc import Sequence
from typing import Any

from mmcv.cnn import build_norm_layer
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmseg_ext.arguments import ComponentConfig, Fraction, PositiveInt
from mmseg_ext.models.heads.head_arguments import as_list, check_head_arguments
from mmseg_ext.registry import MODELS

RELEASED_NAMES = {"bn.": "norm.", "batchnorm_layer.": "norm.", "conv.": "conv_seg."}
"""Beginnings of parameter names in the released heads of DINOv2 and DINOv3, and ours."""


def _rename_released(_head: nn.Module, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    """Rename the parameters of a released head before they are loaded, in place."""
    for released, own in RELEASED_NAMES.items():
        for name in [name for name in state_dict if name.startswith(prefix + released)]:
            state_dict[prefix + own + name.removeprefix(prefix + released)] = state_dict.pop(name)


@MODELS.register_module()
class LinearHead(BaseDecodeHead):
    """Concatenated features → BatchNorm → dropout → 1 × 1 convolution.

    Released heads load by name: DINOv2's ``bn.*``, DINOv3's ``batchnorm_layer.*`` and ``conv.*``.

    Args:
        in_channels: Channels of each feature that is used.
        num_classes: Classes.
        in_index: Indices of the backbone's outputs, as many as `in_channels`; by default all.
        dropout_ratio: Probability that a channel is set to zero in training.
        norm_cfg: The normalisation layer.
        dropout_first: Dropout before BatchNorm, as in DINOv3's released head; after it in DINOv2's.
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
        dropout_first: bool = False,
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
        self.dropout_first = dropout_first
        self.register_load_state_dict_pre_hook(_rename_released)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute logits.

        Args:
            inputs: The backbone's outputs, each (N, C, h, w); all are resized to the first that is used.

        Returns:
            Logits (N, num_classes, h, w).
        """
        features = self._transform_inputs(inputs)
        if not self.dropout_first:
            return self.cls_seg(self.norm(features))
        if self.dropout is not None:
            features = self.dropout(features)
        return self.conv_seg(self.norm(features))
