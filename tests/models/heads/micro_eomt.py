"""A micro EoMT of each kind of `transformers`, with random weights, and its weights by the keys of the authors."""

import re

import pytest
import torch

from mmseg_ext.models import DINO, EoMT

transformers = pytest.importorskip("transformers", reason="the library transformers, a test-only reference, is missing")

SIDE, NUM_CLASSES, NUM_QUERIES, NUM_BLOCKS = 64, 5, 9, 2
MICRO = {
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "patch_size": 16,
    "num_queries": NUM_QUERIES,
    "num_blocks": NUM_BLOCKS,
    "num_upscale_blocks": 2,
    "num_labels": NUM_CLASSES,
}
ORDER = ("q", "k", "v", "gate", "up")
OVERRIDES = {"embed_dim": 32, "depth": 4, "num_heads": 2}
V2 = {**OVERRIDES, "patch_size": 16, "img_size": SIDE}
V3 = {"intermediate_size": 128, "layer_norm_eps": 1e-5}  # DINOv3's; transformers has 1e-6 by default
KINDS = {
    "v2": ("Eomt", {}, "dinov2_vits14_reg", V2),
    "v2 gated": ("Eomt", {"use_swiglu_ffn": True}, "dinov2_vitg14_reg", {**V2, "mlp_ratio": 5.5}),
    "v3": ("EomtDinov3", V3, "dinov3_vits16", OVERRIDES),
    "v3 gated": (
        "EomtDinov3",
        {**V3, "use_gated_mlp": True, "hidden_act": "silu"},
        "dinov3_vitsplus16",
        OVERRIDES,
    ),
}


@torch.no_grad()
def reference(kind):
    """A random model of transformers, every parameter of which shows in the output."""
    name, settings, *_ = KINDS[kind]
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**MICRO, **settings)
    model = getattr(transformers, f"{name}ForUniversalSegmentation")(config).eval()
    for key, parameter in model.named_parameters():
        is_scale = ("norm" in key and key.endswith("weight")) or "lambda" in key
        random = torch.randn_like(parameter)
        parameter.copy_(1 + 0.2 * random if is_scale else 0.15 * random)
    for module in (model.mask_head, *model.upscale_block.block):
        module.activation = torch.nn.GELU()  # as the authors'; transformers takes that of the backbone's blocks
    return model


def authors_state(kind, state):
    """The weights of a model of transformers by the keys of the authors' own files."""
    named = {
        "query.weight": "q.weight",
        r"class_predictor\.": "class_head.",
        r"mask_head\.fc1\.": "mask_head.0.",
        r"mask_head\.fc2\.": "mask_head.2.",
        r"mask_head\.fc3\.": "mask_head.4.",
        r"upscale_block\.block\.": "upscale.",
        r"layernorm2d\.": "norm.",
    }
    v2 = {
        r"embeddings\.patch_embeddings\.projection\.": "patch_embed.proj.",
        r"embeddings\.position_embeddings\.weight": "pos_embed",
        r"embeddings\.cls_token": "cls_token",
        r"embeddings\.register_tokens": "reg_token",
        r"layers\.(\d+)\.attention\.out_proj\.": r"blocks.\1.attn.proj.",
        r"layers\.(\d+)\.attention\.[qkv]_proj\.": r"blocks.\1.attn.qkv.",
        r"layers\.(\d+)\.layer_scale(\d)\.lambda1": r"blocks.\1.ls\2.gamma",
        r"layers\.(\d+)\.mlp\.(gate|up)_proj\.": r"blocks.\1.mlp.fc1.",
        r"layers\.(\d+)\.mlp\.down_proj\.": r"blocks.\1.mlp.fc2.",
        r"layers\.": "blocks.",
        r"layernorm\.": "norm.",
    }
    v3 = {r"^embeddings\.": "patch_embed.", r"layers\.": "blocks.", r"layernorm\.": "norm."}
    found = {
        "criterion.empty_weight": torch.ones(NUM_CLASSES + 1),
        "network.attn_mask_probs": state["attn_mask_probs"],
        "network.encoder.pixel_mean": torch.full((1, 3, 1, 1), 0.5),
        "network.encoder.pixel_std": torch.full((1, 3, 1, 1), 0.2),
    }
    parts = {}  # query, key and value, and the two halves of a gated layer, are one matrix in timm's networks
    order = sorted(state, key=lambda key: next((n for n, name in enumerate(ORDER) if f".{name}_proj" in key), 0))
    for key in order:
        if key.startswith(("criterion", "attn_mask_probs")):
            continue
        is_head = any(re.match(old, key) for old in named)
        own = key
        for old, new in (named if is_head else v2 if kind.startswith("v2") else v3).items():
            own = re.sub(old, new, own)
        parts.setdefault(f"network.{'' if is_head else 'encoder.backbone.'}{own}", []).append(state[key])
    found |= {key: torch.cat(values) for key, values in parts.items()}
    return {key: value[None] if key.endswith("pos_embed") else value for key, value in found.items()}


def ours(kind, path, frozen=False, **settings):
    """Backbone and head with the weights of a file."""
    *_, arch, overrides = KINDS[kind]
    backbone = DINO(arch, str(path), frozen=frozen, query_blocks=NUM_BLOCKS, arch_overrides=overrides)
    settings = {"in_channels": 32, "num_classes": NUM_CLASSES, "num_queries": NUM_QUERIES, **settings}
    return backbone.eval(), EoMT(checkpoint=str(path), **settings).eval()
