"""Heads that predict masks, applied to images and windows."""

from pathlib import Path

import numpy as np
import pytest
import torch
from color_predictor import smooth_colors
from mmengine.config import Config
from small_runs import NETWORKS, RESNET, save_run

from mmseg_ext import load_model

MODEL = Path(__file__).resolve().parents[2] / "configs" / "_base_" / "models" / "mask2former_swin-s.py"


def mask2former():
    head = Config.fromfile(MODEL).model.decode_head.to_dict()
    head.update(in_channels=[8, 16, 32, 64], num_queries=6, num_classes=3)
    head["loss_cls"]["class_weight"] = [1.0] * 3 + [0.1]
    head["pixel_decoder"]["encoder"]["num_layers"] = head["transformer_decoder"]["num_layers"] = 2
    return {"backbone": RESNET, "decode_head": head}


@pytest.mark.parametrize("name", ["mask2former", "knet"])
def test_images_and_windows_have_the_classes_of_the_head(name, tmp_path):
    network = {**NETWORKS, "mask2former": mask2former()}[name]
    model = load_model(save_run(tmp_path / "run", network), device="cpu")
    image_HWC = smooth_colors(64, 96)
    with torch.no_grad():
        inputs = torch.from_numpy(image_HWC.astype(np.float32)).movedim(-1, 0)[None]
        mean, std = (
            values.view(1, 3, 1, 1) for values in (torch.tensor([120.0, 110, 100]), torch.tensor([60.0, 50, 40]))
        )
        metas = [{"img_shape": (64, 96), "ori_shape": (64, 96), "pad_shape": (64, 96), "batch_input_shape": (64, 96)}]
        scores_CHW = model.segmentor.inference((inputs - mean) / std, metas)[0]
    # Logits of K-Net; sums over masks of Mask2Former.
    expected_CHW = scores_CHW.softmax(0) if name == "knet" else scores_CHW / scores_CHW.sum(0)
    two_highest = expected_CHW.topk(2, dim=0).values
    is_clear_HW = (two_highest[0] - two_highest[1] > 1e-4).numpy()
    assert is_clear_HW.mean() > 0.9
    expected_HW = scores_CHW.argmax(0).numpy()
    found = model.predict(image_HWC, probabilities=True)
    logits_CHW = model.logits(image_HWC[None])[0]
    for probabilities_CHW in (torch.from_numpy(found.probabilities_CHW), logits_CHW.softmax(0)):
        torch.testing.assert_close(probabilities_CHW, expected_CHW, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(found.classes_HW[is_clear_HW], expected_HW[is_clear_HW])
