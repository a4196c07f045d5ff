import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS
from torch import nn

from mmseg_ext.errors import UserError
from mmseg_ext.models import DINO

TINY = {"embed_dim": 8, "depth": 2, "num_heads": 2, "img_size": 28}
# One row a group: layer, learning rate, weight decay, the ends of its parameters' names.
TABLE = """
0  0.00512  0     cls_token pos_embed patch_embed.proj.bias
0  0.00512  0.05  patch_embed.proj.weight
1  0.0064   0     blocks.0: norms, biases, layer scales
1  0.0064   0.05  blocks.0: matrices
2  0.008    0     blocks.1: norms, biases, layer scales
2  0.008    0.05  blocks.1: matrices
3  0.01     0     backbone.network.norm, decode_head.bias
3  0.01     0.05  decode_head.weight
"""

pytestmark = pytest.mark.usefixtures("mmseg_scope")


class Segmentor(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.decode_head = nn.Conv2d(8, 2, 1)


def wrap(model, lr=0.01, **paramwise):
    return build_optim_wrapper(
        model,
        {
            "constructor": "mmseg_ext.LayerDecayOptimWrapperConstructor",
            "optimizer": {"type": "AdamW", "lr": lr, "weight_decay": 0.05},
            "paramwise_cfg": paramwise,
        },
    )


def kind_of(name):
    """How the table calls a parameter."""
    if ".blocks." in name:
        block = name.split(".")[3]
        return f"blocks.{block}: " + (
            "matrices" if name.endswith("weight") and "norm" not in name else "norms, biases, layer scales"
        )
    if "network.norm" in name:
        return "backbone.network.norm"
    return name.removeprefix("backbone.network.")


def test_the_table_of_groups():
    model = Segmentor(DINO("dinov2_vits14", frozen=False, arch_overrides=TINY))
    groups = wrap(model, decay_rate=0.8).optimizer.param_groups
    rows = []
    for group in groups:
        kinds = list(dict.fromkeys(kind_of(name) for name in group["param_names"]))
        rows.append((group["lr"], group["weight_decay"], kinds))
    expected = []
    for line in TABLE.strip().splitlines():
        _layer, rate, decay, names = line.split(maxsplit=3)
        names = names.split(", ") if "decode_head.bias" in names else names.split(" ") if "patch" in names else [names]
        expected.append((pytest.approx(float(rate)), float(decay), names))
    assert rows == expected
    assert sorted(id(p) for group in groups for p in group["params"]) == sorted(id(p) for p in model.parameters())


def test_registers_and_rotary_networks_and_mmsegs_own_have_layers_too():
    rotary = Segmentor(DINO("dinov3_vits16", frozen=False, arch_overrides={**TINY, "img_size": 32}))
    rates = {n: g["lr"] for g in wrap(rotary, decay_rate=0.5).optimizer.param_groups for n in g["param_names"]}
    assert rates["backbone.network.reg_token"] == pytest.approx(0.01 / 8)
    assert rates["backbone.network.blocks.1.attn.q_bias"] == pytest.approx(0.01 / 2)

    stock = MODELS.build(
        {
            "type": "VisionTransformer",
            "img_size": 32,
            "embed_dims": 8,
            "num_layers": 3,
            "num_heads": 2,
            "out_indices": -1,
        }
    )
    rates = {
        n: g["lr"] for g in wrap(Segmentor(stock), decay_rate=0.5).optimizer.param_groups for n in g["param_names"]
    }
    assert rates["backbone.pos_embed"] == pytest.approx(0.01 / 16)
    assert rates["backbone.layers.2.ln1.weight"] == pytest.approx(0.01 / 2)
    assert rates["decode_head.weight"] == 0.01


def test_what_is_frozen_is_left_out():
    model = Segmentor(DINO("dinov2_vits14", frozen=1, arch_overrides=TINY))
    names = [name for group in wrap(model).optimizer.param_groups for name in group["param_names"]]
    assert names
    assert not any("blocks.0" in name or "patch_embed" in name or "pos_embed" in name for name in names)


def test_a_step_is_taken_with_the_layers_rate():
    model = Segmentor(DINO("dinov2_vits14", frozen=False, arch_overrides=TINY))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    wrapper = wrap(model, decay_rate=0.5)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    wrapper.step()
    moved = {name: (parameter - before[name]).abs().mean().item() for name, parameter in model.named_parameters()}
    assert moved["decode_head.bias"] == pytest.approx(0.01, rel=1e-3)
    assert moved["backbone.network.blocks.0.norm1.bias"] == pytest.approx(0.0025, rel=1e-3)
    assert moved["backbone.network.pos_embed"] == pytest.approx(0.00125, rel=1e-3)


@pytest.mark.parametrize(
    ("paramwise", "message"),
    [
        ({"decay_rate": 0}, "paramwise_cfg: expected `decay_rate` to be a number above 0 and at most 1, got 0"),
        ({"decay_rate": 1.5}, "above 0 and at most 1"),
        ({"num_layers": 12}, "paramwise_cfg: unexpected argument `num_layers`"),
    ],
)
def test_a_setting_out_of_range_is_refused(paramwise, message):
    with pytest.raises(UserError, match=message):
        wrap(Segmentor(nn.Identity()), **paramwise)


def test_a_backbone_without_blocks_and_an_optimizer_without_a_rate_are_refused():
    with pytest.raises(UserError, match=r"found none\. Use the default constructor"):
        wrap(Segmentor(nn.Conv2d(3, 8, 1)))
    with pytest.raises(UserError, match=r"Expected `lr` in optim_wrapper\.optimizer"):
        wrap(Segmentor(nn.Identity()), lr=None)
