"""A U-Net decoder for backbones whose feature maps all have the same size, such as DINO."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule, build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmseg_ext.arguments import ComponentConfig, PositiveInt
from mmseg_ext.errors import UserError
from mmseg_ext.registry import MODELS


def _rescale(in_channels: int, channels: int, doublings: int, norm_cfg: dict[str, Any]) -> nn.Sequential:
    """A 1 × 1 convolution, then a resizing by 2^doublings: transposed convolutions, or max pooling for −1."""
    layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, 1)]
    for _ in range(doublings):
        layers += [
            nn.ConvTranspose2d(channels, channels, 2, stride=2),
            build_norm_layer(norm_cfg, channels)[1],
            nn.ReLU(inplace=True),
        ]
    if doublings < 0:
        layers.append(nn.MaxPool2d(2, ceil_mode=True))
    return nn.Sequential(*layers)


@MODELS.register_module()
class UNetDecoder(BaseModule):
    """Builds a feature pyramid from the features of a plain transformer, and decodes it as a U-Net does.

    The last feature is resized to half its size, the last but one keeps its size, and each earlier one is resized to
    twice the size of the next: with four features to 4, 2, 1 and 1/2 of the backbone's size. Starting from the
    smallest, the map is enlarged to the size of the next feature, concatenated with it, and passed through two 3 × 3
    convolutions.

    Args:
        in_channels: Channels of each of the backbone's features, shallow to deep; at least two.
        channels: Channels of each level of the pyramid, fine to coarse; as many as `in_channels`.
        norm_cfg: The normalisation layer.
        init_cfg: As for any module of mmengine.

    Raises:
        UserError: `in_channels` and `channels` differ in length, or have fewer than two entries.

    Reference:
        Ronneberger et al., U-Net, MICCAI 2015; the pyramid of one scale: Li et al., Exploring Plain Vision Transformer
        Backbones for Object Detection, ECCV 2022, there from the last feature only.

    Example:
        >>> neck = UNetDecoder([6, 6], channels=(4, 8), norm_cfg=dict(type='BN')).eval()
        >>> neck((torch.zeros(1, 6, 5, 7), torch.zeros(1, 6, 5, 7)))[0].shape
        torch.Size([1, 4, 5, 7])
    """

    def __init__(
        self,
        in_channels: Sequence[PositiveInt],
        channels: Sequence[PositiveInt] = (64, 128, 256, 512),
        norm_cfg: ComponentConfig | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if len(in_channels) != len(channels) or len(channels) < 2:
            raise UserError(
                f"Expected as many `channels` as `in_channels`, two at least, got {len(channels)} and "
                f"{len(in_channels)}."
            )
        norm_cfg = norm_cfg or {"type": "SyncBN"}
        levels = len(channels)
        self.rescalings = nn.ModuleList(
            _rescale(in_channels[i], channels[i], levels - 2 - i, norm_cfg) for i in range(levels)
        )
        settings = {"kernel_size": 3, "padding": 1, "norm_cfg": norm_cfg}
        self.blocks = nn.ModuleList(
            nn.Sequential(
                ConvModule(channels[i] + channels[i + 1], channels[i], **settings),
                ConvModule(channels[i], channels[i], **settings),
            )
            for i in range(levels - 1)
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor]:
        """Decode the features.

        Args:
            inputs: The backbone's features, each (N, in_channels[i], h, w).

        Returns:
            One map (N, channels[0], 2ⁿ⁻²·h, 2ⁿ⁻²·w), with n features.
        """
        levels = [rescale(feature) for rescale, feature in zip(self.rescalings, inputs, strict=True)]
        decoded = levels[-1]
        for level, block in zip(reversed(levels[:-1]), reversed(self.blocks), strict=True):
            decoded = F.interpolate(decoded, size=level.shape[2:], mode="bilinear", align_corners=False)
            decoded = block(torch.cat([decoded, level], 1))
        return (decoded,)
