"""Interpolates learned position embeddings to another grid.

Shape suffixes: L tokens, C channels.
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
