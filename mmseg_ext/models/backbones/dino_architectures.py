"""The names of the DINO models, and their networks in timm."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import timm
from timm.models.convnext import ConvNeXt
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer

from mmseg_ext.errors import UserError
from mmseg_ext.models.backbones.dino_conv_next import DINOConvNeXt
from mmseg_ext.models.backbones.dino_network import DINONetwork
from mmseg_ext.models.backbones.dino_vit import DINOViT
from mmseg_ext.models.backbones.position_embedding import OFFICIAL_RULES, TIMM_RULE
from mmseg_ext.stack import explained_download


@dataclass(frozen=True)
class Architecture:
    """A network of timm.

    Args:
        timm_name: Name in timm, with the tag of the weights if timm has any.
        family: 'dino', 'dinov2', 'dinov2_reg', 'dinov3', 'dinov3_convnext', or 'timm' for all other networks.
        overrides: Arguments of timm's network where timm has none of this size, and so no weights.
    """

    timm_name: str
    family: str
    overrides: Mapping[str, int] = field(default_factory=dict)


def _named_architectures() -> dict[str, Architecture]:
    table = {}
    for letter, size in {"s": "small", "b": "base"}.items():
        for patch in (16, 8):
            table[f"dino_vit{letter}{patch}"] = Architecture(f"vit_{size}_patch{patch}_224.dino", "dino")
    for letter, size in {"s": "small", "b": "base", "l": "large", "g": "giant"}.items():
        table[f"dinov2_vit{letter}14"] = Architecture(f"vit_{size}_patch14_dinov2.lvd142m", "dinov2")
        table[f"dinov2_vit{letter}14_reg"] = Architecture(f"vit_{size}_patch14_reg4_dinov2.lvd142m", "dinov2_reg")
    # timm's names without _qkvb drop the bias of query and value, which the official S, S+, B, L and H+ have.
    for name, size in {"s": "small", "splus": "small_plus", "b": "base", "l": "large", "hplus": "huge_plus"}.items():
        table[f"dinov3_vit{name}16"] = Architecture(f"vit_{size}_patch16_dinov3_qkvb.lvd1689m", "dinov3")
    table["dinov3_vitlplus16"] = Architecture(
        "vit_huge_plus_patch16_dinov3_qkvb", "dinov3", {"embed_dim": 1024, "depth": 24, "num_heads": 16}
    )
    for letter in ("s", "l", "h"):  # as the official hub spells them
        table[f"dinov3_vit{letter}16plus"] = table[f"dinov3_vit{letter}plus16"]
    table["dinov3_vit7b16"] = Architecture("vit_7b_patch16_dinov3.lvd1689m", "dinov3")
    for size in ("tiny", "small", "base", "large"):
        name = f"dinov3_convnext_{size}"
        table[name] = Architecture(f"convnext_{size}.dinov3_lvd1689m", "dinov3_convnext")
    return table


ARCHITECTURES = _named_architectures()


def find_architecture(arch: str) -> Architecture:
    """Look up an architecture by its name in this package or in timm.

    Args:
        arch: For example 'dinov2_vitb14', 'dinov3_convnext_tiny' or 'vit_base_patch16_224.mae'.

    Raises:
        UserError: The name is unknown.
    """
    if arch in ARCHITECTURES:
        return ARCHITECTURES[arch]
    if not timm.is_model(arch):
        raise UserError(
            f"Expected `arch` to be one of {', '.join(ARCHITECTURES)}, or a vision transformer of timm by its name, "
            f"got {arch!r}."
        )
    name, _, tag = arch.partition(".")
    if name.startswith("convnext"):
        return Architecture(arch, "dinov3_convnext" if tag.startswith("dinov3") else "timm")
    for mark, family in {"reg4_dinov2": "dinov2_reg", "dinov2": "dinov2", "dinov3": "dinov3"}.items():
        if mark in name:
            return Architecture(arch, family)
    return Architecture(arch, "dino" if tag == "dino" else "timm")


def _hub_name(architecture: Architecture) -> str:
    """Return the repository of timm's weights on the Hugging Face hub.

    Raises:
        UserError: Timm has no weights for it.
    """
    source = timm.get_pretrained_cfg(architecture.timm_name)
    if source is None or not source.hf_hub_id or architecture.overrides:
        size = "".join(f", {name} {value}" for name, value in architecture.overrides.items())
        raise UserError(f"Expected timm to have weights for {architecture.timm_name}{size}, it has none. Name a file.")
    return source.hf_hub_id + (architecture.timm_name if source.hf_hub_id.endswith("/") else "")


def create_network(
    architecture: Architecture, overrides: Mapping[str, Any], drop_path_rate: float, pretrained: bool, pos_interp: str
) -> DINONetwork:
    """Build a network for images of any size, without a classifier.

    Args:
        architecture: From :func:`find_architecture`.
        overrides: Arguments for timm that override its defaults.
        drop_path_rate: Stochastic depth of the last block; it rises linearly from the first.
        pretrained: Let timm download its weights.
        pos_interp: 'official' to interpolate position embeddings as the release does, 'timm' as timm does.

    Raises:
        UserError: The network is neither a vision transformer nor a ConvNeXt, or an override is unknown to timm.
    """
    arguments = {"num_classes": 0, "drop_path_rate": drop_path_rate, **architecture.overrides, **overrides}
    if not architecture.timm_name.startswith("convnext"):
        arguments.setdefault("dynamic_img_size", True)
    try:
        with explained_download(_hub_name(architecture)) if pretrained else nullcontext():
            network = timm.create_model(architecture.timm_name, pretrained=pretrained, **arguments)
    except TypeError as error:
        raise UserError(
            f"Expected `arch_overrides` that timm's {architecture.timm_name} takes, got {dict(overrides)} ({error})."
        ) from error
    if isinstance(network, ConvNeXt):
        return DINOConvNeXt(network)
    if isinstance(network, VisionTransformer | Eva):
        rules = OFFICIAL_RULES if pos_interp == "official" else {}
        return DINOViT(network, rules.get(architecture.family, TIMM_RULE), "patch_size" in overrides)
    raise UserError(
        f"Expected `arch` to be a plain vision transformer or a ConvNeXt of timm, got {architecture.timm_name}, "
        f"a {type(network).__name__}. mmseg.TIMMBackbone takes networks of any kind."
    )
