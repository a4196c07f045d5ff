"""Converts the weights of a vision transformer to the two layouts that timm's classes have.

Shape suffixes: L tokens, C channels.
"""

import re

import torch
from torch import Tensor


def convert_eva(weights: dict[str, Tensor], has_bias: bool) -> None:
    """Convert weights to the layout of timm's Eva, in place.

    Args:
        weights: Weights whose keys were renamed to timm's.
        has_bias: Whether the network has a bias of query and value. A bias that is zero is removed otherwise; one that
            is not stays, to be reported as left over.
    """
    _prepare(weights)
    for key in list(weights):
        new = re.sub(r"\.ls(\d)\.gamma$", r".gamma_\1", key)
        for old_layer, new_layer in {"w1": "fc1_g", "w2": "fc1_x", "w3": "fc2"}.items():
            new = new.replace(f".mlp.{old_layer}.", f".mlp.{new_layer}.")
        weights[new] = weights.pop(key)
    for key in [key for key in weights if key.endswith(".attn.qkv.bias")]:
        query, of_key, value = weights[key].chunk(3)
        if of_key.any():
            continue  # timm's network has no bias of the key: it stays, and is reported as left over
        del weights[key]
        if not has_bias and not query.any() and not value.any():
            continue
        stem = key.removesuffix("qkv.bias")
        weights[f"{stem}q_bias"], weights[f"{stem}v_bias"] = query, value


def convert_vision_transformer(weights: dict[str, Tensor]) -> None:
    """Convert weights, whose keys were renamed to timm's, to the layout of timm's VisionTransformer, in place."""
    _prepare(weights)
    for key in list(weights):
        if ".mlp.w1." in key:
            gate = weights.pop(key)
            weights[key.replace(".w1.", ".fc1.")] = torch.cat([gate, weights.pop(key.replace(".w1.", ".w2."))])
        elif ".mlp.w12." in key:
            weights[key.replace(".w12.", ".fc1.")] = weights.pop(key)
        elif ".mlp.w3." in key:
            weights[key.replace(".w3.", ".fc2.")] = weights.pop(key)


def fold_class_position(weights: dict[str, Tensor]) -> None:
    """Add the position of the class token to the token itself, in place.

    timm's networks with registers add no position embedding to the class token.
    """
    position_1LC = weights.get("pos_embed")
    if position_1LC is not None and has_class_position(position_1LC):
        weights["cls_token"] = weights["cls_token"] + position_1LC[:, :1]
        weights["pos_embed"] = position_1LC[:, 1:]


def has_class_position(position_1LC: Tensor) -> bool:
    """Whether a position embedding has one token more than a square grid."""
    return round(position_1LC.shape[1] ** 0.5) ** 2 != position_1LC.shape[1]


def _prepare(weights: dict[str, Tensor]) -> None:
    """Do what both layouts need."""
    position = weights.get("pos_embed")
    if position is not None and position.ndim == 2:  # an embedding of transformers
        weights["pos_embed"] = position[None]
    # Query, key and value in one matrix; a missing bias (DINOv3's keys have none) is zero.
    for key in [key for key in weights if key.endswith(".attn.q.weight")]:
        stem = key.removesuffix("q.weight")
        weights[stem + "qkv.weight"] = torch.cat([weights.pop(f"{stem}{part}.weight") for part in "qkv"])
        biases = {part: weights.pop(f"{stem}{part}.bias") for part in "qkv" if f"{stem}{part}.bias" in weights}
        if biases:
            zero = torch.zeros_like(next(iter(biases.values())))
            weights[stem + "qkv.bias"] = torch.cat([biases.get(part, zero) for part in "qkv"])
    # DINOv3 multiplies the bias of query, key and value by a mask, which is zero at the key.
    for key in [key for key in weights if key.endswith(".qkv.bias_mask")]:
        mask = weights.pop(key)
        bias = key.removesuffix("_mask")
        if bias in weights and mask.isfinite().all():
            weights[bias] = weights[bias] * mask
    # Networks that average all patches call their last norm fc_norm.
    if "norm.weight" not in weights and "fc_norm.weight" in weights:
        weights |= {f"norm.{name}": weights[f"fc_norm.{name}"] for name in ("weight", "bias")}
