"""Learning rates that fall from the head to the first layer of a vision transformer."""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Annotated, Any, Literal

from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from mmseg_ext.arguments import PositiveInt, Rule, checked
from mmseg_ext.errors import UserError
from mmseg_ext.registry import OPTIM_WRAPPER_CONSTRUCTORS

_BACKBONE = r"^backbone\.(?:network\.|vit\.|timm_model\.)?"
# DINO on timm: network.blocks.N, a ConvNeXt: network.stages.N; mmseg's own transformers: layers.N.
LAYER = re.compile(_BACKBONE + r"(?:blocks|layers|stages)\.(\d+)\.")
# What a stage begins with or holds outside of its blocks: mmpretrain's ConvNeXt, Twins. The first is the embedding.
STAGE_START = re.compile(_BACKBONE + r"(?:downsample_layers|patch_embeds)\.(\d+)\.")
STAGE_PART = re.compile(_BACKBONE + r"position_encodings\.(\d+)\.")
EMBEDDING = re.compile(
    _BACKBONE + r"(?:patch_embed|norm_pre|ln_pre|pre_norm|stem|(?:cls|reg|mask|dist)_token|(?:absolute_)?pos_embed)\b"
)
NORM = re.compile(_BACKBONE + r"(?:head\.)?(?:norms?|norm_list|ln|fc_norm|post_norm|ln_post)_?\d*\.")
NO_DECAY = re.compile(r"\b(?:(?:cls|reg|mask|dist)_token|(?:absolute_)?pos_embed|relative_position_bias_table)\b")
CONVNEXT_BLOCK = re.compile(_BACKBONE + r"stages\.(\d+)\.(\d+)\.")

DecayType = Literal["layer_wise", "layer_wise_vit", "stage_wise"]


def layer_of(name: str, num_layers: int, decay_type: str = "layer_wise") -> int:
    """Find the layer that a parameter belongs to.

    Args:
        name: In the whole model, for example 'backbone.network.blocks.3.norm1.weight'.
        num_layers: Blocks of the backbone.
        decay_type: With 'stage_wise' every downsampling layer is an embedding, as in mmseg.

    Returns:
        0 for the embeddings, N + 1 for block or stage N with what leads to it, `num_layers` + 1 for the norms behind
        the blocks and for what is not the backbone's.

    Raises:
        UserError: The parameter is the backbone's, and none of these.
    """
    if match := LAYER.match(name) or STAGE_PART.match(name):
        return int(match[1]) + 1
    if match := STAGE_START.match(name):
        stage = int(match[1])
        return 0 if stage == 0 or decay_type == "stage_wise" else stage + 1
    if EMBEDDING.match(name):
        return 0
    if name.startswith("backbone.") and not NORM.match(name):
        raise UserError(
            f"Expected a backbone of numbered blocks, embeddings and norms for layer-wise learning-rate decay, got the "
            f"parameter {name}. Use the default constructor."
        )
    return num_layers + 1


def convnext_layer_of(name: str, num_layers: int) -> int:
    """Find the layer of a parameter of mmpretrain's ConvNeXt as mmseg does: three blocks of the long stage are a layer.

    Args:
        name: In the whole model.
        num_layers: 12, for a ConvNeXt of 27 blocks in its third stage, or 6 for one of 9.
    """
    stages = (1, 2, 3, num_layers)
    if match := CONVNEXT_BLOCK.match(name):
        stage, block = int(match[1]), int(match[2])
        return stages[stage] + (block // 3 if stage == 2 else 0)
    if match := STAGE_START.match(name):
        return (0, 2, 3, num_layers)[int(match[1])]
    return layer_of(name, num_layers)


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
def _read_settings(
    decay_rate: DecayRate | None = None,
    layer_decay_rate: DecayRate | None = None,
    num_layers: PositiveInt | None = None,
    decay_type: DecayType = "layer_wise",
) -> dict[str, Any]:
    """Check `paramwise_cfg`, and join the two names of the decay rate."""
    if decay_rate is not None and layer_decay_rate is not None:
        raise UserError("Expected one of decay_rate and layer_decay_rate in `paramwise_cfg`, got both.")
    return {"decay_rate": decay_rate or layer_decay_rate or 0.8, "num_layers": num_layers, "decay_type": decay_type}


def find_layers(
    names: list[str], trained: list[str], num_layers: int | None, decay_type: str
) -> tuple[dict[str, int], int]:
    """Find the layer of every trained parameter of a model.

    Args:
        names: Of all parameters; the blocks are counted from them.
        trained: Of those that are trained.
        num_layers: mmseg's setting; None to count the blocks.
        decay_type: One of `DecayType`.

    Returns:
        The layers of the trained ones by name, and the layer of the head, whose learning rate is the optimizer's.

    Raises:
        UserError: The backbone has another number of blocks than `num_layers`, or trained parameters of no layer.
    """
    counted = count_layers(names)
    stage_wise = decay_type == "stage_wise"
    is_convnext = any(map(CONVNEXT_BLOCK.match, names)) and any(map(STAGE_START.match, names))
    if is_convnext and num_layers is not None and not stage_wise:
        return {name: convnext_layer_of(name, num_layers) for name in trained}, num_layers + 1
    if num_layers is None:
        num_layers = counted
    elif num_layers < counted or (num_layers > counted and not stage_wise):
        raise UserError(
            f"Expected `num_layers` to be the number of the backbone's blocks, {counted}, got {num_layers}. Leave it "
            "out: they are counted."
        )
    return {name: layer_of(name, num_layers, decay_type) for name in trained}, num_layers + 1


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Multiplies the learning rate of layer i of a backbone of n blocks by ``decay_rate ** (n + 1 - i)``.

    Layer 0 is the embeddings, layer i the block i - 1; the backbone's last norm and the heads are layer n + 1, whose
    learning rate is the optimizer's. Norms, biases, layer scales, position embeddings and tokens have no weight decay.
    Frozen parameters are left out.

    The settings of mmseg's LearningRateDecayOptimizerConstructor and LayerDecayOptimizerConstructor give the learning
    rates of these.

    Args:
        optim_wrapper_cfg: As for every constructor; the optimizer needs `lr`.
        paramwise_cfg: decay_rate, above 0 and at most 1 (0.8), also by its older name layer_decay_rate. num_layers, the
            number of blocks, which are counted where it is not given; for mmpretrain's ConvNeXt 6 or 12, and three
            blocks of its third stage are then a layer. decay_type: 'layer_wise', 'layer_wise_vit' (the same) or
            'stage_wise', where a ConvNeXt's layers are its stages.

    Raises:
        UserError: A setting is wrong, or the backbone has trained parameters that are no block, embedding or norm.

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
        settings = self.paramwise_cfg
        names = [name for name, _parameter in module.named_parameters()]
        trained = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
        layers, head_layer = find_layers(names, list(trained), settings["num_layers"], settings["decay_type"])
        groups: dict[tuple[int, bool], dict[str, Any]] = {}
        for name, parameter in trained.items():
            layer = layers[name]
            with_decay = parameter.ndim > 1 and not NO_DECAY.search(name)
            scale = settings["decay_rate"] ** (head_layer - layer)
            group = groups.setdefault(
                (layer, with_decay), {"params": [], "param_names": [], "lr_scale": scale, "lr": self.base_lr * scale}
            )
            if not with_decay:
                group["weight_decay"] = 0.0
            group["params"].append(parameter)
            group["param_names"].append(name)
        params.extend(group for _key, group in sorted(groups.items()))
