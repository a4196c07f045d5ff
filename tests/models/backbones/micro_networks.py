"""Micro networks of every family, and their weights in the official formats, with random values."""

import timm
import torch

MICRO_VIT = {"embed_dim": 32, "depth": 3, "num_heads": 2}
MICRO_CONVNEXT = {"depths": (1, 1, 2, 1), "dims": (8, 12, 16, 20)}
FAMILIES = {
    "dino": ("dino_vits16", "vit_small_patch16_224", {**MICRO_VIT, "img_size": 64}),
    "dinov2": ("dinov2_vits14", "vit_small_patch14_dinov2", {**MICRO_VIT, "img_size": 56}),
    "dinov2_reg": ("dinov2_vits14_reg", "vit_small_patch14_reg4_dinov2", {**MICRO_VIT, "img_size": 56}),
    "dinov2_gated": ("dinov2_vitg14", "vit_giant_patch14_dinov2", {**MICRO_VIT, "img_size": 56, "mlp_ratio": 4}),
    "dinov3": ("dinov3_vits16", "vit_small_patch16_dinov3_qkvb", MICRO_VIT),
    "dinov3_gated": ("dinov3_vitsplus16", "vit_small_plus_patch16_dinov3_qkvb", MICRO_VIT),
    "dinov3_convnext": ("dinov3_convnext_tiny", "convnext_tiny", MICRO_CONVNEXT),
}


@torch.no_grad()
def random_network(family: str) -> torch.nn.Module:
    """The timm network of a family, every parameter of it random, so that each one shows in the output."""
    _arch, name, overrides = FAMILIES[family]
    dynamic = {} if "convnext" in name else {"dynamic_img_size": True}
    network = timm.create_model(name, num_classes=0, **dynamic, **overrides).eval()
    generator = torch.Generator().manual_seed(0)
    for key, parameter in network.named_parameters():
        random = torch.randn(parameter.shape, generator=generator)
        is_scale = ("norm" in key and key.endswith("weight")) or "gamma" in key
        parameter.copy_(1 + 0.2 * random if is_scale else 0.15 * random)
    return network


def official_state(family: str, network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A timm network's weights by the keys of the official release."""
    state = dict(network.state_dict())
    width = MICRO_VIT["embed_dim"]
    if family == "dinov3_convnext":
        renamings = {"stem.": "downsample_layers.0.", "conv_dw": "dwconv", "mlp.fc": "pwconv", "head.norm": "norm"}
        official = {}
        for key, value in state.items():
            parts = key.split(".")
            if parts[0] == "stages" and parts[2] == "downsample":
                key = ".".join(["downsample_layers", parts[1], *parts[3:]])
            elif parts[0] == "stages":
                key = ".".join(["stages", parts[1], *parts[3:]])
            for old, new in renamings.items():
                key = key.replace(old, new)
            official[key] = value
        return official | {f"norms.3.{name}": official[f"norm.{name}"] for name in ("weight", "bias")}
    if family == "dino":
        return state
    state["mask_token"] = torch.randn(1, width)
    if family == "dinov2_reg":
        place = torch.randn(1, 1, width)
        state["register_tokens"] = state.pop("reg_token")
        state["cls_token"] = state["cls_token"] - place
        state["pos_embed"] = torch.cat([place, state["pos_embed"]], dim=1)
    if family.startswith("dinov2"):
        gates = {"mlp.fc1": "mlp.w12", "mlp.fc2": "mlp.w3"} if family == "dinov2_gated" else {}
    else:
        gates = {"mlp.fc1_g": "mlp.w1", "mlp.fc1_x": "mlp.w2", "mlp.fc2": "mlp.w3"} if "gated" in family else {}
        state["storage_tokens"] = state.pop("reg_token")
        state["rope_embed.periods"] = network.rope.periods.clone()
        for index in range(len(network.blocks)):
            stem = f"blocks.{index}."
            query, value = state.pop(f"{stem}attn.q_bias"), state.pop(f"{stem}attn.v_bias")
            state[f"{stem}attn.qkv.bias"] = torch.cat([query, torch.full_like(query, 0.5), value])
            mask = torch.ones(3, len(query))
            mask[1] = 0
            state[f"{stem}attn.qkv.bias_mask"] = mask.flatten()
            for number in (1, 2):
                state[f"{stem}ls{number}.gamma"] = state.pop(f"{stem}gamma_{number}")
    return {rename(key, gates): value for key, value in state.items()}


def rename(key: str, names: dict[str, str]) -> str:
    return next((key.replace(old, new) for old, new in names.items() if f"{old}." in key), key)


def timm_features(network: torch.nn.Module, images: torch.Tensor, indices: list[int]) -> list[torch.Tensor]:
    """The features that the bare timm network computes, the last norm applied to each."""
    with torch.no_grad():
        features = network.forward_intermediates(images, indices=indices, norm=True, intermediates_only=True)
        if hasattr(network, "stages") and indices[-1] == 3:
            features[-1] = network.head.norm(features[-1])
    return features
