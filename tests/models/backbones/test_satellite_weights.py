"""DINOv3's satellite weights under the mean and std of ImageNet, and under their own."""

import logging

import pytest
import torch
from micro_networks import FAMILIES, official_state, random_network
from mmengine.logging import MMLogger
from mmseg.registry import MODELS
from torch import nn

from mmseg_ext.models.backbones.satellite_weights import hold_satellite_weights, warn_of_normalization

IMAGENET = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}
SATELLITE = {"mean": [109.65, 104.805, 75.48], "std": [54.315, 39.78, 36.465]}  # 255 × the release's numbers

pytestmark = pytest.mark.usefixtures("mmseg_scope")


def warnings_of(tmp_path, file_name, norm):
    arch, _name, overrides = FAMILIES["dinov3"]
    torch.save(official_state("dinov3", random_network("dinov3")), tmp_path / file_name)
    backbone = {
        "type": "mmseg_ext.DINO",
        "arch": arch,
        "checkpoint": str(tmp_path / file_name),
        "arch_overrides": overrides,
    }
    model = MODELS.build(
        {
            "type": "EncoderDecoder",
            "data_preprocessor": {"type": "SegDataPreProcessor", "bgr_to_rgb": True, **norm},
            "backbone": backbone,
            "decode_head": {"type": "mmseg_ext.LinearHead", "in_channels": 32, "num_classes": 2},
        }
    )
    logger = MMLogger.get_instance(tmp_path.name)
    found = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: found.append(record.getMessage())
    logger.addHandler(handler)
    warn_of_normalization(model)
    return [text for text in found if "SAT-493M" in text]


@pytest.mark.parametrize("norm", [IMAGENET, {}])
def test_another_mean_and_std_is_a_warning_with_the_right_numbers(tmp_path, norm):
    (text,) = warnings_of(tmp_path, "dinov3_vitl16_pretrain_sat493m-eadcf0ff.pth", norm)
    for part in ("(0.43, 0.411, 0.296)", "(0.213, 0.156, 0.143)", str(SATELLITE["mean"]), str(SATELLITE["std"])):
        assert part in text
    assert str(norm.get("mean")) in text


def test_their_own_mean_and_std_and_other_weights_are_no_warning(tmp_path):
    assert warnings_of(tmp_path, "dinov3_vitl16_pretrain_sat493m-eadcf0ff.pth", SATELLITE) == []
    assert warnings_of(tmp_path, "dinov3_vitl16_pretrain_lvd1689m-8aa4cbdd.pth", IMAGENET) == []
    warn_of_normalization(nn.Linear(1, 1))


def test_a_file_of_vit_l_is_known_under_any_name():
    assert hold_satellite_weights({"local_cls_norm.weight": torch.ones(1024)})
    assert not hold_satellite_weights({"local_cls_norm.weight": torch.ones(4096)})  # of ViT-7B both releases have it
    assert not hold_satellite_weights({"norm.weight": torch.ones(1024)})
