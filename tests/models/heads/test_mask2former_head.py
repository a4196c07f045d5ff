"""Mask2Former's head against mmseg's own, which runs on CPU."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModule
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_ext.errors import UserError
from mmseg_ext.models.heads import mask2former_head
from mmseg_ext.models.layers import MultiScaleDeformableAttention

MODEL = Path(__file__).resolve().parents[3] / "configs" / "_base_" / "models" / "mask2former_swin-s.py"

pytestmark = pytest.mark.usefixtures("mmseg_scope")


def head_config(kind):
    config = Config.fromfile(MODEL).model.decode_head
    config.type = kind
    config.in_channels = [4, 8, 12, 16]
    config.num_queries = 5
    config.num_classes = 3
    config.loss_cls.class_weight = [1.0] * 3 + [0.1]
    config.pixel_decoder.encoder.num_layers = 2
    config.transformer_decoder.num_layers = 2
    config.train_cfg.num_points = 64
    config.train_cfg.importance_sample_ratio = 0.0  # which points are the least certain depends on the rounding
    return config


def build(kind):
    torch.manual_seed(0)
    head = MODELS.build(head_config(kind))
    head.init_weights()
    return head


def test_the_attention_is_ours_and_initialised_as_mmsegs():
    theirs, ours = build("Mask2FormerHead"), build("mmseg_ext.Mask2FormerHead")
    attentions = [m for m in ours.modules() if isinstance(m, MultiScaleDeformableAttention)]
    assert len(attentions) == 2
    assert {n: p.shape for n, p in ours.state_dict().items()} == {n: p.shape for n, p in theirs.state_dict().items()}
    expected = dict(theirs.named_parameters())
    for name, parameter in ours.named_parameters():
        assert parameter.std().item() == pytest.approx(expected[name].std().item(), rel=0.3, abs=1e-6), name
        if "sampling_offsets" in name or "attention_weights" in name:
            torch.testing.assert_close(parameter, expected[name], rtol=0, atol=1e-6)


def test_losses_gradients_and_predictions_are_mmsegs():
    theirs, ours = build("Mask2FormerHead"), build("mmseg_ext.Mask2FormerHead")
    ours.load_state_dict(theirs.state_dict())
    generator = torch.Generator().manual_seed(0)
    features = [
        torch.randn(2, channels, side, side + 1, generator=generator)
        for channels, side in zip((4, 8, 12, 16), (16, 8, 4, 2), strict=True)
    ]
    samples = []
    for _ in range(2):
        sample = SegDataSample(metainfo={"img_shape": (64, 68), "batch_input_shape": (64, 68)})
        sample.gt_sem_seg = PixelData(data=torch.randint(3, (1, 64, 68), generator=generator))
        samples.append(sample)
    results = []
    for head in (theirs, ours):
        torch.manual_seed(1)  # the points at which masks are compared are drawn
        losses = head.loss(features, samples, head.train_cfg)
        sum(losses.values()).backward()
        with torch.no_grad():
            prediction = head.eval().predict(features, [sample.metainfo for sample in samples], {})
        results.append((losses, prediction, dict(head.named_parameters())))
    (losses, prediction, parameters), (our_losses, our_prediction, our_parameters) = results
    assert losses.keys() == our_losses.keys()
    for name, loss in losses.items():
        torch.testing.assert_close(our_losses[name], loss, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(our_prediction, prediction, rtol=1e-4, atol=1e-5)
    for name, parameter in parameters.items():
        if parameter.grad is not None:
            torch.testing.assert_close(our_parameters[name].grad, parameter.grad, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("loss", ["MaskLoss", "PointMaskLoss"])
def test_the_losses_of_the_package_are_mmsegs_on_full_labels(loss):
    config = head_config("mmseg_ext.Mask2FormerHead")
    config.loss_decode = dict(type=f"mmseg_ext.{loss}", num_points=64, importance_sample_ratio=0.0)
    theirs, ours = build("mmseg_ext.Mask2FormerHead"), MODELS.build(config)
    ours.load_state_dict(theirs.state_dict())
    generator = torch.Generator().manual_seed(0)
    features = [torch.randn(2, 4 * n, 32 >> n, 32 >> n, generator=generator) for n in range(1, 5)]
    samples = []
    for _ in range(2):
        sample = SegDataSample(metainfo={"img_shape": (64, 64), "batch_input_shape": (64, 64)})
        sample.gt_sem_seg = PixelData(data=torch.randint(3, (1, 64, 64), generator=generator))
        samples.append(sample)
    results = []
    for head in (theirs, ours):
        torch.manual_seed(1)
        results.append(head.loss(features, samples, None))
    assert results[0].keys() == results[1].keys()
    for name, value in results[0].items():
        torch.testing.assert_close(results[1][name], value.squeeze(), rtol=1e-4, atol=1e-5)


def test_without_mmdet_the_error_says_what_to_do(monkeypatch):
    class Bare(BaseModule):
        """What mmseg's head is where mmdet cannot be imported."""

    monkeypatch.setattr(mask2former_head, "MMSegMask2FormerHead", Bare)
    with pytest.raises(UserError, match=r"mmdet's models for Mask2Former.*stack\.prepare\(\).*pip install onedl-mmdet"):
        MODELS.build(head_config("mmseg_ext.Mask2FormerHead"))
