"""Recognises the formats of DINO weights by their keys, and converts them to those of timm's networks."""

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from mmseg_ext.errors import UserError
from mmseg_ext.models.backbones.dino_network import DINONetwork

Renamings = tuple[tuple[str, str], ...]

# Keys of the weight of the first layer, to find the prefix of the backbone in a file.
FIRST_LAYERS = (
    "patch_embed.proj.weight",
    "patch_embed.patch_embeddings.weight",
    "embeddings.patch_embeddings.projection.weight",
    "embeddings.patch_embeddings.weight",
    "stages.0.downsample_layers.0.weight",
    "downsample_layers.0.0.weight",
    "stem.0.weight",
)
# Keys of a file that are not the backbone's: heads, and what this package adds to its checkpoints.
BESIDE_BACKBONE = re.compile(
    r"(?:(?:module|teacher|student|model|backbone|average)\.)*"
    r"(?:head|dino_head|ibot_head|classifier|decode_head|auxiliary_head|neck|data_preprocessor|frozen_weights_digest"
    r"|iteration|n_averaged)\b"
)
# Keys of EoMT and PMT beside their backbone: the authors' under `network.`, and those of transformers.
BESIDE_BACKBONE_OF_EOMT = re.compile(
    r"(?:network\.)?(?:q|query|class_head|class_predictor|mask_head|upscale|upscale_block|attn_mask_probs"
    r"|encoder\.pixel_(?:mean|std)|criterion|bn\.\d"
    r"|decoder\.(?:q|class_head|mask_head|upscale|attn_mask_probs|blocks|decoder_norm|lateral_projections|scalers))\b"
)
# Keys in official and Hugging Face files that are for pretraining only, or duplicates.
UNUSED = re.compile(
    r"(?:^mask_token$|\.bias_mask$|^local_cls_norm\.|^norms\.3\.|^pooler\.|^head\.(?!norm\.)|^fc_norm\.|^attn_pool\.)"
)
HUGGING_FACE_VIT: Renamings = (
    (r"^(?:model\.|encoder\.)+", ""),
    (r"^layers?\.(\d+)\.", r"blocks.\1."),
    (r"^patch_embed\.(patch_embeddings|cls_token|register_tokens)\b", r"embeddings.\1"),  # the authors of EoMT
    (r"^embeddings\.patch_embeddings\.(?:projection\.)?", "patch_embed.proj."),
    (r"^embeddings\.position_embeddings(?:\.weight)?$", "pos_embed"),
    (r"^embeddings\.register_tokens$", "reg_token"),
    (r"^embeddings\.", ""),
    (r"\.attention\.(?:attention\.)?(q|k|v)(?:uery|ey|alue|_proj)\.", r".attn.\1."),
    (r"\.attention\.(?:output\.dense|o_proj|out_proj)\.", ".attn.proj."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"\.mlp\.weights_in\.", ".mlp.w12."),
    (r"\.mlp\.weights_out\.", ".mlp.w3."),
    (r"\.mlp\.gate_proj\.", ".mlp.w1."),
    (r"\.mlp\.up_proj\.", ".mlp.w2."),
    (r"\.mlp\.down_proj\.", ".mlp.w3."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"\.output\.dense\.", ".mlp.fc2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"^layernorm\.", "norm."),
)
# DINOv3's networks without a gate name their two layers as the gated ones name the last two.
UNGATED: Renamings = ((r"\.mlp\.w2\.", ".mlp.fc1."), (r"\.mlp\.w3\.", ".mlp.fc2."))
OFFICIAL_VIT: Renamings = (
    (r"^blocks\.\d+\.(\d+)\.", r"blocks.\1."),  # training checkpoints group their blocks in chunks
    (r"^(?:register_tokens|storage_tokens)$", "reg_token"),
    (r"^rope_embed\.periods$", "rope.periods"),
)
HUGGING_FACE_CONVNEXT: Renamings = (
    (r"^model\.", ""),
    (r"^stages\.0\.downsample_layers\.", "stem."),
    (r"^stages\.(\d)\.downsample_layers\.", r"stages.\1.downsample."),
    (r"^stages\.(\d)\.layers\.", r"stages.\1.blocks."),
    (r"\.depthwise_conv\.", ".conv_dw."),
    (r"\.pointwise_conv(\d)\.", r".mlp.fc\1."),
    (r"^layer_norm\.", "head.norm."),
    (r"\.layer_norm\.", ".norm."),
)
OFFICIAL_CONVNEXT: Renamings = (
    (r"^downsample_layers\.0\.", "stem."),
    (r"^downsample_layers\.(\d)\.", r"stages.\1.downsample."),
    (r"^stages\.(\d)\.(\d+)\.", r"stages.\1.blocks.\2."),
    (r"\.dwconv\.", ".conv_dw."),
    (r"\.pwconv(\d)\.", r".mlp.fc\1."),
    (r"^norm\.", "head.norm."),
)


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Join names for a message; above the limit, the first ones and the number of the others."""
    names = list(names)
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")


def find_backbone(weights: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Extract the backbone from the weights of a file, which may also hold heads, and a teacher and a student.

    Args:
        weights: All weights of the file.
        source: Name of the file, for messages.

    Returns:
        The backbone's weights, without the prefix; of a teacher and a student those of the teacher.

    Raises:
        UserError: There is no backbone, there are several, or there are other keys than those of a backbone and heads.
    """
    prefixes = {key.removesuffix(layer) for key in weights for layer in FIRST_LAYERS if key.endswith(layer)}
    prefixes = {prefix for prefix in prefixes if not prefix or prefix.endswith(".")}
    teachers = {prefix for prefix in prefixes if "teacher" in prefix}
    students = {prefix for prefix in prefixes if "student" in prefix}
    chosen = teachers or prefixes - students or prefixes
    if not chosen:
        raise UserError(
            f"Expected the weights of a DINO backbone in {source}, found no first layer ({' or '.join(FIRST_LAYERS)}) "
            f"among {listed(weights, 6)}. A checkpoint of a frozen or a LoRA backbone holds only what was trained: "
            "name the pretrained file here and give this one to `load_from`."
        )
    if len(chosen) > 1:
        raise UserError(f"Expected one backbone in {source}, found {len(chosen)}, under {listed(sorted(chosen))}.")
    prefix = chosen.pop()
    others = (*prefixes - {prefix, ""}, *(() if prefix in students else ("student", "module.student")))
    if any("depthwise_conv" in key for key in weights):
        prefix = prefix.removesuffix("model.")  # transformers keeps the last norm beside `model`
    _refuse_differences(weights, source)
    weights = {key: value for key, value in weights.items() if not BESIDE_BACKBONE_OF_EOMT.match(key)}
    left_over = [key for key in weights if not key.startswith((prefix, *others)) and not BESIDE_BACKBONE.match(key)]
    if left_over:
        raise UserError(f"Expected a backbone under {prefix!r} in {source}, found besides it: {listed(left_over)}.")
    return {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}


def _refuse_differences(weights: Mapping[str, Tensor], source: str) -> None:
    """Refuse files of EoMT's authors that hold differences to DINOv3's weights.

    The mean of the colours is among the weights, so there it is zero.

    Raises:
        UserError: It is such a file.
    """
    mean = weights.get("network.encoder.pixel_mean")
    if mean is not None and not mean.any():
        raise UserError(
            f"Expected the weights of a network in {source}, got differences to the weights of DINOv3, as EoMT's "
            "authors publish them. Take the model in the format of transformers, or save the sum of both."
        )


def recognise(weights: Mapping[str, Tensor]) -> tuple[str, Renamings]:
    """Recognise the format of a backbone's weights by their keys.

    Args:
        weights: From :func:`find_backbone`.

    Returns:
        A description of the format, and the regular expressions that rename its keys to timm's.
    """
    if "downsample_layers.0.0.weight" in weights:
        return "DINOv3 ConvNeXt, official", OFFICIAL_CONVNEXT
    if any("depthwise_conv" in key for key in weights):
        return "DINOv3 ConvNeXt, Hugging Face", HUGGING_FACE_CONVNEXT
    if "stem.0.weight" in weights:
        return "ConvNeXt, timm", ()
    if any(key.startswith(("embeddings.", "patch_embed.patch_embeddings.")) for key in weights):
        if "patch_embed.patch_embeddings.weight" in weights or "embeddings.patch_embeddings.weight" in weights:
            gated = any(".gate_proj." in key for key in weights)
            return "DINOv3, Hugging Face", HUGGING_FACE_VIT + (() if gated else UNGATED)
        if "embeddings.register_tokens" in weights:
            return "DINOv2 with registers, Hugging Face", HUGGING_FACE_VIT
        if "embeddings.mask_token" in weights:
            return "DINOv2, Hugging Face", HUGGING_FACE_VIT
        return "ViT (DINO v1), Hugging Face", HUGGING_FACE_VIT
    if "storage_tokens" in weights or "rope_embed.periods" in weights:
        return "DINOv3, official", OFFICIAL_VIT
    if "register_tokens" in weights:
        return "DINOv2 with registers, official", OFFICIAL_VIT
    if "mask_token" in weights:
        return "DINOv2, official", OFFICIAL_VIT
    if any(key.endswith((".gamma_1", ".q_bias")) for key in weights):
        return "DINOv3, timm", ()
    if "reg_token" in weights:
        return "DINOv2 with registers, timm", ()
    return "DINO v1 or timm (they have the same keys)", OFFICIAL_VIT


def to_timm(weights: Mapping[str, Tensor], network: DINONetwork) -> tuple[dict[str, Tensor], str]:
    """Convert a backbone's weights to those of a timm network.

    Args:
        weights: From :func:`find_backbone`.
        network: The network to convert to.

    Returns:
        The weights by timm's keys, and a description of the format they came in.
    """
    name, renamings = recognise(weights)
    renamed = {}
    for key, value in weights.items():
        for pattern, replacement in renamings:
            key = re.sub(pattern, replacement, key)
        renamed[key] = value
    network.convert(renamed)
    return {key: value for key, value in renamed.items() if not UNUSED.search(key)}, name


def check_complete(
    weights: Mapping[str, Tensor], expected: Mapping[str, torch.Size], optional: Iterable[str], what: str
) -> None:
    """Check that weights match a network exactly.

    Args:
        weights: From :func:`to_timm`.
        expected: Shapes of the network's weights.
        optional: Keys that may be missing.
        what: Description of the file, its format and the architecture, for the message.

    Raises:
        UserError: A key is missing, unexpected or of another shape; the message names it.
    """
    missing = [key for key in expected if key not in weights and key not in set(optional)]
    left_over = [key for key in weights if key not in expected]
    shapes = [
        f"{key} {tuple(value.shape)}, not {tuple(expected[key])}"
        for key, value in weights.items()
        if key in expected and value.shape != expected[key]
    ]
    complaints = [
        f"{kind}: {listed(keys)}"
        for kind, keys in (("missing", missing), ("left over", left_over), ("of another shape", shapes))
        if keys
    ]
    if any(key.endswith(("q_bias", "qkv.bias")) for key in left_over):
        complaints.append("timm's DINOv3 networks without `_qkvb` in their name drop the bias: take `dinov3_vit…16`")
    if complaints:
        raise UserError(f"Expected {what}; {'; '.join(complaints)}.")
