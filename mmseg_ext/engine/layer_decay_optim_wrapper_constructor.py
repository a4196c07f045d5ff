"""Learning rates that fall from the head to the first layer of a vision transformer."""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Any

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from mmseg_ext.arguments import Rule, checked
from mmseg_ext.errors import UserError
from mmseg_ext.registry import OPTIM_WRAPPER_CONSTRUCTORS

# DINO on timm: network.blocks.N, a ConvNeXt: network.stages.N; mmseg's own transformers: layers.N.
LAYER = re.compile(r"^backbone\.(?:network\.|vit\.|timm_model\.)?(?:blocks|layers|stages)\.(\d+)\.")
EMBEDDING = re.compile(
    r"^backbone\.(?:network\.|vit\.|timm_model\.)?(?:patch_embed|norm_pre|stem|(?:cls|reg|mask|dist)_token|pos_embed)\b"
)
NO_DECAY = re.compile(r"\b(?:(?:cls|reg|mask|dist)_token|pos_embed|relative_position_bias_table)\b")


def layer_of(name: str, num_layers: int) -> int:
    """Find the layer that a parameter belongs to.

    Args:
        name: In the whole model, for example 'backbone.network.blocks.3.norm1.weight'.
        num_layers: Blocks of the backbone.

    Returns:
        0 for the embeddings, N + 1 for block N, `num_layers` + 1 for all behind the blocks.
    """
    if match := LAYER.match(name):
        return int(match[1]) + 1
    return 0 if EMBEDDING.match(name) else num_layers + 1


def count_layers(names: Iterable[str]) -> int:
    """Count a backbone's blocks from the names of a model's parameters.

    Raises:
        UserError: There are none.
    """
    layers = [int(match[1]) for name in names if (match := LAYER.match(name))]
    if not layers:
        raise UserError(
            "Expected a backbone with numbered blocks (backbone.network.blocks.N of DINO, backbone.layers.N of "
            "mmseg's transformers) for layer-wise learning-rate decay, found none. Use the default constructor."
        )
    return max(layers) + 1


OptimWrapperConfig = Annotated[
    dict, Rule("a dict with an `optimizer`", lambda value: isinstance(value.get("optimizer"), Mapping))
]
DecayRate = Annotated[float, Rule("a number above 0 and at most 1", lambda value: 0 < value <= 1)]


@partial(checked, name="paramwise_cfg")
def _read_settings(decay_rate: DecayRate = 0.8) -> dict[str, float]:
    return {"decay_rate": decay_rate}


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Multiplies the learning rate of layer i of a backbone of n blocks by ``decay_rate ** (n + 1 - i)``.

    Layer 0 is the embeddings, layer i the block i - 1; the backbone's last norm and the heads are layer n + 1, whose
    learning rate is the optimizer's. Norms, biases, layer scales, position embeddings and tokens have no weight decay.
    Frozen parameters are left out.

    Args:
        optim_wrapper_cfg: As for every constructor; the optimizer needs `lr`.
        paramwise_cfg: decay_rate, above 0 and at most 1 (0.8).

    Reference:
        Bao et al., BEiT, ICLR 2022, appendix H.

    Example:
        In a config: ``optim_wrapper = dict(constructor='mmseg_ext.LayerDecayOptimWrapperConstructor',
        paramwise_cfg=dict(decay_rate=0.8), optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.05))``.
    """

    def __init__(self, optim_wrapper_cfg: OptimWrapperConfig, paramwise_cfg: dict[str, Any] | None = None) -> None:
        settings = _read_settings(**(paramwise_cfg or {}))
        super().__init__(optim_wrapper_cfg, settings)
        if self.base_lr is None:
            raise UserError("Expected `lr` in optim_wrapper.optimizer for layer-wise learning-rate decay, found none.")

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, **_: object) -> None:
        """Sort a model's trained parameters into groups of one layer each, with and without weight decay.

        Args:
            params: The groups are appended to it.
            module: The whole model.
            **_: What the default constructor passes when it recurses; this one does not.
        """
        num_layers = count_layers(name for name, _parameter in module.named_parameters())
        groups: dict[tuple[int, bool], dict[str, Any]] = {}
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            layer = layer_of(name, num_layers)
            with_decay = parameter.ndim > 1 and not NO_DECAY.search(name)
            scale = self.paramwise_cfg["decay_rate"] ** (num_layers + 1 - layer)
            group = groups.setdefault(
                (layer, with_decay), {"params": [], "param_names": [], "lr_scale": scale, "lr": self.base_lr * scale}
            )
            if not with_decay:
                group["weight_decay"] = 0.0
            group["params"].append(parameter)
            group["param_names"].append(name)
        params.extend(group for _key, group in sorted(groups.items()))
