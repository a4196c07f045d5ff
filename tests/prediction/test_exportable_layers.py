"""Exportable forms compute what the layers compute, and are gone after the block."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.models.backbones.swin import ShiftWindowMSA
from mmseg.models.utils import Upsample
from torch import nn

from mmseg_ext.prediction.exportable_layers import average_bins, exportable_layers


@pytest.mark.parametrize("shape", [(4, 4), (16, 13), (7, 11), (1, 6), (3, 50)])
@pytest.mark.parametrize("bins", [(1, 1), (2, 3), (6, 6)])
def test_bins_are_those_of_adaptive_pooling(shape, bins):
    values = torch.randn(2, 3, *shape, dtype=torch.float64)
    torch.testing.assert_close(average_bins(values, *bins), F.adaptive_avg_pool2d(values, bins))


def layers():
    swin = ShiftWindowMSA(embed_dims=4, num_heads=2, window_size=3, shift_size=1)
    return nn.ModuleDict(
        {
            "up": Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            "up_to": Upsample(size=(9, 8), mode="nearest"),
            "up_by_half": Upsample(scale_factor=1.5, mode="nearest"),
            "pool": nn.AdaptiveAvgPool2d(3),
            "pool_rows": nn.AdaptiveAvgPool2d((2, None)),
            "attention": swin,
        }
    ).eval()


def outputs(modules):
    image = torch.randn(2, 4, 6, 8, generator=torch.Generator().manual_seed(0))
    found = {name: module(image) for name, module in modules.items() if name != "attention"}
    return {**found, "attention": modules["attention"](image.flatten(2).transpose(1, 2), (6, 8))}


def test_layers_compute_the_same_and_are_as_before_after_the_block():
    modules = layers()
    methods = {name: vars(module).copy() for name, module in modules.items()}
    with torch.no_grad():
        expected = outputs(modules)
        with exportable_layers(modules):
            assert "forward" in vars(modules["up"])
            assert "window_reverse" in vars(modules["attention"])
            found = outputs(modules)
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, msg=name)
    assert {name: set(vars(module)) for name, module in modules.items()} == {n: set(v) for n, v in methods.items()}
