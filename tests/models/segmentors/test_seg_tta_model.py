"""Test-time augmentation against averaging by hand."""

import copy

import numpy as np
import pytest
import torch
from comparisons import assert_same_classes
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.models.segmentors import SegTTAModel as StockSegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from segmentor_pairs import HEADS, build_pair
from torch import nn

from mmseg_ext.errors import UserError
from mmseg_ext.models import SegTTAModel
from mmseg_ext.models.segmentors.seg_tta_model import mean_probabilities


class Scripted(nn.Module):
    """A segmentor of which only the head's settings are asked for."""

    def __init__(self, out_channels, threshold=0.5):
        super().__init__()
        self.out_channels = out_channels
        self.decode_head = nn.Module()
        self.decode_head.threshold = threshold

    def test_step(self, data):
        return data["data_samples"]


def samples_of(outputs):
    """One image's samples, one an augmentation."""
    samples = []
    for output in outputs:
        sample = SegDataSample(metainfo={"img_path": "1.png", "ori_shape": tuple(output.shape[1:])})
        sample.seg_logits = PixelData(data=output)
        sample.gt_sem_seg = PixelData(data=torch.zeros(1, *output.shape[1:], dtype=torch.long))
        samples.append(sample)
    return samples


def test_one_channel_is_averaged_as_probabilities():
    torch.manual_seed(0)
    logits = [torch.randn(1, 4, 5) * 4 for _ in range(3)]
    expected = torch.stack([x.sigmoid() for x in logits]).mean(0)
    (merged,) = SegTTAModel(Scripted(1, 0.4)).merge_preds([samples_of([x.sigmoid() for x in logits])])
    torch.testing.assert_close(merged.seg_logits.data, expected)
    assert_same_classes(merged.pred_sem_seg.data[0], expected, 0.4)
    assert merged.pred_sem_seg.data.shape == (1, 4, 5)
    assert merged.ori_shape == (4, 5)
    assert merged.img_path == "1.png"
    assert "gt_sem_seg" in merged


def test_background_for_certain_stays_background():
    outputs = [torch.full((1, 2, 2), -8.0).sigmoid() for _ in range(2)]
    (ours,) = SegTTAModel(Scripted(1)).merge_preds([samples_of(outputs)])
    (stock,) = StockSegTTAModel(Scripted(1)).merge_preds([samples_of(outputs)])
    assert not ours.pred_sem_seg.data.any()
    assert stock.pred_sem_seg.data.all()  # the sigmoid of nearly 0 is just above 0.5


def test_several_channels_are_averaged_as_by_mmseg():
    torch.manual_seed(0)
    images = [[torch.randn(4, 5, 6) for _ in range(3)] for _ in range(2)]
    ours = SegTTAModel(Scripted(4)).merge_preds([samples_of(outputs) for outputs in images])
    stock = StockSegTTAModel(Scripted(4)).merge_preds([samples_of(outputs) for outputs in images])
    for found, expected, outputs in zip(ours, stock, images, strict=True):
        mean = torch.stack([x.softmax(0) for x in outputs]).mean(0)
        torch.testing.assert_close(found.seg_logits.data, mean)
        for sample in (found, expected):
            assert_same_classes(sample.pred_sem_seg.data[0], mean)
    half = mean_probabilities([x.half() for x in images[0]])
    assert half.dtype == torch.float32


def test_what_cannot_be_averaged_is_an_error():
    with pytest.raises(ValueError, match=r"probabilities in 0\.\.1, got -8 to -8"):
        mean_probabilities([torch.full((1, 2, 2), -8.0)])
    sample = SegDataSample(metainfo={"img_path": "1.png"})
    with pytest.raises(UserError, match="leaves `seg_logits` in its samples, got Scripted"):
        SegTTAModel(Scripted(1)).merge_preds([[sample]])


def test_a_segmentor_that_is_put_in_later_keeps_its_logits():
    class Blockwise(Scripted):
        keep_logits = False

        def test_step(self, data):
            assert self.keep_logits
            return data["data_samples"]

    model = SegTTAModel(Scripted(2))
    model.module = Blockwise(2)
    outputs = [torch.randn(2, 4, 5) for _ in range(2)]
    # One list an augmentation, each with one sample an image.
    (found,) = model.test_step({"inputs": [[None]] * 2, "data_samples": [[s] for s in samples_of(outputs)]})
    torch.testing.assert_close(found.seg_logits.data, torch.stack(outputs).softmax(1).mean(0))


@pytest.mark.parametrize("directions", [("horizontal", "vertical"), ("vertical", "horizontal")])
def test_augmentations_of_many_sizes_and_directions(directions, mmseg_scope):
    """Twelve predictions of as many sizes, every other one flipped, have the mean of their probabilities."""
    torch.manual_seed(0)
    stock, ours = build_pair(HEADS["softmax"])
    inputs, samples = [], []
    for i in range(12):
        size = (20 + i, 26 + i)
        inputs.append(torch.randn(1, 3, *size))
        meta = {"img_path": "1.png", "ori_shape": (20, 26), "img_shape": size, "pad_shape": size}
        flip = {"flip": i % 2 == 0, "flip_direction": directions[i % 3 == 0]}
        samples.append([SegDataSample(metainfo={**meta, **flip})])
    with torch.no_grad():
        single = [
            stock.test_step({"inputs": image, "data_samples": copy.deepcopy(sample)})[0].seg_logits.data.softmax(0)
            for image, sample in zip(inputs, samples, strict=True)
        ]
        mean = torch.stack(single).mean(0)
        data = {"inputs": inputs, "data_samples": samples}
        (expected,) = StockSegTTAModel(stock).eval().test_step(copy.deepcopy(data))
        (found,) = SegTTAModel(ours).eval().test_step(data)
    torch.testing.assert_close(found.seg_logits.data, mean)
    assert_same_classes(found.pred_sem_seg.data[0], mean)
    assert_same_classes(expected.pred_sem_seg.data[0], mean)


@pytest.mark.parametrize("kind", ["EncoderDecoder", "mmseg_ext.EncoderDecoder"])
@pytest.mark.parametrize("out_channels", [1, 2])
def test_a_segmentor_and_its_mirrored_image(kind, out_channels, mmseg_scope):
    torch.manual_seed(0)
    head = {
        "type": "FCNHead",
        "in_channels": 8,
        "in_index": 0,
        "channels": 4,
        "num_convs": 1,
        "dropout_ratio": 0.0,
        "num_classes": 2,
        "out_channels": out_channels,
        "threshold": 0.45,
        "loss_decode": {"type": "CrossEntropyLoss", "use_sigmoid": out_channels == 1},
    }
    backbone = {"type": "ResNetV1c", "depth": 18, "stem_channels": 8, "base_channels": 8, "num_stages": 1}
    backbone |= {"strides": (1,), "dilations": (1,), "out_indices": (0,), "norm_cfg": {"type": "BN"}}
    module = {
        "type": kind,
        "data_preprocessor": {"type": "SegDataPreProcessor", "mean": [0.0] * 3, "std": [50.0] * 3},
        "backbone": backbone,
        "decode_head": head,
        "test_cfg": ConfigDict(mode="whole"),
    }
    model = MODELS.build({"type": "mmseg_ext.SegTTAModel", "module": module}).eval()
    image = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 20, 24), dtype=np.uint8))
    inputs, samples = [], []
    for flip in (False, True):
        meta = {"img_path": "1.png", "ori_shape": (10, 12), "img_shape": (20, 24), "flip": flip}
        meta |= {"flip_direction": "horizontal"} if flip else {}
        inputs.append([image.flip(2) if flip else image])
        samples.append([SegDataSample(metainfo=meta)])
    with torch.no_grad():
        (found,) = model.test_step({"inputs": inputs, "data_samples": samples})
        probabilities = []
        for flip in (False, True):
            x = (image.flip(2) if flip else image)[None].float() / 50
            logits = nn.functional.interpolate(model.module._forward(x), (20, 24), mode="bilinear")
            logits = logits.flip(3) if flip else logits
            logits = nn.functional.interpolate(logits, (10, 12), mode="bilinear")[0]
            probabilities.append(logits.sigmoid() if out_channels == 1 else logits.softmax(0))
    mean = torch.stack(probabilities).mean(0)
    torch.testing.assert_close(found.seg_logits.data, mean)
    assert_same_classes(found.pred_sem_seg.data[0], mean, 0.45 if out_channels == 1 else None)
