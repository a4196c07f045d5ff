import socket

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_ext.errors import UserError
from mmseg_ext.models import SMPBackbone

THIN = {
    "unet": {"decoder_channels": (16, 8, 8, 8, 4)},
    "unet++": {"decoder_channels": (16, 8, 8, 8, 4)},
    "fpn": {"decoder_pyramid_channels": 16, "decoder_segmentation_channels": 32},
    "deeplabv3+": {"decoder_channels": 16},
}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    """Any attempt to reach a network fails."""

    def refuse(*args, **kwargs):
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("arch", THIN)
def test_features_are_smps_own_on_sizes_that_fit(arch):
    torch.manual_seed(0)
    backbone = SMPBackbone(arch, "resnet18", **THIN[arch]).eval()
    kind = {"unet": smp.Unet, "unet++": smp.UnetPlusPlus, "fpn": smp.FPN, "deeplabv3+": smp.DeepLabV3Plus}[arch]
    own = kind("resnet18", encoder_weights=None, classes=3, **THIN[arch]).eval()
    own.encoder.load_state_dict(backbone.encoder.state_dict())
    own.decoder.load_state_dict(backbone.decoder.state_dict())
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        (features,) = backbone(images)
        expected = own.decoder(own.encoder(images))
    if arch in ("fpn", "deeplabv3+"):
        assert expected.shape[2:] == (16, 24)
        expected = F.interpolate(expected, size=(64, 96), mode="bilinear", align_corners=False)
    torch.testing.assert_close(features, expected)
    assert features.shape == (2, backbone.out_channels, 64, 96)


@pytest.mark.parametrize(("arch", "size"), [("unet", (33, 50)), ("fpn", (65, 40)), ("deeplabv3+", (47, 33))])
def test_other_sizes_are_padded_and_cropped_back(arch, size):
    torch.manual_seed(0)
    backbone = SMPBackbone(arch, "resnet18", **THIN[arch]).eval()
    images = torch.randn(1, 3, *size)
    bottom, right = -size[0] % backbone.stride, -size[1] % backbone.stride
    with torch.no_grad():
        (features,) = backbone(images)
        (of_padded,) = backbone(F.pad(images, (0, right, 0, bottom)))
    assert features.shape[2:] == size
    torch.testing.assert_close(features, of_padded[:, :, : size[0], : size[1]])


def test_attention_and_timm_encoders():
    plain = SMPBackbone("unet", "resnet18", **THIN["unet"])
    scse = SMPBackbone("unet", "resnet18", decoder_attention_type="scse", **THIN["unet"])
    assert len(scse.state_dict()) > len(plain.state_dict())
    timm = SMPBackbone("Unet", "tu-resnet18", in_channels=4, **THIN["unet"]).eval()
    with torch.no_grad():
        assert timm(torch.zeros(1, 4, 32, 40))[0].shape == (1, 4, 32, 40)


@pytest.mark.usefixtures("mmseg_scope")
@pytest.mark.parametrize(
    ("head", "loss"),
    [
        ({"type": "mmseg_ext.PointFCNHead", "num_classes": 3}, {"type": "mmseg_ext.PartialCrossEntropyLoss"}),
        (
            {"type": "mmseg_ext.PointFCNHead", "num_classes": 2, "out_channels": 1, "threshold": 0.5},
            [
                {"type": "mmseg_ext.PartialBinaryCrossEntropyLoss"},
                {"type": "mmseg_ext.PartialDiceLoss", "use_sigmoid": True},
            ],
        ),
        ({"type": "mmseg_ext.LinearHead", "num_classes": 3}, {"type": "CrossEntropyLoss"}),
    ],
    ids=["points", "binary points", "stock loss"],
)
def test_points_train_a_network_on_top(head, loss):
    torch.manual_seed(0)
    if "FCN" in head["type"]:
        head = {**head, "channels": 4, "num_convs": 0, "concat_input": False, "in_index": 0}
    model = MODELS.build(
        {
            "type": "EncoderDecoder",
            "backbone": {"type": "mmseg_ext.SMPBackbone", "arch": "unet", "encoder_name": "resnet18", **THIN["unet"]},
            "decode_head": {**head, "in_channels": 4, "norm_cfg": {"type": "BN"}, "loss_decode": loss},
            "train_cfg": {},
            "test_cfg": ConfigDict(mode="whole"),
        }
    )
    images = torch.randn(2, 3, 40, 40)
    samples = []
    for image in images:
        labels = torch.full((1, 40, 40), 255)
        places = torch.randperm(1600)[:30]
        labels.view(-1)[places] = (image[0].reshape(-1)[places] > 0).long()
        samples.append(
            SegDataSample(gt_sem_seg=PixelData(data=labels), metainfo={"img_shape": (40, 40), "ori_shape": (40, 40)})
        )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    values = []
    for _ in range(12):
        losses = model.loss(images, samples)
        value = sum(v for name, v in losses.items() if "loss" in name)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    # Twelve seeds, with and (points) without vector instructions: 0.07 to 0.57 of the first loss.
    assert values[-1] < 0.85 * values[0]
    assert all(p.grad is not None for p in model.backbone.parameters())
    model.eval()
    predicted = model.predict(images, samples)[0].pred_sem_seg.data
    assert predicted.shape == (1, 40, 40)
    assert predicted.max() < head["num_classes"]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"arch": "segnet"}, r"`arch` to be one of unet, unet\+\+, fpn, deeplabv3\+, got 'segnet'"),
        ({"encoder_name": "resnet43"}, r"such as resnet.*, or 'tu-' and the name of a timm model, got 'resnet43'"),
        ({"encoder_name": "tu-resnet43"}, r"timm model, such as resnet.*got 'tu-resnet43'"),
        ({"encoder_name": "resnet18", "encoder_weights": "coco"}, r"None or one of 'imagenet'.*got 'coco'"),
        ({"encoder_name": "resnet18", "classes": 3}, "got 'classes'"),
        ({"arch": "fpn", "encoder_name": "resnet18", "decoder_attention_type": "scse"}, "got 'decoder_attention_type'"),
        ({"encoder_name": "resnet18", "decoder_channels": (4, 4)}, "Expected what Unet with resnet18 takes"),
        ({"arch": "unet++", "encoder_name": "mit_b0"}, "Expected what UnetPlusPlus with mit_b0 takes"),
    ],
)
def test_what_smp_does_not_know_is_refused_in_one_line(kwargs, message):
    with pytest.raises(UserError, match=message):
        SMPBackbone(**kwargs)


@pytest.mark.parametrize("name", ["resnet18", "tu-resnet18"])
def test_weights_that_cannot_be_had_are_explained(name, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    backbone = SMPBackbone("unet", name, encoder_weights="imagenet")  # a checkpoint is tested without a download
    with pytest.raises(UserError, match=r"Could not download the weights .*encoder_weights=None"):
        backbone.init_weights()


def test_pretrained_weights_of_the_encoder_are_loaded_when_training_starts(monkeypatch, tmp_path):
    import safetensors.torch

    torch.manual_seed(0)
    trained = smp.encoders.get_encoder("resnet18", weights=None)
    safetensors.torch.save_file(trained.state_dict(), tmp_path / "model.safetensors")
    monkeypatch.setattr(
        "segmentation_models_pytorch.encoders.hf_hub_download", lambda _, filename, **__: tmp_path / filename
    )
    monkeypatch.setattr("mmseg_ext.stack.downloads._hub_unreachable", lambda: None)
    backbone = SMPBackbone("unet", "resnet18", encoder_weights="imagenet", **THIN["unet"])
    decoder = {name: tensor.clone() for name, tensor in backbone.decoder.state_dict().items()}
    assert not torch.equal(backbone.encoder.conv1.weight, trained.conv1.weight)
    backbone.init_weights()
    for name, tensor in trained.state_dict().items():
        assert torch.equal(backbone.encoder.state_dict()[name], tensor)
    for name, tensor in decoder.items():
        assert torch.equal(backbone.decoder.state_dict()[name], tensor)


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "segmentation_models_pytorch", None)
    with pytest.raises(UserError, match="python -m pip install segmentation-models-pytorch"):
        SMPBackbone("unet", "resnet18")


def test_an_encoder_with_an_initialisation_of_its_own_keeps_its_pretrained_weights(monkeypatch):
    """timm's ResNets have `init_weights`, which mmengine calls on every child that has one."""
    torch.manual_seed(0)
    backbone = SMPBackbone("unet", "timm-skresnet18", encoder_weights="imagenet", **THIN["unet"])
    assert hasattr(backbone.encoder, "init_weights")
    trained = SMPBackbone("unet", "timm-skresnet18", **THIN["unet"])
    monkeypatch.setattr(backbone, "_build_with", lambda weights: trained)
    backbone.init_weights()
    for name, tensor in trained.encoder.state_dict().items():
        assert torch.equal(backbone.encoder.state_dict()[name], tensor), name
