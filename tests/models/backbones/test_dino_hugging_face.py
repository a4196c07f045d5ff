"""Files in Hugging Face's format give the features that the library `transformers` computes from them."""

import pytest
import torch

from mmseg_ext.errors import UserError
from mmseg_ext.models import DINO
from mmseg_ext.models.backbones.position_embedding import InterpolationRule

transformers = pytest.importorskip("transformers", reason="the library transformers, a test-only reference, is missing")

MICRO = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 128}
OVERRIDES = {"embed_dim": 32, "depth": 3, "num_heads": 2}
V2 = {**MICRO, "image_size": 56, "patch_size": 14}
MODELS = {
    "v1": ("ViT", {**MICRO, "image_size": 64, "patch_size": 16, "layer_norm_eps": 1e-6}, "dino_vits16", OVERRIDES),
    "v2": ("Dinov2", V2, "dinov2_vits14", OVERRIDES),
    "v2 gated": ("Dinov2", {**V2, "use_swiglu_ffn": True}, "dinov2_vitg14", {**OVERRIDES, "mlp_ratio": 5.5}),
    "v2 registers": ("Dinov2WithRegisters", V2, "dinov2_vits14_reg", OVERRIDES),
    "v3": ("DINOv3ViT", {**MICRO, "num_register_tokens": 4}, "dinov3_vits16", OVERRIDES),
    "v3 gated": (
        "DINOv3ViT",
        {**MICRO, "num_register_tokens": 4, "use_gated_mlp": True, "hidden_act": "silu"},
        "dinov3_vitsplus16",
        OVERRIDES,
    ),
    "v3 convnext": (
        "DINOv3ConvNext",
        {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 2, 1]},
        "dinov3_convnext_tiny",
        {"dims": (8, 12, 16, 20), "depths": (1, 1, 2, 1)},
    ),
}


@torch.no_grad()
def reference(name):
    """A random model of transformers, every parameter of which shows in the output."""
    kind, settings, *_ = MODELS[name]
    torch.manual_seed(0)
    model = getattr(transformers, f"{kind}Model")(getattr(transformers, f"{kind}Config")(**settings)).eval()
    for key, parameter in model.named_parameters():
        is_scale = ("norm" in key and key.endswith("weight")) or "lambda" in key or "gamma" in key
        random = torch.randn_like(parameter)
        parameter.copy_(1 + 0.2 * random if is_scale else 0.15 * random)
    return model


@torch.no_grad()
def features(model, images, grid):
    extra = {"interpolate_pos_encoding": True} if type(model).__name__ == "ViTModel" else {}
    tokens = model(images, **extra).last_hidden_state
    return tokens[:, -grid[0] * grid[1] :].transpose(1, 2).reshape(1, -1, *grid)


def load(name, path, **settings):
    _kind, _settings, arch, overrides = MODELS[name]
    return DINO(arch, str(path), out_indices=-1, arch_overrides=overrides, **settings)


def assert_equal_features(backbone, model, size):
    images = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    (output,) = backbone(images)
    expected = features(model, images, output.shape[-2:])
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["folder", "file", "bin", "state dict"])
def test_features_are_those_of_transformers(name, kind, tmp_path):
    model = reference(name)
    model.save_pretrained(tmp_path)
    path = {"folder": tmp_path, "file": tmp_path / "model.safetensors"}.get(kind, tmp_path / "pytorch_model.bin")
    if kind == "bin":  # what older releases wrote: the keys of the file, by torch.save
        from safetensors.torch import load_file

        torch.save(load_file(tmp_path / "model.safetensors"), path)
    elif kind == "state dict":  # the keys in memory, which newer releases renamed
        torch.save(model.state_dict(), path)
    side = {14: 56, 16: 64, 32: 64}[load(name, path).stride]
    assert_equal_features(load(name, path), model, (side, side))


@pytest.mark.parametrize("name", MODELS)
def test_at_another_size_the_rule_of_transformers_alone_differs(name, tmp_path):
    model = reference(name)
    torch.save(model.state_dict(), tmp_path / "w.bin")
    backbone = load(name, tmp_path / "w.bin")
    if name in ("v1", "v2", "v2 gated"):  # the official releases add 0.1 to the size, transformers does not
        backbone.adapter.rule = InterpolationRule(offset=0.0, antialias=False)
    assert_equal_features(backbone, model, (3 * backbone.stride, 6 * backbone.stride))


def test_a_classifier_beside_the_backbone_is_ignored_and_a_wrong_file_refused(tmp_path):
    config = transformers.Dinov2Config(**V2)
    classifier = transformers.Dinov2ForImageClassification(config)
    torch.save(classifier.state_dict(), tmp_path / "c.bin")
    backbone = load("v2", tmp_path / "c.bin")
    assert torch.equal(backbone.network.cls_token, classifier.dinov2.embeddings.cls_token)
    with pytest.raises(UserError, match=r"DINOv2, Hugging Face\); missing: .*reg_token"):
        load("v2 registers", tmp_path / "c.bin")
