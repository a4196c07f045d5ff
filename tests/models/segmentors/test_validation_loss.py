"""The cross-entropy of predicted images against torch's on the logits of stock mmseg."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from segmentor_pairs import HEADS, SLIDE, MaskProductHead, build, build_pair, make_samples

from mmseg_ext.errors import UserError
from mmseg_ext.registry import MODELS


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
