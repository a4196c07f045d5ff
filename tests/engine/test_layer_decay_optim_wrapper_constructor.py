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
        ({"decay_rate": 0}, "paramwise_cfg: expected `decay_rate` to be a number above 0 and at most 1 or None, got 0"),
        ({"decay_rate": 1.5}, "above 0 and at most 1"),
        ({"momentum": 0.9}, "paramwise_cfg: unexpected argument `momentum`"),
        ({"decay_rate": 0.5, "layer_decay_rate": 0.5}, "one of decay_rate and layer_decay_rate"),
        ({"decay_type": "block_wise"}, "`decay_type` to be one of 'layer_wise', .*got 'block_wise'"),
    ],
)
def test_a_setting_out_of_range_is_refused(paramwise, message):
    with pytest.raises(UserError, match=message):
        wrap(Segmentor(nn.Identity()), **paramwise)


class NamedLikeItsRelease(nn.Module):
    """A backbone with the parameters of given names, for the rates alone."""

    def __init__(self, *names):
        super().__init__()
        for name in names:
            *path, last = name.split(".")
            module = self
            for part in path:
                if part not in module._modules:
                    module.add_module(part, nn.Module())
                module = module._modules[part]
            module.register_parameter(last, nn.Parameter(torch.zeros(2, 2)))


class ConvNeXt(NamedLikeItsRelease):
    """The names of mmpretrain's ConvNeXt, of which mmseg's constructor asks for the class's name."""

    def __init__(self):
        stages = [f"stages.{i}.{j}.gamma" for i, depth in enumerate((3, 3, 9, 3)) for j in range(depth)]
        starts = [f"downsample_layers.{i}.{j}.weight" for i in range(4) for j in range(2)]
        super().__init__(*stages, *starts, *(f"norm{i}.weight" for i in range(4)))


class BEiT(NamedLikeItsRelease):
    def __init__(self):
        super().__init__("cls_token", "patch_embed.projection.weight", *(f"layers.{i}.ln1.weight" for i in range(12)))


def rates_of(model, constructor, **paramwise):
    cfg = {"optimizer": {"type": "AdamW", "lr": 0.01, "weight_decay": 0.05}, "paramwise_cfg": paramwise}
    groups = build_optim_wrapper(model, {"constructor": constructor, **cfg}).optimizer.param_groups
    return {name: group["lr"] for group in groups for name in group["param_names"]}


@pytest.mark.parametrize(
    ("backbone", "stock", "paramwise"),
    [
        (ConvNeXt, "LearningRateDecayOptimizerConstructor", {"num_layers": 6}),
        (ConvNeXt, "LearningRateDecayOptimizerConstructor", {"num_layers": 6, "decay_type": "stage_wise"}),
        (BEiT, "LearningRateDecayOptimizerConstructor", {"num_layers": 12, "decay_type": "layer_wise_vit"}),
        (BEiT, "LayerDecayOptimizerConstructor", {"num_layers": 12}),
    ],
)
def test_stock_settings_give_the_rates_of_stock(backbone, stock, paramwise):
    rate = {"layer_decay_rate" if stock.startswith("Layer") else "decay_rate": 0.9}
    expected = rates_of(Segmentor(backbone()), stock, **paramwise, **rate)
    found = rates_of(Segmentor(backbone()), "mmseg_ext.LayerDecayOptimWrapperConstructor", **paramwise, **rate)
    assert found == pytest.approx(expected)
    assert len(set(found.values())) >= 6


def test_every_part_of_twins_has_its_layer_and_mmpretrains_convnext_too():
    twins = MODELS.build(
        {
            "type": "SVT",
            "embed_dims": [8, 8, 16, 16],
            "num_heads": [1, 1, 2, 2],
            "mlp_ratios": [1] * 4,
            "depths": [1, 1, 1, 1],
            "windiow_sizes": [7] * 4,
            "sr_ratios": [1] * 4,
            "out_indices": (0, 1, 2, 3),
        }
    )
    rates = rates_of(Segmentor(twins), "mmseg_ext.LayerDecayOptimWrapperConstructor", decay_rate=0.5)
    assert rates["backbone.patch_embeds.0.projection.weight"] == pytest.approx(0.01 / 32)
    assert rates["backbone.patch_embeds.2.projection.weight"] == pytest.approx(0.01 / 4)
    assert rates["backbone.position_encodings.0.proj.weight"] == pytest.approx(0.01 / 16)
    at_the_heads_rate = {name for name, rate in rates.items() if rate == 0.01}
    assert {name.split(".")[1].rstrip("0123") for name in at_the_heads_rate} <= {"norm_list", "norm", "weight", "bias"}

    rates = rates_of(Segmentor(ConvNeXt()), "mmseg_ext.LayerDecayOptimWrapperConstructor", decay_rate=0.5)
    assert rates["backbone.downsample_layers.0.0.weight"] == pytest.approx(0.01 / 32)
    assert rates["backbone.downsample_layers.3.0.weight"] == rates["backbone.stages.3.0.gamma"] == pytest.approx(0.005)


@pytest.mark.parametrize("name", ["adapter.weight", "spm.stem.weight", "level_embed", "norms_of_mine.x"])
def test_a_backbone_with_other_parameters_is_refused_as_stock_does(name):
    model = Segmentor(NamedLikeItsRelease("blocks.0.weight", name))
    with pytest.raises(UserError, match=rf"got the parameter backbone\.{name}.*default constructor"):
        wrap(model)
    with pytest.raises(NotImplementedError):
        rates_of(model, "LearningRateDecayOptimizerConstructor", num_layers=1, decay_rate=0.9)


def test_a_frozen_parameter_of_no_layer_is_left_out_as_by_stock():
    model = Segmentor(NamedLikeItsRelease("blocks.0.weight", "adapter.weight"))
    dict(model.named_parameters())["backbone.adapter.weight"].requires_grad_(False)
    names = {name for group in wrap(model).optimizer.param_groups for name in group["param_names"]}
    assert "backbone.blocks.0.weight" in names
    assert "backbone.adapter.weight" not in names


def test_a_wrong_number_of_layers_is_refused():
    with pytest.raises(UserError, match=r"`num_layers` to be the number of the backbone's blocks, 2, got 12"):
        wrap(Segmentor(DINO("dinov2_vits14", frozen=False, arch_overrides=TINY)), num_layers=12)


def test_a_backbone_without_blocks_and_an_optimizer_without_a_rate_are_refused():
    with pytest.raises(UserError, match=r"found none\. Use the default constructor"):
        wrap(Segmentor(nn.Conv2d(3, 8, 1)))
    with pytest.raises(UserError, match=r"Expected `lr` in optim_wrapper\.optimizer"):
        wrap(Segmentor(nn.Identity()), lr=None)
