"""Vision transformers as networks of DINO.

Shape suffixes: N batch, C channels, H height, W width, h w height and width in patches, L tokens.
"""

from collections.abc import Sequence

import torch
from timm.layers import resample_patch_embed
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from mmseg_ext.models.backbones.dino_network import DINONetwork, Embedding
from mmseg_ext.models.backbones.dino_vit_weights import (
    convert_eva,
    convert_vision_transformer,
    fold_class_position,
    has_class_position,
)
from mmseg_ext.models.backbones.position_embedding import InterpolationRule, interpolate_position_embedding

PATCH_KERNEL = "patch_embed.proj.weight"


class DINOViT(DINONetwork):
    """Adapter for timm's vision transformers.

    Args:
        network: A VisionTransformer, or an Eva, timm's class for DINOv3's rotary position embedding.
        rule: How learned position embeddings of a VisionTransformer are interpolated.
        resample_patches: Whether a patch embedding of another patch size is resampled to that of the network.
    """

    blocks_name = "blocks"
    takes_queries = True
    network: VisionTransformer | Eva

    def __init__(
        self, network: VisionTransformer | Eva, rule: InterpolationRule, resample_patches: bool = False
    ) -> None:
        super().__init__(network)
        self.rule, self.resample_patches = rule, resample_patches
        if isinstance(network.norm, nn.Identity):
            # Networks that average all patches have their last norm behind the average.
            network.norm, network.fc_norm = network.fc_norm, nn.Identity()
        if self.rope is not None and "periods" in self.rope._buffers:
            # Official files of DINOv3 hold the periods, rounded to bfloat16: they belong to the state.
            self.rope._non_persistent_buffers_set.discard("periods")

    @property
    def rope(self) -> nn.Module | None:
        """The rotary position embedding, None if the network has none."""
        return getattr(self.network, "rope", None)

    @property
    def stem(self) -> list[nn.Module]:
        """The modules before the first block."""
        network = self.network
        rope = [] if self.rope is None else [self.rope]
        return [network.patch_embed, network.pos_drop, network.norm_pre, *rope]

    def embed(self, images_NCHW: Tensor) -> Embedding:
        """Compute the tokens, with their position embedding."""
        network = self.network
        patches_NhwC = network.patch_embed(images_NCHW)
        grid = (patches_NhwC.shape[1], patches_NhwC.shape[2])
        block_arguments: list[dict[str, Tensor]] = [{} for _ in self.blocks]
        if isinstance(network, Eva):
            tokens_NLC, rope = network._pos_embed(patches_NhwC)
            if rope is not None:
                for index, arguments in enumerate(block_arguments):
                    arguments["rope"] = rope[index] if network.rope_mixed else rope
        elif network.pos_embed is None:
            tokens_NLC = network._pos_embed(patches_NhwC)
        else:
            tokens_NLC = self._add_positions(network, network.pos_embed, patches_NhwC)
        return Embedding(network.norm_pre(tokens_NLC), grid, block_arguments)

    def _add_positions(self, network: VisionTransformer, position_1LC: Tensor, patches_NhwC: Tensor) -> Tensor:
        """Put class and register tokens before the patches, and add the interpolated position embedding."""
        position_1LC = interpolate_position_embedding(
            position_1LC,
            network.patch_embed.grid_size,
            (patches_NhwC.shape[1], patches_NhwC.shape[2]),
            0 if network.no_embed_class else network.num_prefix_tokens,
            self.rule,
        )
        tokens_NLC = patches_NhwC.flatten(1, 2)
        if network.no_embed_class:
            tokens_NLC = tokens_NLC + position_1LC
        prefix = [token for token in (network.cls_token, network.reg_token) if token is not None]
        tokens_NLC = torch.cat([token.expand(len(tokens_NLC), -1, -1) for token in prefix] + [tokens_NLC], dim=1)
        if not network.no_embed_class:
            tokens_NLC = tokens_NLC + position_1LC
        return network.pos_drop(tokens_NLC)

    def arguments_of_longer(
        self, block_arguments: Sequence[dict[str, Tensor]], num_added: int
    ) -> Sequence[dict[str, Tensor]]:
        """Extend the rotations by rotations of zero; other networks have no arguments."""
        ropes = [arguments["rope"] for arguments in block_arguments if "rope" in arguments]
        if not ropes:
            return block_arguments
        if isinstance(self.network, Eva) and self.network.rope_mixed:
            return [{"rope": extend_rotations(rope, num_added)} for rope in ropes]
        return [{"rope": extend_rotations(ropes[0], num_added)}] * len(ropes)

    def output(self, features: Tensor, index: int, grid: tuple[int, int]) -> Tensor:
        """Return the patches as a map, with the final norm."""
        patches_NLC = self.network.norm(features[:, self.network.num_prefix_tokens :])
        return patches_NLC.unflatten(1, grid).movedim(-1, 1).contiguous()

    def prefix(self, features: Tensor) -> Tensor:
        """Return the class and register tokens, with the final norm."""
        return self.network.norm(features[:, : self.network.num_prefix_tokens]).mT.unsqueeze(2)

    def remove_unused(self, num_blocks: int, norm: bool) -> None:
        """Remove later blocks, pooling and, without `norm`, the final norm."""
        self.keep_blocks(num_blocks)
        self.network.attn_pool = None  # type: ignore[assignment]
        self.network.fc_norm = nn.Identity()
        if not norm:
            self.network.norm = nn.Identity()

    def convert(self, weights: dict[str, Tensor]) -> None:
        """Write attention, gates and layer scale in timm's way; fit the network's grid to that of the weights."""
        network = self.network
        kernel_CIhw = weights.get(PATCH_KERNEL)
        if self.resample_patches and kernel_CIhw is not None and kernel_CIhw.ndim == 4:
            weights[PATCH_KERNEL] = resample_patch_embed(kernel_CIhw, list(network.patch_embed.patch_size))
        if isinstance(network, Eva):
            convert_eva(weights, has_bias=getattr(network.blocks[0].attn, "q_bias", None) is not None)
        else:
            convert_vision_transformer(weights)
        if network.no_embed_class:
            fold_class_position(weights)
        position_1LC = weights.get("pos_embed")
        if position_1LC is None or network.pos_embed is None:
            return
        side = int((position_1LC.shape[1] - has_class_position(position_1LC)) ** 0.5)
        if network.patch_embed.grid_size != (side, side):
            height, width = network.patch_embed.patch_size
            network.set_input_size(img_size=(side * height, side * width))


def extend_rotations(rope_LC: Tensor, num_added: int) -> Tensor:
    """Append rotations by zero to timm's rotations (…, L, C), sines in the first half and cosines in the second."""
    added_LC = rope_LC.new_zeros(*rope_LC.shape[:-2], num_added, rope_LC.shape[-1])
    added_LC[..., rope_LC.shape[-1] // 2 :] = 1
    return torch.cat([rope_LC, added_LC], dim=-2)
