"""Block by block against stock mmseg: the same class maps and samples, and logits on request."""

import copy
from itertools import product

import pytest
import torch
from segmentor_pairs import HEADS, SLIDE, assert_stock_classes, build_pair, compare, fcn_head, make_samples

from mmseg_ext.errors import UserError
from mmseg_ext.models.resampling.image_logits import ImageLogits
from mmseg_ext.models.resampling.label_blocks import LIMITS
from mmseg_ext.registry import MODELS


@pytest.mark.parametrize(
    ("name", "test_cfg"),
    # Stock cannot slide with a head that goes by pad_shape.
    [(name, cfg) for name in HEADS for cfg in (None, SLIDE) if (name, cfg) != ("masks", SLIDE)],
)
def test_every_head_predicts_the_stock_classes(mmseg_scope, name, test_cfg):
    pair = build_pair(HEADS[name], test_cfg)
    assert pair[1].has_plain_head == (name not in ("queries", "masks", "enc"))
    assert pair[1].has_mask_head == (name == "queries")
    compare(pair, (64, 80), [(64, 80)])
    compare(pair, (64, 80), [(150, 201)])


@pytest.mark.parametrize("test_cfg", [None, SLIDE], ids=["whole", "slide"])
@pytest.mark.parametrize("flip", [None, "horizontal", "vertical"])
@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (3, 8, 5, 2)])
@pytest.mark.parametrize("original", [(57, 69), (300, 411), (31, 20), (1, 1)])
@pytest.mark.parametrize("name", ["softmax", "corners", "sigmoid", "queries"])
def test_padding_flip_and_size_are_undone_as_in_stock(mmseg_scope, name, original, padding, flip, test_cfg):
    pair = build_pair(HEADS[name], test_cfg)
    inputs = torch.randn(1, 3, 64, 80, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        stock, ours = (m.predict(inputs, make_samples((64, 80), [original], padding, flip)) for m in pair)
    assert_stock_classes(ours[0], stock[0], pair[0])


def test_the_padding_of_the_preprocessor_is_undone_as_that_of_the_pipeline(mmseg_scope):
    compare(build_pair(HEADS["softmax"]), (64, 80), [(57, 69)], padding=(3, 8, 5, 2), padding_key="padding_size")


@pytest.mark.parametrize("test_cfg", [None, SLIDE], ids=["whole", "slide"])
def test_images_of_a_batch_may_differ_in_size(mmseg_scope, test_cfg):
    compare(build_pair(HEADS["softmax"], test_cfg), (64, 80), [(64, 80), (200, 90), (33, 41)])
    compare(build_pair(HEADS["corners"], test_cfg), (65, 81), [(130, 162), (64, 80)], flip="vertical")
    compare(build_pair(HEADS["queries"], test_cfg), (64, 80), [(64, 80), (200, 90), (33, 41)])


@pytest.mark.parametrize("max_values", [1, 900, 10**9])
def test_the_size_of_the_blocks_does_not_matter(mmseg_scope, monkeypatch, max_values):
    monkeypatch.setitem(LIMITS, "cpu", LIMITS["cpu"]._replace(values=max_values, columns=7))
    for name, test_cfg in product(("softmax", "queries"), (None, SLIDE)):
        compare(build_pair(HEADS[name], test_cfg), (48, 56), [(61, 75)], padding=(0, 3, 0, 1), flip="horizontal")


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
            assert_stock_classes(found, expected, stock)


def test_another_mode_is_refused(mmseg_scope):
    _, ours = build_pair(HEADS["softmax"], {"mode": "tiles"})
    with pytest.raises(UserError, match=r"`test_cfg\.mode` to be 'whole' or 'slide', got 'tiles'"):
        ours.predict(torch.randn(1, 3, 64, 80))


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


@pytest.mark.parametrize("validation_loss", [False, True])
def test_kept_logits_without_samples_are_those_of_stock(mmseg_scope, validation_loss):
    stock, ours = build_pair(HEADS["softmax"], keep_logits=True, validation_loss=validation_loss)
    inputs = torch.randn(2, 3, 48, 64)
    with torch.no_grad():
        pairs = list(zip(stock.predict(inputs), ours.predict(inputs), strict=True))
    assert len(pairs) == 2
    for expected, found in pairs:
        assert torch.equal(expected.seg_logits.data, found.seg_logits.data)
        assert torch.equal(expected.pred_sem_seg.data, found.pred_sem_seg.data)
        assert "cross_entropy" not in found


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
