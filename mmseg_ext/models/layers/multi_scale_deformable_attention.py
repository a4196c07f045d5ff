"""The attention layer of Deformable DETR, and of Mask2Former's pixel decoder, on any device."""

import math
from typing import Any

import torch
from mmengine.model import BaseModule, constant_init, xavier_init
from mmengine.utils import deprecated_api_warning
from torch import Tensor, nn

from mmseg_ext.arguments import Fraction, PositiveFloat, PositiveInt
from mmseg_ext.errors import UserError
from mmseg_ext.models.layers.compiled_deformable_attention import AttentionSizes, level_starts, trusted_op
from mmseg_ext.models.layers.deformable_attention import compute_dtype, multi_scale_deformable_attention
from mmseg_ext.registry import MODELS


@MODELS.register_module()
class MultiScaleDeformableAttention(BaseModule):
    """mmcv's layer of the same name; it works without a compiled op.

    Arguments, parameters and their initialisation are mmcv's. Offsets, sampling locations and the sum are computed in
    at least float32, also under mixed precision. mmcv's compiled op is used if it agrees with the PyTorch version on
    the device; the log says which one is used.

    Args:
        embed_dims: Number of channels, a multiple of `num_heads`.
        num_heads: Number of heads.
        num_levels: Number of feature maps.
        num_points: Number of sampling points for each query, head and level.
        im2col_step: Number of images that the compiled op processes at a time.
        dropout: Probability of dropout on the output, before the input is added.
        batch_first: Whether queries and values are (N, Q, C), as in Mask2Former, instead of (Q, N, C).
        norm_cfg: Unused, as in mmcv.
        init_cfg: As for any module of mmengine.
        value_proj_ratio: Number of channels of the projected values, as a multiple of `embed_dims`.

    Raises:
        UserError: The number of channels is no multiple of `num_heads`.

    Reference:
        Zhu et al., Deformable DETR, ICLR 2021, section 4.1.

    Example:
        >>> layer = MultiScaleDeformableAttention(embed_dims=16, num_heads=2, num_levels=1, num_points=2)
        >>> layer.sampling_offsets.bias.view(2, 1, 2, 2)[0, 0].tolist()  # the first head looks to the right
        [[1.0, 0.0], [2.0, 0.0]]
    """

    def __init__(
        self,
        embed_dims: PositiveInt = 256,
        num_heads: PositiveInt = 8,
        num_levels: PositiveInt = 4,
        num_points: PositiveInt = 4,
        im2col_step: PositiveInt = 64,
        dropout: Fraction = 0.1,
        batch_first: bool = False,
        norm_cfg: dict[str, Any] | None = None,
        init_cfg: dict[str, Any] | None = None,
        value_proj_ratio: PositiveFloat = 1.0,
    ) -> None:
        super().__init__(init_cfg)
        value_dims = int(embed_dims * value_proj_ratio)
        for name, channels in (("embed_dims", embed_dims), ("embed_dims * value_proj_ratio", value_dims)):
            if channels % num_heads:
                raise UserError(f"Expected `{name}` to be a multiple of num_heads={num_heads}, got {channels}.")
        self.embed_dims = embed_dims
        self.num_heads = num_heads
        self.num_levels = num_levels
        self.num_points = num_points
        self.im2col_step = im2col_step
        self.batch_first = batch_first
        self.norm_cfg = norm_cfg
        num_samples = num_heads * num_levels * num_points
        self.dropout = nn.Dropout(dropout)
        self.sampling_offsets = nn.Linear(embed_dims, num_samples * 2)
        self.attention_weights = nn.Linear(embed_dims, num_samples)
        self.value_proj = nn.Linear(embed_dims, value_dims)
        self.output_proj = nn.Linear(value_dims, embed_dims)
        self.init_weights()

    def init_weights(self) -> None:
        """Initialise the offsets: point p of a head is p pixels away, in a different direction for each head."""
        angles_M = torch.arange(self.num_heads, dtype=torch.float32) * (2 * math.pi / self.num_heads)
        directions_M2 = torch.stack([angles_M.cos(), angles_M.sin()], -1)
        directions_M2 = directions_M2 / directions_M2.abs().amax(-1, keepdim=True)
        steps_P1 = torch.arange(1, self.num_points + 1)[:, None]
        offsets_MLP2 = (directions_M2[:, None, None] * steps_P1).expand(-1, self.num_levels, -1, -1)
        constant_init(self.sampling_offsets, 0.0)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(offsets_MLP2.flatten())
        constant_init(self.attention_weights, 0.0)
        xavier_init(self.value_proj, distribution="uniform")
        xavier_init(self.output_proj, distribution="uniform")
        self._is_init = True

    @deprecated_api_warning({"residual": "identity"}, cls_name="MultiScaleDeformableAttention")
    def forward(
        self,
        query: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        identity: Tensor | None = None,
        query_pos: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        reference_points: Tensor | None = None,
        spatial_shapes: Tensor | None = None,
        level_start_index: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """Compute the attention, and add the input.

        Args:
            query: (Q, N, C), or (N, Q, C) with `batch_first`.
            key: Unused, as in mmcv.
            value: Features of all levels, concatenated, (K, N, C) or (N, K, C); the query by default.
            identity: Added to the output, of the query's shape; the query by default.
            query_pos: Added to the query.
            key_padding_mask: (N, K), true where the value is replaced by zero.
            reference_points: (N, Q, L, 2), as (x, y) between 0 and 1, or boxes (N, Q, L, 4), as (x, y, width, height).
            spatial_shapes: Height and width of each level, (L, 2).
            level_start_index: First position of each level in `value`, (L,); computed from `spatial_shapes` here.
            **kwargs: Ignored, as in mmcv.

        Returns:
            The output, of the query's shape.
        """
        if reference_points is None or spatial_shapes is None:
            raise ValueError("Expected `reference_points` and `spatial_shapes`, got None.")
        value = query if value is None else value
        identity = query if identity is None else identity
        query = query if query_pos is None else query + query_pos
        if not self.batch_first:
            query, value = query.transpose(0, 1), value.transpose(0, 1)

        value_NKC = self.value_proj(value)
        if key_padding_mask is not None:
            value_NKC = value_NKC.masked_fill(key_padding_mask[..., None], 0.0)
        value_NKMD = value_NKC.unflatten(-1, (self.num_heads, -1))
        locations_NQMLP2, weights_NQMLP = self._sampling_points(query, reference_points, spatial_shapes)
        output_NQC = self.output_proj(self._attend(value_NKMD, spatial_shapes, locations_NQMLP2, weights_NQMLP))
        output = output_NQC if self.batch_first else output_NQC.transpose(0, 1)
        return self.dropout(output) + identity

    def _sampling_points(
        self, query_NQC: Tensor, reference_points: Tensor, spatial_shapes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute the locations (N, Q, M, L, P, 2) and their weights (N, Q, M, L, P) from the queries."""
        heads = (self.num_heads, self.num_levels, self.num_points)
        # Autocast would round the offsets, which are pixels: in bfloat16 by up to 1/64 where they are about 4.
        with torch.autocast(query_NQC.device.type, enabled=False):
            query_NQC = query_NQC.to(self.sampling_offsets.weight.dtype)
            dtype = compute_dtype(query_NQC, reference_points)
            offsets_NQMLP2 = self.sampling_offsets(query_NQC).to(dtype).unflatten(-1, (*heads, 2))
            weights_NQMX = self.attention_weights(query_NQC).to(dtype).unflatten(-1, (self.num_heads, -1)).softmax(-1)
        reference_NQ1L1X = reference_points[:, :, None, :, None].to(dtype)
        if reference_points.shape[-1] == 2:
            offsets_NQMLP2 = offsets_NQMLP2 / spatial_shapes.flip(-1)[:, None]
        elif reference_points.shape[-1] == 4:
            offsets_NQMLP2 = offsets_NQMLP2 * (0.5 / self.num_points) * reference_NQ1L1X[..., 2:]
        else:
            raise ValueError(
                f"Expected `reference_points` with 2 or 4 numbers for each point, got {reference_points.shape[-1]}."
            )
        return reference_NQ1L1X[..., :2] + offsets_NQMLP2, weights_NQMX.unflatten(-1, heads[1:])

    def _attend(
        self, value_NKMD: Tensor, spatial_shapes: Tensor, locations_NQMLP2: Tensor, weights_NQMLP: Tensor
    ) -> Tensor:
        """Apply the compiled op if it agrees with the PyTorch version, otherwise the PyTorch version."""
        dtype = compute_dtype(value_NKMD, locations_NQMLP2, weights_NQMLP)
        sizes = AttentionSizes(self.num_heads, value_NKMD.shape[-1], self.num_levels, self.num_points)
        op = trusted_op(value_NKMD.device, dtype, sizes)
        if op is None:
            shapes = [(height, width) for height, width in spatial_shapes.tolist()]
            num_positions = sum(height * width for height, width in shapes)
            if num_positions != value_NKMD.shape[1]:
                raise ValueError(
                    f"Expected values of {num_positions} positions, as the levels {shapes} have, got "
                    f"{value_NKMD.shape[1]}."
                )
            return multi_scale_deformable_attention(value_NKMD, shapes, locations_NQMLP2, weights_NQMLP)
        output_NQC = op(
            value_NKMD.to(dtype).contiguous(),
            spatial_shapes,
            level_starts(spatial_shapes),
            locations_NQMLP2.to(dtype).contiguous(),
            weights_NQMLP.to(dtype).contiguous(),
            self.im2col_step,
        )
        return output_NQC.to(value_NKMD.dtype)
