"""Block by block against stock mmseg: the same class maps and samples, the loss against torch's on stock's logits."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.structures import SegDataSample
from torch import nn

from mmseg_ext.errors import UserError
from mmseg_ext.models.resampling import predicted_images
from mmseg_ext.models.resampling.image_logits import ImageLogits
from mmseg_ext.registry import MODELS


@MODELS.register_module(force=True)
class StridedBackbone(BaseModule):
    """Features at a quarter of the size, rounded up."""

    def __init__(self, stride=4):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=stride, padding=1)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return (self.conv(x),)


@MODELS.register_module(force=True)
class MaskProductHead(BaseDecodeHead):
    """Predicts as Mask2Former does: enlarged masks times class probabilities, with a `predict` of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.masks = nn.Conv2d(self.in_channels, 6, 1)
        self.classes = nn.Parameter(torch.randn(6, self.num_classes))

    def forward(self, inputs):
        return self.masks(inputs[0])

    def predict(self, inputs, batch_img_metas, test_cfg):
        masks = F.interpolate(self.forward(inputs), size=batch_img_metas[0]["pad_shape"], mode="bilinear").sigmoid()
        return torch.einsum("qc,nqhw->nchw", self.classes.softmax(1), masks)


def fcn_head(num_classes=5, **kwargs):
    return {
        "type": "FCNHead",
        "in_channels": 8,
        "in_index": 0,
        "channels": 8,
        "num_convs": 1,
        "concat_input": False,
        "norm_cfg": {"type": "BN"},
        "num_classes": num_classes,
        "init_cfg": None,
        **kwargs,
    }


def knet_head():
    update = {
        "type": "KernelUpdateHead",
        "num_classes": 5,
        "num_heads": 2,
        "num_mask_fcs": 1,
        "feedforward_channels": 16,
        "in_channels": 8,
        "out_channels": 8,
        "feat_transform_cfg": {"conv_cfg": {"type": "Conv2d"}, "act_cfg": None},
        "kernel_updator_cfg": {
            "type": "KernelUpdator",
            "in_channels": 8,
            "feat_channels": 8,
            "out_channels": 8,
            "act_cfg": {"type": "ReLU", "inplace": True},
            "norm_cfg": {"type": "LN"},
        },
    }
    return {
        "type": "IterativeDecodeHead",
        "num_stages": 1,
        "kernel_update_head": [update],
        "kernel_generate_head": fcn_head(),
    }


HEADS = {
    "softmax": fcn_head(),
    "corners": fcn_head(align_corners=True),
    "many classes": fcn_head(num_classes=150),
    "sigmoid": fcn_head(num_classes=2, out_channels=1, threshold=0.45),
    "knet": knet_head(),
    "masks": fcn_head(type="mmseg_ext.MaskProductHead", num_convs=None, concat_input=None),
    "enc": fcn_head(type="EncHead", num_convs=None, concat_input=None, num_codes=4, use_se_loss=False, in_channels=[8]),
}
HEADS["masks"] = {k: v for k, v in HEADS["masks"].items() if v is not None or k == "init_cfg"}
HEADS["masks"].pop("norm_cfg")
HEADS["enc"] = {k: v for k, v in HEADS["enc"].items() if v is not None or k == "init_cfg"} | {"in_index": [0]}


def build(kind, head, test_cfg=None, **kwargs):
    """Stock and ours with the same random weights, in evaluation mode."""
    torch.manual_seed(0)
    model = MODELS.build(
        {
            "type": kind,
            "backbone": {"type": "mmseg_ext.StridedBackbone"},
            "decode_head": copy.deepcopy(head),
            "test_cfg": ConfigDict(test_cfg or {"mode": "whole"}),
            **kwargs,
        }
    )
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
    return model.eval()


def build_pair(head, test_cfg=None, **kwargs):
    return build("EncoderDecoder", head, test_cfg), build("mmseg_ext.EncoderDecoder", head, test_cfg, **kwargs)


def make_samples(shape, originals, padding=(0, 0, 0, 0), flip=None, num_classes=None):
    """Samples as the test pipeline and SegDataPreProcessor leave them; padding is left, right, top, bottom."""
    samples = []
    for i, original in enumerate(originals):
        left, right, top, bottom = padding
        meta = {
            "img_path": f"images/{i}.png",
            "seg_map_path": f"masks/{i}.png",
            "ori_shape": original,
            "img_shape": (shape[0] - top - bottom, shape[1] - left - right),
            "pad_shape": shape,
            "img_padding_size": padding,
            "flip": flip is not None,
            "flip_direction": flip,
        }
        sample = SegDataSample(metainfo=meta)
        if num_classes:
            generator = torch.Generator().manual_seed(i)
            labels = torch.randint(num_classes, original, generator=generator)
            labels[torch.rand(original, generator=generator) < 0.3] = 255
            sample.gt_sem_seg = PixelData(data=labels[None])
        samples.append(sample)
    return samples


def compare(pair, shape, originals, **kwargs):
    inputs = torch.randn(len(originals), 3, *shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        stock, ours = (model.predict(inputs, make_samples(shape, originals, **kwargs)) for model in pair)
    for expected, found, original in zip(stock, ours, originals, strict=True):
        assert found.pred_sem_seg.data.dtype == expected.pred_sem_seg.data.dtype
        assert tuple(found.pred_sem_seg.data.shape) == (1, *original)
        assert torch.equal(found.pred_sem_seg.data, expected.pred_sem_seg.data)
        assert len(expected.pred_sem_seg.data.unique()) > 1
        assert found.metainfo == expected.metainfo
        assert "seg_logits" not in found
    return stock, ours


SLIDE = {"mode": "slide", "crop_size": (32, 40), "stride": (20, 24)}


@pytest.mark.parametrize(
    ("name", "test_cfg"),
    # Stock cannot slide with a head that goes by pad_shape.
    [(name, cfg) for name in HEADS for cfg in (None, SLIDE) if (name, cfg) != ("masks", SLIDE)],
)
def test_every_head_predicts_the_stock_classes(mmseg_scope, name, test_cfg):
    pair = build_pair(HEADS[name], test_cfg)
    assert pair[1].has_plain_head == (name not in ("masks", "enc"))
    compare(pair, (64, 80), [(64, 80)])
    compare(pair, (64, 80), [(150, 201)])


@pytest.mark.parametrize("test_cfg", [None, SLIDE], ids=["whole", "slide"])
@pytest.mark.parametrize("flip", [None, "horizontal", "vertical"])
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (3, 8, 5, 2)])
@pytest.mark.parametrize("original", [(57, 69), (300, 411), (31, 20), (1, 1)])
@pytest.mark.parametrize("name", ["softmax", "corners", "sigmoid"])
def test_padding_flip_and_size_are_undone_as_in_stock(mmseg_scope, name, original, padding, flip, test_cfg):
    pair = build_pair(HEADS[name], test_cfg)
    inputs = torch.randn(1, 3, 64, 80, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        stock, ours = (m.predict(inputs, make_samples((64, 80), [original], padding, flip)) for m in pair)
    assert torch.equal(stock[0].pred_sem_seg.data, ours[0].pred_sem_seg.data)


@pytest.mark.parametrize("test_cfg", [None, SLIDE], ids=["whole", "slide"])
def test_images_of_a_batch_may_differ_in_size(mmseg_scope, test_cfg):
    compare(build_pair(HEADS["softmax"], test_cfg), (64, 80), [(64, 80), (200, 90), (33, 41)])
    compare(build_pair(HEADS["corners"], test_cfg), (65, 81), [(130, 162), (64, 80)], flip="vertical")


@pytest.mark.parametrize("max_values", [1, 900, 10**9])
def test_the_size_of_the_blocks_does_not_matter(mmseg_scope, monkeypatch, max_values):
    monkeypatch.setitem(predicted_images.BLOCK_VALUES, "cpu", max_values)
    monkeypatch.setitem(predicted_images.STRIP_WIDTH, "cpu", 7)
    for test_cfg in (None, SLIDE):
        compare(build_pair(HEADS["softmax"], test_cfg), (48, 56), [(61, 75)], padding=(0, 3, 0, 1), flip="horizontal")


@pytest.mark.parametrize("crop_size", [(32, 40), (128, 128), (64, 30)])
def test_windows_smaller_than_the_image_in_one_axis_or_none(mmseg_scope, crop_size):
    test_cfg = {"mode": "slide", "crop_size": crop_size, "stride": (11, 19)}
    compare(build_pair(HEADS["softmax"], test_cfg), (64, 80), [(99, 101)])


def test_rows_of_windows_are_computed_once_and_forgotten(mmseg_scope):
    _, ours = build_pair(HEADS["softmax"], {"mode": "slide", "crop_size": (16, 80), "stride": (16, 80)})
    held = []
    prepare = ImageLogits.prepare

    def watch(self, *rows):
        prepare(self, *rows)
        held.append(len(self._held))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageLogits, "prepare", watch)
        ours.predict(torch.randn(1, 3, 160, 80), make_samples((160, 80), [(320, 160)]))
    assert ours.backbone.calls == 10
    assert max(held) == 2


def test_without_samples_the_result_has_the_size_of_the_input(mmseg_scope):
    for name in ("softmax", "sigmoid", "masks"):
        stock, ours = build_pair(HEADS[name])
        inputs = torch.randn(2, 3, 40, 52)
        for expected, found in zip(stock.predict(inputs), ours.predict(inputs), strict=True):
            assert torch.equal(expected.pred_sem_seg.data, found.pred_sem_seg.data)


# --- logits on request ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("validation_loss", [False, True])
def test_kept_logits_are_those_of_stock(mmseg_scope, validation_loss):
    for name, classes in (("softmax", 5), ("sigmoid", 2)):
        stock, ours = build_pair(HEADS[name], keep_logits=True, validation_loss=validation_loss)
        samples = make_samples((48, 64), [(57, 70)], (1, 2, 3, 4), "horizontal", classes)
        inputs = torch.randn(1, 3, 48, 64)
        with torch.no_grad():
            (expected,), (found,) = (m.predict(inputs, copy.deepcopy(samples)) for m in (stock, ours))
        assert torch.equal(expected.seg_logits.data, found.seg_logits.data)
        assert torch.equal(expected.pred_sem_seg.data, found.pred_sem_seg.data)
        assert ("cross_entropy" in found) == validation_loss


def test_augmented_prediction_equals_stocks(mmseg_scope):
    stock, ours = build_pair(HEADS["softmax"], keep_logits=True)
    batches = []
    for flip in (None, "horizontal"):
        batches.append(
            {
                "inputs": [torch.randn(3, 48, 64, generator=torch.Generator().manual_seed(3))],
                "data_samples": make_samples((48, 64), [(57, 70)], flip=flip),
            }
        )
    found = []
    for model in (stock, ours):
        tta = MODELS.build({"type": "SegTTAModel", "module": {**tiny_config(), "type": "EncoderDecoder"}})
        tta.module = model
        # Each augmentation is a batch of its own.
        found.append(tta.merge_preds([[model.predict(b["inputs"][0][None], b["data_samples"])[0] for b in batches]]))
    assert torch.equal(found[0][0].pred_sem_seg.data, found[1][0].pred_sem_seg.data)


def tiny_config():
    return {
        "backbone": {"type": "mmseg_ext.StridedBackbone"},
        "decode_head": fcn_head(),
        "test_cfg": {"mode": "whole"},
        "data_preprocessor": {"type": "SegDataPreProcessor"},
    }


# --- the loss ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("test_cfg", [None, SLIDE], ids=["whole", "slide"])
@pytest.mark.parametrize("keep_logits", [False, True])
@pytest.mark.parametrize("name", ["softmax", "corners", "knet", "enc"])
def test_the_loss_is_that_of_stocks_logits(mmseg_scope, name, keep_logits, test_cfg):
    pair = build_pair(HEADS[name], test_cfg, validation_loss=True, keep_logits=keep_logits)
    inputs = torch.randn(2, 3, 64, 80)
    samples = make_samples((64, 80), [(97, 113), (40, 50)], (0, 4, 0, 6), "horizontal", num_classes=5)
    with torch.no_grad():
        stock, ours = (model.predict(inputs, copy.deepcopy(samples)) for model in pair)
    for expected, found in zip(stock, ours, strict=True):
        labels = found.gt_sem_seg.data
        loss = F.cross_entropy(expected.seg_logits.data[None], labels, ignore_index=255)
        assert found.cross_entropy["num_pixels"] == (labels != 255).sum() > 0
        mean = found.cross_entropy["sum"] / found.cross_entropy["num_pixels"]
        assert mean == pytest.approx(float(loss), rel=1e-5)


def test_the_loss_of_one_channel_is_binary(mmseg_scope):
    stock, ours = build_pair(HEADS["sigmoid"], validation_loss=True)
    inputs = torch.randn(1, 3, 64, 80)
    samples = make_samples((64, 80), [(97, 113)], num_classes=2)
    with torch.no_grad():
        (found,) = ours.predict(inputs, copy.deepcopy(samples))
        logits = F.interpolate(stock.inference(inputs, [samples[0].metainfo]), (97, 113), mode="bilinear")[0]
    labels = found.gt_sem_seg.data
    kept = labels != 255
    loss = F.binary_cross_entropy_with_logits(logits[kept], labels[kept].float())
    assert found.cross_entropy["num_pixels"] == kept.sum() > 0
    assert found.cross_entropy["sum"] / int(kept.sum()) == pytest.approx(float(loss), rel=1e-5)


def test_no_labels_no_loss(mmseg_scope):
    _, ours = build_pair(HEADS["softmax"], validation_loss=True)
    unlabelled, ignored = make_samples((64, 80), [(64, 80), (64, 80)], num_classes=5)
    del unlabelled.gt_sem_seg
    ignored.gt_sem_seg.data.fill_(255)
    found = ours.predict(torch.randn(2, 3, 64, 80), [unlabelled, ignored])
    assert "cross_entropy" not in found[0]
    assert found[1].cross_entropy == {"sum": 0.0, "num_pixels": 0}
    _, off = build_pair(HEADS["softmax"])
    (plain,) = off.predict(torch.randn(1, 3, 64, 80), make_samples((64, 80), [(64, 80)], num_classes=5))
    assert "cross_entropy" not in plain


def test_labels_that_do_not_fit_name_the_file(mmseg_scope):
    _, ours = build_pair(HEADS["softmax"], validation_loss=True)
    (sample,) = make_samples((64, 80), [(64, 80)], num_classes=9)
    with pytest.raises(
        UserError, match=r"masks/0\.png: Expected labels in 0\.\.4 \(or 255 where ignored\), got \[5, 6"
    ):
        ours.predict(torch.randn(1, 3, 64, 80), [sample])
    sample.gt_sem_seg = PixelData(data=torch.zeros(1, 20, 30, dtype=torch.long))
    with pytest.raises(
        UserError, match=r"masks/0\.png: Expected labels at .* \(64, 80\) .* got \(20, 30\)\. Load them"
    ):
        ours.predict(torch.randn(1, 3, 64, 80), [sample])


def test_a_head_without_logits_is_refused(mmseg_scope):
    class ScoreHead(MaskProductHead):
        def predict_by_feat(self, seg_logits, batch_img_metas):
            return seg_logits.softmax(1)

    MODELS.register_module(module=ScoreHead, force=True)
    with pytest.raises(UserError, match="Expected a head that returns logits for `validation_loss`, got ScoreHead"):
        build("mmseg_ext.EncoderDecoder", {**HEADS["masks"], "type": "mmseg_ext.ScoreHead"}, validation_loss=True)


def test_another_mode_is_refused(mmseg_scope):
    _, ours = build_pair(HEADS["softmax"], {"mode": "tiles"})
    with pytest.raises(UserError, match=r"`test_cfg\.mode` to be 'whole' or 'slide', got 'tiles'"):
        ours.predict(torch.randn(1, 3, 64, 80))
