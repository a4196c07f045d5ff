"""Interpolates learned position embeddings to another grid.

Shape suffixes: L tokens, C channels, h w height and width of the old grid, y x those of the new one.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class InterpolationRule(NamedTuple):
    """Rule by which a release interpolates its position embeddings.

    Args:
        offset: Added to the new grid's height and width when the scale factors are computed; 0 to interpolate to the
            size without scale factors.
        antialias: As in ``torch.nn.functional.interpolate``.
    """

    offset: float
    antialias: bool


# facebookresearch/dino, vision_transformer.py, and facebookresearch/dinov2, hub/backbones.py: the models without
# registers were trained and evaluated with scale factors (h + 0.1) / H; those with registers use the size.
OFFICIAL_RULES = {
    "dino": InterpolationRule(offset=0.1, antialias=False),
    "dinov2": InterpolationRule(offset=0.1, antialias=False),
    "dinov2_reg": InterpolationRule(offset=0.0, antialias=True),
}
TIMM_RULE = InterpolationRule(offset=0.0, antialias=True)


def interpolate_position_embedding(
    embedding_1LC: Tensor,
    old_grid: tuple[int, int],
    new_grid: tuple[int, int],
    num_prefix_tokens: int,
    rule: InterpolationRule,
) -> Tensor:
    """Interpolate the patch part of a position embedding bicubically, in float32.

    Args:
        embedding_1LC: Prefix tokens first, then the patches row by row.
        old_grid: Height and width of the embedding's grid, in patches.
        new_grid: Height and width of the new grid, in patches.
        num_prefix_tokens: Number of first tokens that are not part of the grid; they are not changed.
        rule: Rule of the release that the embedding comes from.

    Returns:
        The embedding of the new grid (1, num_prefix_tokens + height · width, C), in the dtype of the input.
    """
    if torch.compiler.is_exporting():
        return _interpolate_by_matrices(embedding_1LC, old_grid, new_grid, num_prefix_tokens, rule)
    if old_grid == new_grid:
        return embedding_1LC
    prefix_1LC, patches_1LC = embedding_1LC[:, :num_prefix_tokens], embedding_1LC[:, num_prefix_tokens:]
    patches_1CHW = patches_1LC.float().unflatten(1, old_grid).movedim(-1, 1)
    if rule.offset:
        # Scale factors also change the sample positions, so the result differs from interpolation to the size.
        factors = [(new + rule.offset) / old for new, old in zip(new_grid, old_grid, strict=True)]
        patches_1CHW = F.interpolate(patches_1CHW, scale_factor=factors, mode="bicubic", antialias=rule.antialias)
    else:
        patches_1CHW = F.interpolate(patches_1CHW, size=new_grid, mode="bicubic", antialias=rule.antialias)
    patches_1LC = patches_1CHW.flatten(2).transpose(1, 2).to(embedding_1LC.dtype)
    return torch.cat([prefix_1LC, patches_1LC], dim=1)


def _interpolate_by_matrices(
    embedding_1LC: Tensor,
    old_grid: tuple[int, int],
    new_grid: tuple[int, int],
    num_prefix_tokens: int,
    rule: InterpolationRule,
) -> Tensor:
    """Interpolate as above, to a grid that need not be known when the network is exported.

    An exporter writes the scale factors of `torch.nn.functional.interpolate` as constants, and ONNX knows another
    cubic filter for antialiasing than torch.
    """
    prefix_1LC, patches_1LC = embedding_1LC[:, :num_prefix_tokens], embedding_1LC[:, num_prefix_tokens:]
    patches_hwC = patches_1LC.float().unflatten(1, old_grid).squeeze(0)
    pixels = [torch.arange(size, device=embedding_1LC.device).float() for size in new_grid]
    sizes = [torch.ones_like(pixels_y).sum() for pixels_y in pixels]
    is_same = (sizes[0] == old_grid[0]) & (sizes[1] == old_grid[1])
    rows_yh, columns_xw = (
        _cubic_weights(pixels_y, torch.where(is_same, 1.0, old / (size + rule.offset)), old, rule.antialias)
        for pixels_y, size, old in zip(pixels, sizes, old_grid, strict=True)
    )
    patches_yxC = columns_xw @ torch.einsum("yh,hwc->ywc", rows_yh, patches_hwC)
    return torch.cat([prefix_1LC, patches_yxC.flatten(0, 1)[None].to(embedding_1LC.dtype)], dim=1)


def _cubic_weights(pixels_y: Tensor, step: Tensor, old: int, antialias: bool) -> Tensor:
    """Compute the weights of torch's bicubic interpolation along one axis, (y, h).

    Args:
        pixels_y: The pixels of the new axis.
        step: Old pixels a new one, a scalar.
        old: Pixels of the old axis.
        antialias: As in ``torch.nn.functional.interpolate``.
    """
    old_h = torch.arange(old, device=pixels_y.device).float()
    middles_y1 = ((pixels_y + 0.5) * step)[:, None]
    if antialias:
        width = step.clamp(min=1)
        first = (middles_y1 - 2 * width + 0.5).floor().clamp(min=0)
        last = (middles_y1 + 2 * width + 0.5).floor().clamp(max=old)
        weights_yh = _cubic_filter((old_h - middles_y1 + 0.5) / width, a=-0.5) * ((old_h >= first) & (old_h < last))
        return weights_yh / weights_yh.sum(1, keepdim=True)
    places_y1 = middles_y1 - 0.5
    weights_yh = torch.zeros_like(places_y1 + old_h)
    for tap in (-1, 0, 1, 2):
        taken_y1 = places_y1.floor() + tap
        weights_yh = weights_yh + _cubic_filter(places_y1 - taken_y1, a=-0.75) * (
            taken_y1.clamp(0, old - 1) == old_h  # beyond the edge, the pixel at the edge
        )
    return weights_yh


def _cubic_filter(distance: Tensor, a: float) -> Tensor:
    """Keys' cubic convolution filter."""
    x = distance.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))
