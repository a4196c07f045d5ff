import pytest
import timm
import torch
from micro_networks import FAMILIES, official_state, random_network, timm_features
from mmseg.registry import MODELS

from mmseg_ext.errors import UserError
from mmseg_ext.models import DINO
from mmseg_ext.models.backbones.dino_architectures import find_architecture

TINY = {"embed_dim": 32, "depth": 4, "num_heads": 2}


def build(arch="dinov2_vits14", **settings):
    settings.setdefault("arch_overrides", TINY)
    return DINO(arch, **settings)


def test_a_config_builds_it():
    with torch.no_grad():
        backbone = MODELS.build(
            {"type": "mmseg_ext.DINO", "arch": "dinov3_vits16", "out_indices": [1, 3], "arch_overrides": TINY}
        )
    assert backbone.out_channels == (32, 32)
    assert backbone.stride == 16


@pytest.mark.parametrize("pad", ["center", "corner"])
@pytest.mark.parametrize(("height", "width"), [(28, 42), (29, 42), (41, 15), (1, 1)])
def test_sizes_that_are_no_multiple_of_the_patch_are_padded_with_zeros(pad, height, width):
    backbone = build(out_indices=(0, 3), pad=pad)
    images = torch.randn(2, 3, height, width)
    rows, columns = -height % 14, -width % 14
    top, left = (rows // 2, columns // 2) if pad == "center" else (0, 0)
    padded = torch.zeros(2, 3, height + rows, width + columns)
    padded[:, :, top : top + height, left : left + width] = images
    outputs = backbone(images)
    assert [tuple(output.shape) for output in outputs] == [(2, 32, (height + rows) // 14, (width + columns) // 14)] * 2
    for output, expected in zip(outputs, backbone(padded), strict=True):
        assert output.is_contiguous()
        assert torch.equal(output, expected)


def test_without_padding_an_odd_size_is_an_error_that_says_what_to_set():
    with pytest.raises(UserError, match=r"multiples of 14, got 28 × 30\. Set pad='center'.*size_divisor=14"):
        build(pad=None)(torch.zeros(1, 3, 28, 30))


def test_convnext_pads_to_its_coarsest_stride():
    backbone = DINO("dinov3_convnext_tiny", out_indices=(0, 1, 2, 3), arch_overrides=FAMILIES["dinov3_convnext"][2])
    outputs = backbone(torch.randn(1, 3, 33, 64))
    assert [tuple(output.shape[1:]) for output in outputs] == [(8, 16, 16), (12, 8, 8), (16, 4, 4), (20, 2, 2)]
    assert backbone.out_channels == (8, 12, 16, 20)
    shallow = DINO("dinov3_convnext_tiny", out_indices=(0, 1), arch_overrides=FAMILIES["dinov3_convnext"][2])
    assert shallow.stride == 8


@pytest.mark.parametrize("family", FAMILIES)
def test_norm_is_applied_to_every_output_or_to_none(family, tmp_path):
    network = random_network(family)
    arch, _name, overrides = FAMILIES[family]
    torch.save(official_state(family, network), tmp_path / "w.pth")
    indices = [0, 3] if "convnext" in family else [0, 2]
    images = torch.randn(1, 3, 112, 112) if "14" in arch else torch.randn(1, 3, 64, 64)
    common = {"checkpoint": str(tmp_path / "w.pth"), "out_indices": indices, "arch_overrides": overrides}
    common["pos_interp"] = "timm"
    for output, expected in zip(DINO(arch, **common)(images), timm_features(network, images, indices), strict=True):
        torch.testing.assert_close(output, expected, rtol=0, atol=1e-5)
    with torch.no_grad():
        bare = network.forward_intermediates(images, indices=indices, norm=False, intermediates_only=True)
    for output, expected in zip(DINO(arch, norm=False, **common)(images), bare, strict=True):
        torch.testing.assert_close(output, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "deit3_small_patch16_224", "vit_base_patch16_rope_reg1_gap_256"]
)
def test_any_plain_vision_transformer_of_timm(name, tmp_path):
    torch.manual_seed(0)
    overrides = {**TINY, "img_size": 64}
    network = timm.create_model(name, num_classes=10, dynamic_img_size=True, **overrides).eval()
    torch.save(network.state_dict(), tmp_path / "w.pth")
    backbone = DINO(name, str(tmp_path / "w.pth"), out_indices=(1, 3), arch_overrides=overrides)
    images = torch.randn(1, 3, 96, 64)
    norm = network.fc_norm if isinstance(network.norm, torch.nn.Identity) else network.norm
    with torch.no_grad():
        bare = network.forward_intermediates(images, indices=[1, 3], intermediates_only=True, output_fmt="NLC")
        expected = [norm(features).transpose(1, 2).reshape(1, 32, 6, 4) for features in bare]
    for output, features in zip(backbone(images), expected, strict=True):
        torch.testing.assert_close(output, features, rtol=0, atol=1e-5)


def test_frozen_means_no_gradient_evaluation_mode_for_good_and_no_graph():
    backbone = build(frozen=True)
    assert backbone.train() is backbone
    assert backbone.training
    assert not any(module.training for module in backbone.network.modules())
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    (output,) = backbone(torch.randn(1, 3, 28, 28, requires_grad=True))
    assert not output.requires_grad


def test_the_first_blocks_are_frozen_and_the_rest_is_trained():
    backbone = build(frozen=2, out_indices=(0, 3), drop_path_rate=0.5).train()
    (first, last) = backbone(torch.randn(1, 3, 28, 28))
    (first.sum() + last.sum()).backward()
    for name, parameter in backbone.network.named_parameters():
        is_trained = name.startswith(("blocks.2.", "blocks.3.", "norm."))
        assert parameter.requires_grad == is_trained, name
        assert (parameter.grad is not None) == is_trained, name
    assert [block.training for block in backbone.blocks] == [False, False, True, True]
    backbone.eval()
    assert not any(module.training for module in backbone.modules())


@pytest.mark.parametrize("family", FAMILIES)
def test_unfrozen_every_parameter_gets_a_gradient(family):
    arch, _name, overrides = FAMILIES[family]
    backbone = DINO(arch, out_indices=-1, frozen=False, arch_overrides=overrides).train()
    (output,) = backbone(torch.randn(2, 3, 64, 64))
    output.square().sum().backward()
    assert [name for name, parameter in backbone.named_parameters() if parameter.grad is None] == []


@pytest.mark.parametrize("family", ["dinov2", "dinov3", "dinov3_convnext"])
def test_recomputing_activations_changes_no_gradient(family):
    arch, _name, overrides = FAMILIES[family]
    images = torch.randn(2, 3, 64, 64)
    gradients = []
    for with_cp in (False, True):
        torch.manual_seed(0)
        settings = {"frozen": 1, "drop_path_rate": 0.3, "out_indices": (0, 2), "with_cp": with_cp}
        backbone = DINO(arch, arch_overrides=overrides, **settings).train()
        torch.manual_seed(1)
        sum(output.square().sum() for output in backbone(images)).backward()
        gradients.append([p.grad for p in backbone.parameters() if p.requires_grad])
    assert gradients[0]
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain)


def test_drop_path_acts_in_training_alone():
    backbone = build(frozen=False, drop_path_rate=0.9)
    torch.nn.init.ones_(backbone.network.blocks[3].ls1.gamma)
    images = torch.randn(1, 3, 28, 28)
    assert torch.equal(backbone.eval()(images)[0], backbone(images)[0])
    backbone.train()
    assert any(not torch.equal(backbone(images)[0], backbone(images)[0]) for _ in range(8))


def test_initialising_a_model_leaves_the_weights_alone():
    backbone = build()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    backbone.init_weights()
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"arch": "dinov4_vits14"}, "Expected `arch` to be one of dino_vits16"),
        ({"arch": "swin_tiny_patch4_window7_224", "arch_overrides": {}}, "plain vision transformer or a ConvNeXt"),
        ({"out_indices": (1, 0)}, "in rising order"),
        ({"out_indices": 4}, r"one of the 4 blocks of dinov2_vits14 \(0 to 3\), got 4"),
        ({"out_indices": ()}, "in rising order"),
        ({"frozen": 4}, "a number of blocks from 1 to 3, got 4"),
        ({"frozen": 0}, "a number of blocks from 1 to 3, got 0"),
        ({"pad": "left"}, "expected `pad`"),
        ({"pos_interp": "nearest"}, "expected `pos_interp`"),
        ({"init_cfg": {"type": "Pretrained"}}, "`init_cfg` to be None"),
        ({"arch_overrides": {"width": 3}}, r"takes, got \{'width': 3\}"),
        ({"lora": {"rank": 2}, "frozen": False}, "where `lora` is set, got False"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings, message):
    with pytest.raises(UserError, match=message):
        build(**settings)


def test_settings_without_effect_are_warned_about(monkeypatch):
    said = []
    monkeypatch.setattr("mmseg_ext.models.backbones.dino.print_log", lambda text, *_: said.append(text))
    build(drop_path_rate=0.1, with_cp=True)
    assert any("drop_path_rate and with_cp has no effect on a frozen backbone" in text for text in said)


@pytest.mark.parametrize("hub_name", ["dinov3_vits16plus", "dinov3_vith16plus", "dinov3_vitl16plus"])
def test_the_names_of_the_official_hub_are_known(hub_name):
    """The official widths, depths and heads; S+, L+ and H+ have gated layers of four times the width."""
    width, depth, heads = {"s": (384, 12, 6), "l": (1024, 24, 16), "h": (1280, 32, 20)}[hub_name[10]]
    architecture = find_architecture(hub_name)
    assert architecture is find_architecture(hub_name.replace("16plus", "plus16"))
    with torch.device("meta"):
        full = timm.create_model(architecture.timm_name, num_classes=0, **architecture.overrides)
    assert (full.embed_dim, len(full.blocks), full.blocks[0].attn.num_heads) == (width, depth, heads)
    assert full.blocks[0].mlp.fc1_g.out_features == 4 * width
    if hub_name[10] == "s":
        assert DINO(hub_name, arch_overrides={"depth": 1}).out_channels == (384,)
    if hub_name[10] == "l":
        with pytest.raises(UserError, match=r"timm to have weights for .*embed_dim 1024.*it has none\. Name a file"):
            DINO(hub_name, "timm")
