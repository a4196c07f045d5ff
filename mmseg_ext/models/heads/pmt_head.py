"""The plain mask transformer: queries and the features of a frozen vision transformer, decoded by plain blocks.

Shape suffixes: N batch, L tokens, Q queries, C channels, h w height and width of a map, P class and register tokens.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from mmcv.cnn import build_norm_layer
from timm.layers import RotaryEmbeddingDinoV3
from timm.models.eva import EvaBlock
from torch import Tensor, nn

from mmseg_ext.arguments import ComponentConfig, PositiveInt, StrPath
from mmseg_ext.errors import UserError
from mmseg_ext.models.backbones.dino_vit import extend_rotations
from mmseg_ext.models.backbones.intermediate_tokens import Block, IntermediateTokens
from mmseg_ext.models.heads.eomt import EoMT
from mmseg_ext.models.heads.head_arguments import as_list
from mmseg_ext.models.heads.pmt_formats import to_head
from mmseg_ext.registry import MODELS


class LateralConnection(nn.Module):
    """Normalises the tokens of a layer of the backbone and adds a projection of them, scaled by channel.

    Args:
        channels: Of the tokens.
        norm_cfg: The normalisation layer, of maps; over all tokens of the batch.
    """

    def __init__(self, channels: int, norm_cfg: Mapping[str, Any]) -> None:
        super().__init__()
        self.norm = build_norm_layer(dict(norm_cfg), channels)[1]
        self.projection = nn.Sequential(
            nn.Linear(channels, channels // 2), nn.GELU(), nn.Linear(channels // 2, channels)
        )
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, tokens_NCL: Tensor) -> Tensor:
        """Return tokens (N, L, C)."""
        tokens_NLC = self.norm(tokens_NCL[..., None]).squeeze(-1).mT
        return (tokens_NLC + self.projection(tokens_NLC)) * self.scale


@MODELS.register_module()
class PMTHead(EoMT):
    """Queries and the features of a frozen vision transformer, decoded together by plain transformer blocks.

    The backbone is a DINO with several `out_indices` and ``prefix_tokens=True``. The tokens of these layers are added
    up, each behind a :class:`LateralConnection`. Queries join them as in :class:`EoMT`, but in blocks of the head's
    own: the backbone stays as it is, and other heads can share it. Masked attention is that of EoMT, with
    `MaskAnnealingHook`.

    Args:
        in_channels: Channels of the maps, which are as many for each.
        num_classes: Classes.
        in_index: Indices of the maps among the backbone's; by default the first four.
        prefix_tokens: Whether the class and register tokens of each map follow the maps, as published.
        num_blocks: Transformer blocks.
        num_heads: Attention heads of a block; the channels of each are a multiple of 4.
        hidden_channels: Channels between the two layers of a block's perceptron; by default four times `in_channels`.
        norm_cfg: The normalisation layer of a lateral connection.
        checkpoint: A file or address with the weights of a PMT, of its authors or of this package. The authors' hold no
            backbone.
        new_classes: Leave the class layer of `checkpoint` out, for other classes than those it was trained on.
        **kwargs: As for EoMT.

    Raises:
        UserError: The weights do not match exactly, the maps have other channels, or an argument does not fit another.

    Reference:
        Cavagnero et al., PMT: Plain Mask Transformer for Image and Video Segmentation with Frozen Vision Encoders,
        arXiv 2603.25398, 2026.

    Example:
        >>> from mmseg_ext.models import DINO
        >>> tiny = dict(embed_dim=32, depth=4, num_heads=2)
        >>> layers = dict(out_indices=(0, 1, 2, 3), prefix_tokens=True)
        >>> backbone = DINO('dinov3_vits16', frozen=False, arch_overrides=tiny, **layers)
        >>> head = PMTHead(in_channels=32, num_classes=5, num_blocks=2, num_heads=2, num_queries=7).eval()
        >>> classes, masks = head(backbone(torch.zeros(1, 3, 32, 48)))
        >>> len(masks), classes[-1].shape, masks[-1].shape
        (1, torch.Size([1, 7, 6]), torch.Size([1, 7, 8, 12]))
    """

    _convert = staticmethod(to_head)

    def __init__(
        self,
        in_channels: PositiveInt,
        num_classes: PositiveInt,
        in_index: int | Sequence[int] = (0, 1, 2, 3),
        prefix_tokens: bool = True,
        num_blocks: PositiveInt = 6,
        num_heads: PositiveInt = 16,
        hidden_channels: PositiveInt | None = None,
        norm_cfg: ComponentConfig | None = None,
        checkpoint: StrPath | None = None,
        new_classes: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, num_classes, **kwargs)
        if in_channels % (4 * num_heads):
            raise UserError(
                f"Expected `in_channels` to be a multiple of 4 × `num_heads`, got {in_channels} and {num_heads}."
            )
        self.in_index, self.prefix_tokens = as_list(in_index), prefix_tokens
        norm_cfg = norm_cfg or {"type": "SyncBN"}
        self.laterals = nn.ModuleList(LateralConnection(in_channels, norm_cfg) for _ in self.in_index)
        self.rope = RotaryEmbeddingDinoV3(in_channels // num_heads)
        self.blocks = nn.ModuleList(
            EvaBlock(
                in_channels,
                num_heads,
                mlp_ratio=(hidden_channels or 4 * in_channels) / in_channels,
                num_prefix_tokens=0,  # all tokens have rotations, those without a position by zero
                rotate_half=True,
                init_values=1.0,
                norm_layer=nn.LayerNorm,
            )
            for _ in range(num_blocks)
        )
        self.norm = nn.LayerNorm(in_channels)
        if checkpoint is not None:
            self.load_weights(str(checkpoint), new_classes)

    def forward(self, inputs: Sequence[Any]) -> tuple[list[Tensor], list[Tensor]]:
        """Decode queries and features.

        Args:
            inputs: Maps (N, C, h, w); with `prefix_tokens` behind all maps the class and register tokens of each,
                (N, C, 1, P).

        Returns:
            Class logits (N, Q, K + 1), 'no object' last, and mask logits (N, Q, 4h, 4w); in training those before each
            block and those behind the last one, in evaluation the latter alone.

        Raises:
            UserError: The maps have other channels, or class and register tokens are missing.
        """
        return super().forward([self._tokens(inputs)])

    def _tokens(self, inputs: Sequence[Tensor]) -> IntermediateTokens:
        """Add up the layers."""
        num_maps = len(inputs) // 2 if self.prefix_tokens else len(inputs)
        parts = (inputs[num_maps:], inputs[:num_maps]) if self.prefix_tokens else (inputs,)
        layers = [[part[index] for part in parts] for index in self.in_index if index < num_maps]
        shapes = [tuple(part.shape) for part in layers[0]]
        fits = shapes[-1][1] == self.in_channels and not (self.prefix_tokens and shapes[0][2] != 1)
        if not fits or len(layers) < len(self.in_index):
            raise UserError(
                f"Expected maps of {self.in_channels} channels, as `in_channels` says, and behind them the class and "
                f"register tokens if `prefix_tokens` is True, got {[tuple(features.shape) for features in inputs]}. "
                "Set both `prefix_tokens`, of mmseg_ext.DINO and of the head, to the same value."
            )
        tokens_NCL = [torch.cat([part.flatten(2) for part in layer], 2) for layer in layers]
        laterals = [lateral(tokens) for lateral, tokens in zip(self.laterals, tokens_NCL, strict=True)]
        tokens_NLC = torch.stack(laterals).sum(0)
        grid, num_prefix = (shapes[-1][2], shapes[-1][3]), shapes[0][3] if self.prefix_tokens else 0
        blocks_for = partial(self._own_blocks, grid, num_prefix)
        return IntermediateTokens(tokens_NLC, grid, num_prefix, self.norm, blocks_for)

    def _own_blocks(self, grid: tuple[int, int], num_prefix: int, num_added: int) -> list[Block]:
        rope_LC = extend_rotations(self.rope.get_embed(list(grid)), num_prefix + num_added)
        # Class and register tokens, which have no position either, are the first.
        rope_LC = torch.cat([rope_LC[len(rope_LC) - num_prefix :], rope_LC[: len(rope_LC) - num_prefix]])
        return [partial(self._run_block, block, rope_LC) for block in self.blocks]

    @staticmethod
    def _run_block(block: nn.Module, rope_LC: Tensor, tokens_NLC: Tensor, attention_mask: Tensor | None) -> Tensor:
        return block(tokens_NLC, rope_LC, attention_mask)
