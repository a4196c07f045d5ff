"""DINO v1, DINOv2 (with or without registers) and DINOv3 as backbones: timm's networks, equal to the official models.

Shape suffixes: N batch, C channels, H height, W width, h w height and width in patches, L tokens.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Literal

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recompute

from mmseg_ext.arguments import Fraction, NonNegativeInt, StrPath
from mmseg_ext.errors import UserError
from mmseg_ext.models.backbones.dino_architectures import create_network, find_architecture
from mmseg_ext.models.backbones.dino_formats import check_complete, find_backbone, to_timm
from mmseg_ext.models.backbones.intermediate_tokens import Block, IntermediateTokens
from mmseg_ext.models.backbones.low_rank_adaptation import adapt_blocks
from mmseg_ext.models.backbones.satellite_weights import hold_satellite_weights, names_satellite_weights
from mmseg_ext.models.backbones.trained_state import TrainedStateMixin, weights_digest
from mmseg_ext.models.backbones.weight_files import read_weights
from mmseg_ext.registry import MODELS

TIMM_DOWNLOAD = "timm"


@MODELS.register_module()
class DINO(TrainedStateMixin):
    """A DINO backbone for any mmseg head.

    Args:
        arch: dino_vit{s,b}{16,8}, dinov2_vit{s,b,l,g}14[_reg], dinov3_vit{s,splus,b,l,lplus,hplus,7b}16 (also by the
            hub's names dinov3_vit{s,l,h}16plus), dinov3_convnext_{tiny,small,base,large}, or any plain vision
            transformer of timm by its name.
        checkpoint: Pretrained weights: a file or folder in the official, Hugging Face's, timm's or this package's own
            format, an http address, 'timm' for timm's download, or None for random weights.
        out_indices: Indices of the blocks (ConvNeXt: stages) to return, in increasing order; negative from the end.
        norm: Apply the network's final norm to every output (ConvNeXt: to the last stage only).
        frozen: True: nothing is trained; the network stays in evaluation mode, and no activations are stored. A number
            k: the same for the first k blocks and everything before them. False: everything is trained. With `lora`
            the network's own weights are always frozen, and the first k blocks have no adaptation.
        pad: Padding with zeros of images whose height or width is no multiple of the patch size (ConvNeXt: of 32):
            'center' on all sides, 'corner' at the bottom and right; with None such images are an error.
        pos_interp: 'official' interpolates learned position embeddings as the release of `arch` does, 'timm' as timm.
        drop_path_rate: Rate of stochastic depth of the last block; it increases linearly from 0 at the first.
        with_cp: Recompute the activations of trained blocks in the backward pass instead of storing them.
        lora: `rank`, `alpha` and `targets` of a low-rank adaptation of every block, see
            :func:`~mmseg_ext.models.backbones.low_rank_adaptation.adapt_blocks`.
        arch_overrides: Arguments that override those of timm's network, for example embed_dim, depth and num_heads. To
            a `patch_size` the patch embedding of the weights is resampled.
        prefix_tokens: Return the class and register tokens of each layer as well, behind all maps.
        query_blocks: Number of last blocks that the head runs, with its queries among the tokens, as EoMT does. The
            only output is then :class:`IntermediateTokens`. Gradients pass through these blocks, frozen or not.
        init_cfg: Must be None; mmengine passes it.

    Raises:
        UserError: An argument is out of range, or the weights do not match the network exactly.

    Reference:
        Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021. Oquab et al., DINOv2,
        TMLR 2024. Darcet et al., Vision Transformers Need Registers, ICLR 2024. Siméoni et al., DINOv3, 2025.

    Example:
        >>> tiny = dict(embed_dim=32, depth=2, num_heads=2)
        >>> backbone = DINO('dinov2_vits14', out_indices=(0, 1), frozen=False, arch_overrides=tiny)
        >>> [tuple(features.shape) for features in backbone(torch.zeros(1, 3, 30, 42))]
        [(1, 32, 3, 3), (1, 32, 3, 3)]
    """

    def __init__(
        self,
        arch: str,
        checkpoint: StrPath | None = None,
        out_indices: int | Sequence[int] = -1,
        norm: bool = True,
        frozen: bool | int = True,
        pad: Literal["center", "corner"] | None = "center",
        pos_interp: Literal["official", "timm"] = "official",
        drop_path_rate: Fraction = 0.0,
        with_cp: bool = False,
        lora: Mapping[str, Any] | None = None,
        arch_overrides: Mapping[str, Any] | None = None,
        prefix_tokens: bool = False,
        query_blocks: NonNegativeInt = 0,
        init_cfg: None = None,
    ) -> None:
        super().__init__()
        if init_cfg is not None:
            raise UserError(f"Expected the backbone's weights to be named by `checkpoint`, got init_cfg={init_cfg!r}.")
        self.arch, self.pad, self.with_cp = arch, pad, with_cp
        self.adapter = create_network(
            find_architecture(arch), arch_overrides or {}, drop_path_rate, checkpoint == TIMM_DOWNLOAD, pos_interp
        )
        self.network: nn.Module = self.adapter.network
        self.has_satellite_weights = checkpoint == TIMM_DOWNLOAD and names_satellite_weights(arch)
        self.out_indices = self._checked_indices(out_indices)
        self.query_blocks = self._checked_query_blocks(query_blocks)
        self.prefix_tokens = self._checked_prefix_tokens(prefix_tokens)
        if checkpoint is not None:
            if checkpoint != TIMM_DOWNLOAD:
                self._load(str(checkpoint))
            self._pretrained_digest = weights_digest(self.network.state_dict().values())
        self.adapter.remove_unused(self.out_indices[-1] + 1, norm)
        self.num_frozen = self._freeze(frozen, lora)
        self.remember_trained()
        if not self.all_frozen:
            return
        if checkpoint is None:
            print_log(
                f"DINO: {arch} is frozen at random weights, of little use beyond a test. Name pretrained ones: "
                "--cfg-options model.backbone.checkpoint=timm, or =FILE.",
                "current",
                logging.WARNING,
            )
        ignored = [name for name, is_set in (("drop_path_rate", drop_path_rate > 0), ("with_cp", with_cp)) if is_set]
        if ignored:
            print_log(f"DINO: {' and '.join(ignored)} has no effect on a frozen backbone.", "current", logging.WARNING)

    @property
    def blocks(self) -> nn.Sequential | nn.ModuleList:
        """The transformer blocks, or the stages of a ConvNeXt, up to the last one that is used."""
        return self.adapter.blocks

    @property
    def all_frozen(self) -> bool:
        """Whether nothing is trained."""
        return self.num_frozen == len(self.blocks)

    @property
    def stride(self) -> int:
        """Stride of the coarsest feature map in pixels: the patch size; 32 for a ConvNeXt with all stages."""
        return self.adapter.feature_info[len(self.blocks) - 1]["reduction"]

    @property
    def out_channels(self) -> tuple[int, ...]:
        """The number of channels of each output."""
        return tuple(self.adapter.feature_info[index]["num_chs"] for index in self.out_indices)

    def init_weights(self) -> None:
        """Do nothing: the weights are already loaded or initialised."""

    def train(self, mode: bool = True) -> "DINO":
        """Set the mode; frozen modules stay in evaluation mode."""
        super().train(mode)
        for part in self._frozen_parts(self.num_frozen):
            part.eval()
        return self

    def _frozen_parts(self, num_frozen: int) -> list[nn.Module]:
        """List the modules of the first `num_frozen` blocks and everything before them."""
        if num_frozen == len(self.blocks):
            return [self.network]
        return [*self.adapter.stem, *self.blocks[:num_frozen]] if num_frozen else []

    def forward(self, images_NCHW: Tensor) -> tuple[Tensor, ...] | tuple[IntermediateTokens]:
        """Compute the features of each requested layer.

        Args:
            images_NCHW: Normalised images, float.

        Returns:
            For each of `out_indices` a tensor (N, C, ceil(H / patch), ceil(W / patch)); for a stage of a ConvNeXt the
            padded height and width divided by the stride of the stage. With `query_blocks` the tokens before these.
            With `prefix_tokens` the maps are followed by a tensor (N, C, 1, tokens) each.

        Raises:
            UserError: Height or width is no multiple of the patch size, and `pad` is None.
        """
        with_grad = torch.is_grad_enabled()
        with torch.set_grad_enabled(with_grad and not self.num_frozen):
            x, grid, block_arguments = self.adapter.embed(self._padded(images_NCHW))
        outputs, prefixes = [], []
        num_run = len(self.blocks) - self.query_blocks
        for index, (block, arguments) in enumerate(islice(zip(self.blocks, block_arguments, strict=True), num_run)):
            with torch.set_grad_enabled(with_grad and index >= self.num_frozen):
                x = self._run_block(block, arguments, x)
            if index in self.out_indices:
                outputs.append(self.adapter.output(x, index, grid))
                if self.prefix_tokens:
                    prefixes.append(self.adapter.prefix(x))
        if not self.query_blocks:
            return (*outputs, *prefixes)
        network: Any = self.network
        blocks_for = partial(self._query_blocks, block_arguments[num_run:])
        return (IntermediateTokens(x, grid, network.num_prefix_tokens, network.norm, blocks_for),)

    def _query_blocks(self, block_arguments: list[dict[str, Tensor]], num_added: int) -> list[Block]:
        """Return the last blocks, for tokens to whose end `num_added` tokens without a position were added."""
        arguments = self.adapter.arguments_of_longer(block_arguments, num_added)
        blocks = list(self.blocks)[-self.query_blocks :]
        return [partial(self._run_block, block, own) for block, own in zip(blocks, arguments, strict=True)]

    def _run_block(
        self, block: nn.Module, arguments: dict[str, Tensor], x: Tensor, attention_mask: Tensor | None = None
    ) -> Tensor:
        if attention_mask is not None:
            arguments = {**arguments, "attn_mask": attention_mask}
        if self.with_cp and self.training and torch.is_grad_enabled():
            return recompute(block, x, use_reentrant=False, **arguments)  # type: ignore[call-overload]
        return block(x, **arguments)

    def _padded(self, images_NCHW: Tensor) -> Tensor:
        height, width = images_NCHW.shape[-2:]
        rows, columns = -height % self.stride, -width % self.stride
        if not rows and not columns:
            return images_NCHW
        if self.pad is None:
            raise UserError(
                f"Expected images whose sides are multiples of {self.stride}, got {height} × {width}. Set pad='center' "
                f"or 'corner' in the backbone, or size_divisor={self.stride} in the data preprocessor."
            )
        top, left = (rows // 2, columns // 2) if self.pad == "center" else (0, 0)
        return F.pad(images_NCHW, (left, columns - left, top, rows - top))

    def _checked_indices(self, out_indices: int | Sequence[int]) -> tuple[int, ...]:
        given = (out_indices,) if isinstance(out_indices, int) else tuple(out_indices)
        depth = len(self.blocks)
        indices = tuple(index + depth if index < 0 else index for index in given)
        if not indices or list(indices) != sorted(set(indices)) or not 0 <= indices[0] <= indices[-1] < depth:
            raise UserError(
                f"Expected `out_indices` in rising order, each one of the {depth} blocks of {self.arch} "
                f"(0 to {depth - 1}), got {out_indices!r}."
            )
        return indices

    def _checked_query_blocks(self, query_blocks: int) -> int:
        depth = self.out_indices[-1] + 1
        if not query_blocks:
            return 0
        if not self.adapter.takes_queries:
            raise UserError(f"Expected a vision transformer for `query_blocks`, got {self.arch}, which has no tokens.")
        if len(self.out_indices) > 1 or query_blocks > depth:
            raise UserError(
                f"Expected `query_blocks` to be at most the {depth} blocks up to a single one of `out_indices`, got "
                f"{query_blocks} and out_indices {self.out_indices}."
            )
        return query_blocks

    def _checked_prefix_tokens(self, prefix_tokens: bool) -> bool:
        if prefix_tokens and not self.adapter.takes_queries:
            raise UserError(f"Expected a vision transformer for `prefix_tokens`, got {self.arch}, which has no tokens.")
        if prefix_tokens and self.query_blocks:
            raise UserError("Expected either `prefix_tokens` or `query_blocks`, got both. Leave `prefix_tokens` out.")
        return prefix_tokens

    def _load(self, source: str) -> None:
        """Load pretrained weights of any format into the whole network, and log the format."""
        backbone = find_backbone(read_weights(source), source)
        self.has_satellite_weights = names_satellite_weights(source) or hold_satellite_weights(backbone)
        weights, name = to_timm(backbone, self.adapter)
        expected = {key: value.shape for key, value in self.network.state_dict().items()}
        unused = range(self.out_indices[-1] + 1, len(self.blocks))
        unused_blocks = tuple(f"{self.adapter.blocks_name}.{index}." for index in unused)
        optional = {key for key in expected if key.startswith(unused_blocks)} | {"rope.periods"}
        check_complete(weights, expected, optional, f"the weights of {self.arch} in {source} (format: {name})")
        self.network.load_state_dict(weights, strict=False)
        print_log(f"DINO: {self.arch} took {len(weights)} tensors from {source} (format: {name}).", "current")

    def _freeze(self, frozen: bool | int, lora: Mapping[str, Any] | None) -> int:
        """Freeze parameters; return the number of first blocks that need no gradient."""
        depth = len(self.blocks)
        if not isinstance(frozen, bool) and not 1 <= frozen < depth:
            raise UserError(
                f"Expected `frozen` to be True, False or a number of blocks from 1 to {depth - 1}, got {frozen!r}."
            )
        if lora is not None:
            if frozen is False:
                raise UserError(
                    "Expected `frozen` to be True or a number of blocks that get no adaptation where `lora` is set, "
                    "got False."
                )
            self.network.requires_grad_(False)
            num_frozen = 0 if frozen is True else frozen
            count = adapt_blocks(self.blocks[num_frozen:], **lora)
            print_log(f"DINO: {count} layers of {self.arch} are adapted by low rank.", "current")
            return num_frozen
        num_frozen = depth if frozen is True else int(frozen)
        if num_frozen:
            for parameter in self.network.parameters(recurse=False):  # tokens and position embedding
                parameter.requires_grad_(False)
        for part in self._frozen_parts(num_frozen):
            part.requires_grad_(False)
        return num_frozen
