import pytest
import torch
from micro_networks import FAMILIES

from mmseg_ext.errors import UserError
from mmseg_ext.models import DINO
from mmseg_ext.models.backbones.low_rank_adaptation import LowRankLinear

VITS = [family for family in FAMILIES if "convnext" not in family]


def build(family, lora, **settings):
    arch, _name, overrides = FAMILIES[family]
    torch.manual_seed(0)
    # Official layer scales begin at 1e-5, where nothing of a block would show.
    return DINO(arch, lora=lora, arch_overrides={**overrides, "init_values": 1.0}, **settings)


def test_the_layer_is_the_frozen_one_plus_a_product_of_two():
    layer = torch.nn.Linear(5, 7)
    adapted = LowRankLinear(layer, rank=2, alpha=6)
    x = torch.randn(3, 4, 5)
    assert torch.equal(adapted(x), layer(x))
    torch.nn.init.normal_(adapted.lora_b)
    weight = layer.weight + 3 * adapted.lora_b @ adapted.lora_a
    torch.testing.assert_close(adapted(x), x @ weight.T + layer.bias)
    assert adapted.weight is layer.weight


@pytest.mark.parametrize("family", VITS)
@torch.no_grad()
def test_an_adapted_network_is_the_network_with_the_sum_of_the_weights(family):
    targets = ["attn.qkv", "attn.proj", "mlp.fc2"]
    adapted = build(family, {"rank": 2, "alpha": 4, "targets": targets}).eval()
    plain = build(family, None).eval()
    plain.load_state_dict({k: v for k, v in adapted.state_dict().items() if "lora" not in k})
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(adapted(images)[0], plain(images)[0], rtol=0, atol=1e-5)
    count = 0
    for name, module in adapted.named_modules():
        if isinstance(module, LowRankLinear):
            count += 1
            torch.nn.init.normal_(module.lora_b, std=0.3)
            plain.get_submodule(name).weight += 2 * module.lora_b @ module.lora_a
    assert count == 3 * 3
    changed = adapted(images)[0]
    torch.testing.assert_close(changed, plain(images)[0], rtol=0, atol=1e-4)
    assert (changed - build(family, None).eval()(images)[0]).abs().max() > 1e-3


@pytest.mark.parametrize("family", VITS)
def test_only_the_adaptation_is_trained_and_all_of_it_is_used(family):
    backbone = build(family, {"rank": 2}).train()
    assert any(module.training for module in backbone.network.modules())
    for _name, parameter in backbone.named_parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter)
    backbone(torch.randn(2, 3, 64, 64))[0].square().sum().backward()
    trained = {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, _ in backbone.named_parameters() if "lora_" in name}
    assert len(trained) == 3 * 2 * 2
    assert all(parameter.grad.abs().sum() > 0 for parameter in backbone.parameters() if parameter.requires_grad)


def test_frozen_blocks_get_no_adaptation():
    backbone = build("dinov3", {"rank": 2}, frozen=2)
    assert {name.split(".")[2] for name, p in backbone.named_parameters() if p.requires_grad} == {"2"}


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        ({"rank": 0}, "lora: expected `rank` to be a positive int, got 0"),
        ({"rank": 2, "alpha": -1}, "lora: expected `alpha` to be a positive number or None, got -1"),
        ({"rank": 2, "target": "qkv"}, "lora: unexpected argument `target`"),
        ({"targets": ["attn.query"]}, r"among attn\.qkv, attn\.proj, mlp\.fc1, mlp\.fc2, got 'attn\.query'"),
    ],
)
def test_a_setting_out_of_range_is_refused(lora, message):
    with pytest.raises(UserError, match=message):
        build("dinov2", lora)
