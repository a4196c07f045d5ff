"""Features equal those of the official code, on weights with the official keys."""

import numpy as np
import pytest
import torch

from mmseg_ext.models import DINO

FILES = {
    "dino_v1": "dino_vits16",
    "dinov2": "dinov2_vits14",
    "dinov2_reg": "dinov2_vits14_reg",
    "dinov3": "dinov3_vits16",
}
MICRO = {"embed_dim": 64, "depth": 4, "num_heads": 2}
LAYERS = (1, 3)


@pytest.fixture
def golden(shared_data):
    folder = shared_data / "dino_golden"
    if not folder.is_dir():
        pytest.skip("no outputs of the official DINO code on this machine: ../shared/data/dino_golden is missing")
    return folder


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("size", ["native", "small"])
@torch.no_grad()
def test_features_are_those_of_the_official_code(golden, name, size):
    backbone = DINO(FILES[name], str(golden / f"{name}_micro.pth"), out_indices=LAYERS, arch_overrides=MICRO)
    arrays = np.load(golden / f"{name}_micro_io.npz")
    outputs = backbone(torch.from_numpy(arrays[f"{size}_input"]))
    for layer, output in zip(LAYERS, outputs, strict=True):
        torch.testing.assert_close(output.numpy(), arrays[f"{size}_patch_block{layer}"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["dino_v1", "dinov2"])
@torch.no_grad()
def test_timm_interpolation_is_another_one(golden, name):
    checkpoint = str(golden / f"{name}_micro.pth")
    backbone = DINO(FILES[name], checkpoint, out_indices=3, pos_interp="timm", arch_overrides=MICRO)
    arrays = np.load(golden / f"{name}_micro_io.npz")
    (output,) = backbone(torch.from_numpy(arrays["small_input"]))
    assert np.abs(output.numpy() - arrays["small_patch_block3"]).max() > 1e-3
