"""Multi-scale deformable attention in PyTorch, for any device."""

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

# N images, K positions of all levels together, M heads, D channels a head, Q queries, L levels, P points, 2 is (x, y).
# B stands for N · M, and hw for the positions of one level.


def multi_scale_deformable_attention(
    value_NKMD: Tensor,
    spatial_shapes: Sequence[tuple[int, int]],
    locations_NQMLP2: Tensor,
    weights_NQMLP: Tensor,
) -> Tensor:
    """For each query and head, compute the weighted sum of the features at a few points of every level.

    The feature at a point is interpolated bilinearly between the centres of the positions around it, with zeros outside
    the level. Interpolation and sum are computed in at least float32. The samples are many times larger than inputs and
    output. So the levels are sampled one after the other, and sampled again in the backward pass.

    Args:
        value_NKMD: Features (N, K, M, D) of all levels, concatenated, each in row-major order; floating point.
        spatial_shapes: Height and width of each level; the sum of their products is K.
        locations_NQMLP2: Points (N, Q, M, L, P, 2), as (x, y): (0, 0) is the top left corner of a level, (1, 1) its
            bottom right corner.
        weights_NQMLP: Weights of the points (N, Q, M, L, P).

    Returns:
        (N, Q, M · D), of `value_NKMD`'s dtype.

    Reference:
        Zhu et al., Deformable DETR, ICLR 2021, equation 3 (the sum alone, without the projections).

    Example:
        >>> import torch
        >>> value = torch.arange(4.0).view(1, 4, 1, 1)  # one level of 2 x 2, one head, one channel
        >>> middle = torch.full((1, 1, 1, 1, 1, 2), 0.5)
        >>> multi_scale_deformable_attention(value, [(2, 2)], middle, torch.ones(1, 1, 1, 1, 1)).item()
        1.5
    """
    return _DeformableAttention.apply(value_NKMD, tuple(spatial_shapes), locations_NQMLP2, weights_NQMLP)


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """Return the dtype to compute in: the widest of the tensors' dtypes, at least float32.

    Half precision is too coarse for locations: in a row of 64 pixels, the rounding error is up to 1/64 of a pixel in
    float16, and up to 1/8 in bfloat16.
    """
    return reduce(torch.promote_types, (tensor.dtype for tensor in tensors), torch.float32)


class _Level:
    """The inputs of one level, in the layout and dtype of ``grid_sample``."""

    def __init__(
        self, value_NKMD: Tensor, locations_NQMLP2: Tensor, weights_NQMLP: Tensor, level: int, place: slice, height: int
    ) -> None:
        dtype = compute_dtype(value_NKMD, locations_NQMLP2, weights_NQMLP)
        value_NMDhw = value_NKMD[:, place].permute(0, 2, 3, 1)
        self.index = level
        self.place = place
        self.value_BDhw = value_NMDhw.flatten(0, 1).to(dtype).unflatten(-1, (height, -1))
        # The coordinates of grid_sample are −1 at one border and 1 at the other.
        self.grid_BQP2 = locations_NQMLP2[:, :, :, level].transpose(1, 2).flatten(0, 1).to(dtype).mul(2).sub_(1)
        self.weights_B1QP = weights_NQMLP[:, :, :, level].transpose(1, 2).flatten(0, 1).to(dtype).unsqueeze(1)

    def sample(self) -> Tensor:
        """Interpolate; returns a new tensor (B, D, Q, P)."""
        return F.grid_sample(self.value_BDhw, self.grid_BQP2, "bilinear", "zeros", align_corners=False)


def _levels(
    value_NKMD: Tensor, spatial_shapes: Sequence[tuple[int, int]], locations_NQMLP2: Tensor, weights_NQMLP: Tensor
) -> Iterator[_Level]:
    start = 0
    for index, (height, width) in enumerate(spatial_shapes):
        place = slice(start, start + height * width)
        yield _Level(value_NKMD, locations_NQMLP2, weights_NQMLP, index, place, height)
        start = place.stop


class _DeformableAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        value_NKMD: Tensor,
        spatial_shapes: tuple[tuple[int, int], ...],
        locations_NQMLP2: Tensor,
        weights_NQMLP: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(value_NKMD, locations_NQMLP2, weights_NQMLP)
        ctx.spatial_shapes = spatial_shapes
        num_images, _, num_heads, _ = value_NKMD.shape
        levels = _levels(value_NKMD, spatial_shapes, locations_NQMLP2, weights_NQMLP)
        sum_BDQ = reduce(Tensor.add_, (level.sample().mul_(level.weights_B1QP).sum(-1) for level in levels))
        output_NQMD = sum_BDQ.unflatten(0, (num_images, num_heads)).permute(0, 3, 1, 2)
        return output_NQMD.flatten(2).to(value_NKMD.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, output_grad_NQC: Tensor) -> tuple[Tensor | None, None, Tensor | None, Tensor | None]:
        value_NKMD, locations_NQMLP2, weights_NQMLP = ctx.saved_tensors
        num_images, _, num_heads, _ = value_NKMD.shape
        heads = (num_images, num_heads)
        wants_value, _, wants_locations, wants_weights = ctx.needs_input_grad
        output_grad_NMDQ = output_grad_NQC.unflatten(2, (num_heads, -1)).permute(0, 2, 3, 1)
        output_grad_BDQ1 = output_grad_NMDQ.flatten(0, 1).to(compute_dtype(*ctx.saved_tensors)).unsqueeze(-1)
        value_grad = torch.empty_like(value_NKMD) if wants_value else None
        locations_grad = torch.empty_like(locations_NQMLP2) if wants_locations else None
        weights_grad = torch.empty_like(weights_NQMLP) if wants_weights else None
        for level in _levels(value_NKMD, ctx.spatial_shapes, locations_NQMLP2, weights_NQMLP):
            if weights_grad is not None:
                weights_grad_BQP = level.sample().mul_(output_grad_BDQ1).sum(1)
                weights_grad[:, :, :, level.index] = weights_grad_BQP.unflatten(0, heads).transpose(1, 2)
            level_value_grad_BDhw, grid_grad_BQP2 = torch.ops.aten.grid_sampler_2d_backward(
                output_grad_BDQ1 * level.weights_B1QP,
                level.value_BDhw,
                level.grid_BQP2,
                0,  # bilinear
                0,  # zeros outside
                False,  # corners are not aligned
                [wants_value, True],
            )
            if value_grad is not None:
                level_value_grad_NMDK = level_value_grad_BDhw.flatten(2).unflatten(0, heads)
                value_grad[:, level.place] = level_value_grad_NMDK.permute(0, 3, 1, 2)
            if locations_grad is not None:
                locations_grad[:, :, :, level.index] = grid_grad_BQP2.mul_(2).unflatten(0, heads).transpose(1, 2)
        return value_grad, None, locations_grad, weights_grad
