"""DINO v1, DINOv2 (with or without registers) and DINOv3 on timm's networks, as backbones exact to the official models.

Shape suffixes: N batch, C channels, H height, W width, h w height and width in patches, L tokens.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from timm.models.convnext import ConvNeXt
from timm.models.eva import Eva
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recompute

from mmseg_ext.errors import UserError
from mmseg_ext.models.backbones.dino_architectures import create_network, find_architecture
from mmseg_ext.models.backbones.dino_formats import check_complete, find_backbone, has_class_position, to_timm
from mmseg_ext.models.backbones.low_rank_adaptation import adapt_blocks
from mmseg_ext.models.backbones.position_embedding import OFFICIAL_RULES, TIMM_RULE, interpolate_position_embedding
from mmseg_ext.models.backbones.trained_state import TrainedStateMixin, weights_digest
from mmseg_ext.models.backbones.weight_files import read_weights
from mmseg_ext.registry import MODELS

PADS = ("center", "corner", None)
TIMM_DOWNLOAD = "timm"


@MODELS.register_module()
class DINO(TrainedStateMixin):
    """A DINO backbone for any mmseg head.

    Args:
        arch: dino_vit{s,b}{16,8}, dinov2_vit{s,b,l,g}14[_reg], dinov3_vit{s,splus,b,l,hplus,7b}16,
            dinov3_convnext_{tiny,small,base,large}, or any plain vision transformer of timm by its name.
        checkpoint: Pretrained weights: a file or folder in the official, Hugging Face's, timm's or this package's own
            format, an http address, 'timm' for timm's download, or None for random weights.
        out_indices: Which blocks (ConvNeXt: stages) to return, counted from 0 in rising order; negative from the end.
        norm: Apply the network's final norm to every output (ConvNeXt: to the last stage, the only one that has one).
        frozen: True: nothing is trained, evaluation mode for good, no activations kept. A number k: so for the first k
            blocks and all before them. False: everything is trained. With `lora` the network's own weights are frozen
            in any case, and k blocks get no adaptation.
        pad: Where to pad with zeros if height or width is no multiple of the patch (ConvNeXt: of 32): 'center' all
            around, 'corner' below and to the right; None makes it an error.
        pos_interp: 'official' interpolates learned position embeddings as the release of `arch` does, 'timm' as timm.
        drop_path_rate: Stochastic depth of the last block; it rises linearly from the first.
        with_cp: Recompute activations of trained blocks in the backward pass instead of keeping them.
        lora: rank, alpha and targets of a low-rank adaptation of every block, see
            :func:`~mmseg_ext.models.backbones.low_rank_adaptation.adapt_blocks`.
        arch_overrides: Arguments for timm's network over its own, for example embed_dim, depth and num_heads.
        init_cfg: For mmengine's sake; must be None.

    Raises:
        UserError: An argument is out of range, or the weights are not exactly those of the network.

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
        checkpoint: str | None = None,
        out_indices: int | Sequence[int] = -1,
        norm: bool = True,
        frozen: bool | int = True,
        pad: str | None = "center",
        pos_interp: str = "official",
        drop_path_rate: float = 0.0,
        with_cp: bool = False,
        lora: Mapping[str, Any] | None = None,
        arch_overrides: Mapping[str, Any] | None = None,
        init_cfg: None = None,
    ) -> None:
        super().__init__()
        if pad not in PADS:
            raise UserError(f"Expected `pad` to be 'center', 'corner' or None, got {pad!r}.")
        if pos_interp not in ("official", "timm"):
            raise UserError(f"Expected `pos_interp` to be 'official' or 'timm', got {pos_interp!r}.")
        if init_cfg is not None:
            raise UserError(f"Expected the backbone's weights to be named by `checkpoint`, got init_cfg={init_cfg!r}.")
        self.arch, self.pad = arch, pad
        architecture = find_architecture(arch)
        official = OFFICIAL_RULES.get(architecture.family)
        self.rule = official if official is not None and pos_interp == "official" else TIMM_RULE
        self.network: Any = create_network(  # its classes differ in what they have
            architecture, arch_overrides or {}, drop_path_rate, pretrained=checkpoint == TIMM_DOWNLOAD
        )
        self.is_convnext = isinstance(self.network, ConvNeXt)
        keep_rope_periods(self.network)
        self.out_indices = self._checked_indices(out_indices)
        if checkpoint is not None:
            if checkpoint != TIMM_DOWNLOAD:
                self._load(checkpoint)
            self._pretrained_digest = weights_digest(self.network.state_dict().values())
        self._remove_unused(norm)
        self.num_frozen, self.all_frozen = self._freeze(frozen, lora)
        self.with_cp = with_cp
        ignored = {"drop_path_rate": drop_path_rate > 0, "with_cp": with_cp}
        if checkpoint is None and self.all_frozen:
            print_log(
                f"DINO: {arch} is frozen at random weights, of little use beyond a test. Name pretrained ones: "
                "--cfg-options model.backbone.checkpoint=timm, or =FILE.",
                "current",
                logging.WARNING,
            )
        if self.all_frozen and any(ignored.values()):
            names = " and ".join(name for name, is_set in ignored.items() if is_set)
            print_log(f"DINO: {names} has no effect on a frozen backbone.", "current", logging.WARNING)

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """The transformer blocks, or the stages of a ConvNeXt, down to the last one that is used."""
        return self.network.stages if self.is_convnext else self.network.blocks

    @property
    def stride(self) -> int:
        """Pixels, along either side, that the coarsest feature stands for: the patch size; 32 for a ConvNeXt."""
        return self.network.feature_info[len(self.blocks) - 1]["reduction"]

    @property
    def out_channels(self) -> tuple[int, ...]:
        """The number of channels of each output."""
        return tuple(self.network.feature_info[index]["num_chs"] for index in self.out_indices)

    def init_weights(self) -> None:
        """Do nothing: the weights are in place, and timm's own initialisation would overwrite them."""

    def train(self, mode: bool = True) -> "DINO":
        """Set the mode; what is frozen stays in evaluation mode."""
        super().train(mode)
        if self.all_frozen:
            self.network.eval()
        elif self.num_frozen:
            for part in self._parts_before(self.num_frozen):
                part.eval()
        return self

    def forward(self, images_NCHW: Tensor) -> tuple[Tensor, ...]:
        """Compute the features of each requested layer.

        Args:
            images_NCHW: Normalised images, float.

        Returns:
            For each of `out_indices` a tensor (N, C, ceil(H / patch), ceil(W / patch)); for a stage of a ConvNeXt the
            padded height and width over the stage's stride.

        Raises:
            UserError: Height or width is no multiple of the patch, and `pad` is None.
        """
        images_NCHW = self._padded(images_NCHW)
        if self.all_frozen:
            with torch.no_grad():
                return self._features(images_NCHW)
        return self._features(images_NCHW)

    def _features(self, images_NCHW: Tensor) -> tuple[Tensor, ...]:
        with_grad = torch.is_grad_enabled()
        with torch.set_grad_enabled(with_grad and not self.num_frozen):
            x, rope, grid = self._embed(images_NCHW)
        outputs = []
        for index, block in enumerate(self.blocks):
            with torch.set_grad_enabled(with_grad and index >= self.num_frozen):
                x = self._run_block(block, x, None if rope is None else rope[index])
            if index in self.out_indices:
                outputs.append(self._output(x, index, grid))
        return tuple(outputs)

    def _embed(self, images_NCHW: Tensor) -> tuple[Tensor, Sequence[Tensor] | None, tuple[int, int]]:
        """Go from the images to what enters the first block: tokens or a feature map, rotations of each block, grid."""
        network = self.network
        if self.is_convnext:
            return network.stem(images_NCHW), None, (0, 0)
        patches_NhwC = network.patch_embed(images_NCHW)
        grid = (patches_NhwC.shape[1], patches_NhwC.shape[2])
        rope: Any = None
        if isinstance(network, Eva):
            tokens_NLC, rope = network._pos_embed(patches_NhwC)
            if rope is not None and not network.rope_mixed:
                rope = [rope] * len(self.blocks)
        elif network.pos_embed is None:
            tokens_NLC = network._pos_embed(patches_NhwC)
        else:
            tokens_NLC = self._with_positions(patches_NhwC, grid)
        return network.norm_pre(tokens_NLC), rope, grid

    def _with_positions(self, patches_NhwC: Tensor, grid: tuple[int, int]) -> Tensor:
        """Put class and register tokens before the patches, and add the position embedding of this grid."""
        network = self.network
        position_1LC = interpolate_position_embedding(
            network.pos_embed,
            network.patch_embed.grid_size,
            grid,
            0 if network.no_embed_class else network.num_prefix_tokens,
            self.rule,
        )
        tokens_NLC = patches_NhwC.flatten(1, 2)
        if network.no_embed_class:
            tokens_NLC = tokens_NLC + position_1LC
        prefix = [token for token in (network.cls_token, network.reg_token) if token is not None]
        if prefix:
            tokens_NLC = torch.cat([token.expand(len(tokens_NLC), -1, -1) for token in prefix] + [tokens_NLC], dim=1)
        if not network.no_embed_class:
            tokens_NLC = tokens_NLC + position_1LC
        return network.pos_drop(tokens_NLC)

    def _run_block(self, block: nn.Module, x: Tensor, rope: Tensor | None) -> Tensor:
        arguments = {} if rope is None else {"rope": rope}
        if self.with_cp and self.training and torch.is_grad_enabled():
            return recompute(block, x, use_reentrant=False, **arguments)  # type: ignore[call-overload]
        return block(x, **arguments)

    def _output(self, x: Tensor, index: int, grid: tuple[int, int]) -> Tensor:
        network = self.network
        if self.is_convnext:
            return network.head.norm(x) if index == len(network.feature_info) - 1 else x
        patches_NLC = network.norm(x[:, network.num_prefix_tokens :])
        return patches_NLC.unflatten(1, grid).movedim(-1, 1).contiguous()

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

    def _load(self, source: str) -> None:
        """Load pretrained weights of any format into the whole network, and say in the log which it was."""
        network = self.network
        weights, name = to_timm(find_backbone(read_weights(source), source), network)
        self._fit_grid(weights.get("pos_embed"))
        expected = {key: value.shape for key, value in network.state_dict().items()}
        kind = "stages" if self.is_convnext else "blocks"
        beyond = tuple(f"{kind}.{index}." for index in range(self.out_indices[-1] + 1, len(self.blocks)))
        optional = {key for key in expected if key.startswith(beyond)} | {"rope.periods"}
        check_complete(weights, expected, optional, f"the weights of {self.arch} in {source} (format: {name})")
        network.load_state_dict(weights, strict=False)
        print_log(f"DINO: {self.arch} took {len(weights)} tensors from {source} (format: {name}).", "current")

    def _fit_grid(self, position_1LC: Tensor | None) -> None:
        """Let the network's position embedding have the grid of the file's; other grids are interpolated from it."""
        network = self.network
        if position_1LC is None or getattr(network, "pos_embed", None) is None:
            return
        side = int((position_1LC.shape[1] - has_class_position(position_1LC)) ** 0.5)
        if network.patch_embed.grid_size != (side, side):
            height, width = network.patch_embed.patch_size
            network.set_input_size(img_size=(side * height, side * width))

    def _remove_unused(self, norm: bool) -> None:
        """Drop what no output depends on: later blocks, classifiers, the norm where it is not wanted."""
        network, kept = self.network, self.out_indices[-1] + 1
        if self.is_convnext:
            last_stage = kept == len(network.stages)
            network.stages = network.stages[:kept]
            network.norm_pre = nn.Identity()
            network.head = nn.ModuleDict({"norm": network.head.norm if norm and last_stage else nn.Identity()})
            return
        network.blocks = network.blocks[:kept]
        network.attn_pool, network.fc_norm = None, nn.Identity()
        if not norm:
            network.norm = nn.Identity()

    def _freeze(self, frozen: bool | int, lora: Mapping[str, Any] | None) -> tuple[int, bool]:
        """Freeze what is not to be trained.

        Returns:
            The number of blocks at the front that need no gradient, and whether nothing does.
        """
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
            count = adapt_blocks(list(self.blocks)[num_frozen:], lora)
            print_log(f"DINO: {count} layers of {self.arch} are adapted by low rank.", "current")
            return num_frozen, False
        if frozen is True:
            self.network.requires_grad_(False)
            return depth, True
        if frozen:
            for part in self._parts_before(frozen):
                part.requires_grad_(False)
            for name, parameter in self.network.named_parameters(recurse=False):
                parameter.requires_grad_(name not in ("cls_token", "reg_token", "pos_embed"))
        return int(frozen), False

    def _parts_before(self, num_blocks: int) -> list[nn.Module]:
        network = self.network
        if self.is_convnext:
            return [network.stem, *self.blocks[:num_blocks]]
        rope = [network.rope] if getattr(network, "rope", None) is not None else []
        return [network.patch_embed, network.pos_drop, network.norm_pre, *rope, *self.blocks[:num_blocks]]


def keep_rope_periods(network: nn.Module) -> None:
    """Let DINOv3's rotation periods be part of the state: official files hold them, rounded to bfloat16."""
    rope = getattr(network, "rope", None)
    if rope is not None and "periods" in rope._buffers:
        rope._non_persistent_buffers_set.discard("periods")
