"""The segmentor: what it fits, predicts, keeps on disk and saves; on tiny images, a network of random weights."""

import copy
import warnings

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_ext.errors import UserError
from mmseg_ext.features import feature_segmentor
from mmseg_ext.features.feature_maps import describe_image
from mmseg_ext.masks import array_store

pytestmark = pytest.mark.usefixtures("mmseg_scope")
MODEL = {
    "type": "mmseg_ext.FeatureSegmentor",
    "data_preprocessor": {
        "type": "SegDataPreProcessor",
        "mean": [127.0] * 3,
        "std": [128.0] * 3,
        "bgr_to_rgb": True,
    },
    "backbone": {"type": "mmseg_ext.EfficientNetLite", "checkpoint": None},
    "decode_head": {
        "type": "mmseg_ext.LightHead",
        "num_classes": 2,
        "classifiers": [
            {"type": "mmseg_ext.LogisticRegression", "C": 0.01},
            {"type": "mmseg_ext.ExtraTrees", "num_trees": 5},
        ],
    },
    "test_cfg": {"mode": "whole"},
}

TINY_VIT = {"depth": 4, "embed_dim": 32, "num_heads": 2}


def build(**settings):
    torch.manual_seed(0)
    return MODELS.build({**copy.deepcopy(MODEL), **settings}).eval()


def make_batch(seed, num_points=30, size=(48, 67)):
    """A dark and a bright half; labels at some points of each."""
    rng = np.random.default_rng(seed)
    image_HWC = rng.integers(0, 90, (*size, 3))
    image_HWC[:, size[1] // 2 :] += 150
    labels_HW = np.full(size, 255)
    truth_HW = (np.arange(size[1]) >= size[1] // 2).astype(int)[None].repeat(size[0], 0)
    chosen = rng.permutation(size[0] * size[1])[:num_points]
    labels_HW.flat[chosen] = truth_HW.flat[chosen]
    meta = {"ori_shape": size, "img_shape": size, "img_path": f"{seed}.png"}
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.from_numpy(labels_HW)[None]), metainfo=meta)
    inputs = torch.from_numpy(image_HWC.astype(np.uint8)).permute(2, 0, 1).contiguous()
    return {"inputs": [inputs], "data_samples": [sample]}, truth_HW


def fit(segmentor, num_images=4, **settings):
    images = [image for seed in range(num_images) for image in segmentor.look_at(make_batch(seed, **settings)[0])]
    return segmentor.fit(images)


def logits_of(segmentor, batch):
    inputs = segmentor.data_preprocessor(copy.deepcopy(batch), False)["inputs"]
    return segmentor.decode_head(segmentor.extract_feat(inputs))


@pytest.mark.parametrize(
    "backbone",
    [
        {"type": "mmseg_ext.DINO", "arch": "dinov2_vits14", "out_indices": [1, 3], "arch_overrides": TINY_VIT},
        {"type": "mmseg_ext.DINO", "arch": "dinov3_vits16", "out_indices": [1, 3], "arch_overrides": TINY_VIT},
        {"type": "mmseg_ext.SMPBackbone", "arch": "unet", "encoder_name": "resnet18", "encoder_weights": None},
        {"type": "TIMMBackbone", "model_name": "resnet10t", "features_only": True, "pretrained": False},
        {"type": "ResNetV1c", "depth": 18, "base_channels": 8},
    ],
    ids=lambda backbone: backbone.get("arch") or backbone["type"],
)
def test_any_backbone_gives_features(backbone, tmp_path):
    segmentor = build(backbone=backbone, cache_dir=str(tmp_path))
    fit(segmentor, size=(64, 96))
    batch, truth_HW = make_batch(9, size=(64, 96))
    for _ in range(2):  # computed, and from the cache
        (sample,) = segmentor.test_step(copy.deepcopy(batch))
        assert (sample.pred_sem_seg.data[0].numpy() == truth_HW).mean() > 0.8


def test_it_finds_the_halves_of_an_image_it_has_not_seen():
    segmentor = build()
    report = fit(segmentor)
    assert report.num_points == 120
    batch, truth_HW = make_batch(9)
    (sample,) = segmentor.test_step(batch)
    assert sample.pred_sem_seg.data.shape == (1, 48, 67)
    assert (sample.pred_sem_seg.data[0].numpy() == truth_HW).mean() > 0.9


def test_what_trees_look_at_is_the_image_before_normalisation():
    segmentor = build()
    batch, _ = make_batch(0)
    image_HWC = batch["inputs"][0].permute(1, 2, 0).contiguous().numpy()
    inputs = segmentor.data_preprocessor(copy.deepcopy(batch), False)["inputs"]
    assert np.array_equal(segmentor.original_images(inputs)[0], image_HWC)
    np.testing.assert_array_equal(segmentor.extract_feat(inputs)[-1][0].numpy(), describe_image(image_HWC))


def test_of_all_labels_a_subsample_is_fitted_to():
    segmentor = build(max_labels=200)
    batch, _ = make_batch(0, num_points=48 * 67)
    (image,) = segmentor.look_at(batch)
    assert (image.num_labelled, len(image.labels_P), image.evidence) == (48 * 67, 200, None)
    assert segmentor.fit([image]).num_points == 200
    assert image.label_weights_P.sum() == pytest.approx(200)
    batch["data_samples"][0].set_metainfo({"label_weights": np.array([2, 2], np.float32)})
    (given,) = segmentor.look_at(batch)
    assert given.label_weights_P == pytest.approx(2 * image.label_weights_P)
    segmentor.label_strategy = "uniform"
    (uniform,) = segmentor.look_at(make_batch(0, num_points=48 * 67)[0])
    assert uniform.label_weights_P is None


def test_areas_are_not_estimated_where_classes_are_balanced():
    batch, _ = make_batch(0)
    (image,) = build().look_at(copy.deepcopy(batch))
    assert image.evidence is not None
    head = {"type": "mmseg_ext.LightHead", "num_classes": 2, "class_weight": "balanced"}
    (image,) = build(decode_head={**head, "classifiers": [{"type": "mmseg_ext.ExtraTrees"}]}).look_at(batch)
    assert image.evidence is None


def test_a_hint_at_balanced_classes_where_points_are_uneven(monkeypatch):
    said = []
    monkeypatch.setattr(feature_segmentor, "print_log", lambda text, _: said.append(text))
    segmentor = build()
    fit(segmentor)
    assert said == []
    batch, _ = make_batch(0, num_points=40)
    labels_HW = batch["data_samples"][0].gt_sem_seg.data[0]
    rows, columns = torch.nonzero(labels_HW == 1, as_tuple=True)
    labels_HW[rows[2:], columns[2:]] = 255
    images = segmentor.look_at(batch)
    segmentor.fit(images)
    assert len(said) == 1
    assert "a class has 2 points, another " in said[0]
    assert "class_weight='balanced'" in said[0]
    segmentor.decode_head.class_weight = [1, 1]
    segmentor.fit(images)
    assert len(said) == 1


def test_an_image_without_labels_gives_nothing():
    segmentor = build()
    assert segmentor.look_at(make_batch(0, num_points=0)[0]) == []
    with pytest.raises(UserError, match="labelled pixels in the training images, got none"):
        segmentor.fit([])


def test_weights_of_the_dataset_are_used():
    batch, _ = make_batch(0)
    batch["data_samples"][0].set_metainfo({"label_weights": np.array([1, 3], np.float32)})
    (image,) = build().look_at(batch)
    assert image.label_weights_P.tolist() == [(1, 3)[label] for label in image.labels_P.tolist()]
    assert image.evidence is None
    weight_HW = torch.arange(48 * 67).reshape(48, 67)
    batch["data_samples"][0].gt_label_weight = PixelData(data=weight_HW[None])
    (image,) = build().look_at(batch)
    assert image.label_weights_P.tolist() == [y * 67 + x for y, x in image.positions_P2.tolist()]


def test_a_label_out_of_range_names_the_file():
    batch, _ = make_batch(0)
    batch["data_samples"][0].gt_sem_seg.data[0, 0, 0] = 2
    with pytest.raises(UserError, match=r"0\.png: Expected labels in 0\.\.1 \(or 255 where ignored\), got \[2\]"):
        build().look_at(batch)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0), ("float16", 1e-2)])
def test_cached_features_give_the_same_logits(tmp_path, dtype, tolerance, monkeypatch):
    batch, _ = make_batch(9)
    plain = build()
    fit(plain)
    expected = logits_of(plain, batch)
    cached = build(cache_dir=str(tmp_path / "cache"), cache_dtype=dtype)
    for _ in range(2):
        fit(cached)
        torch.testing.assert_close(logits_of(cached, batch), expected, rtol=0, atol=tolerance)
    monkeypatch.setattr(feature_segmentor, "network_maps", None)  # the network is not asked again
    monkeypatch.setattr(feature_segmentor, "gather_evidence", None)
    fit(cached)
    torch.testing.assert_close(logits_of(cached, batch), expected, rtol=0, atol=tolerance)


def test_a_changed_image_network_or_scale_reads_no_stale_features(tmp_path):
    batch, _ = make_batch(0)
    cache = {"cache_dir": str(tmp_path)}
    segmentor = build(**cache)
    fit(segmentor)
    before = logits_of(segmentor, batch)
    batch["inputs"][0][0, 0, 0] += 1
    other = build()
    other.load_state_dict(segmentor.state_dict())
    assert torch.equal(logits_of(segmentor, batch), logits_of(other, batch))
    batch["inputs"][0][0, 0, 0] -= 1
    assert torch.equal(logits_of(segmentor, batch), before)
    state = segmentor.state_dict()
    state["backbone.network.conv_stem.weight"] = state["backbone.network.conv_stem.weight"] * 2
    segmentor.load_state_dict(state)
    other.load_state_dict(state)
    assert torch.equal(logits_of(segmentor, batch), logits_of(other, batch))
    assert not torch.equal(logits_of(segmentor, batch), before)
    inputs = other.data_preprocessor(batch, False)["inputs"]
    halved = build(scales=(0.5,), **cache)
    assert torch.equal(halved.extract_feat(inputs)[0], build(scales=(0.5,)).extract_feat(inputs)[0])


def test_at_points_alone_the_cache_is_small(tmp_path):
    segmentor = build(cache_dir=str(tmp_path))
    fit(segmentor, num_images=1)
    assert sum(file.stat().st_size for file in tmp_path.glob("*.array")) < 30 * 521 * 4 + 300
    segmentor.extract_feat(torch.zeros(1, 3, 48, 67))
    assert len(list(tmp_path.glob("*.array"))) == 2 + 6 + 1


def test_a_full_disk_is_a_warning(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    segmentor = build(cache_dir=str(tmp_path))
    monkeypatch.setattr(array_store.os, "posix_fallocate", full)
    with pytest.warns(UserWarning, match="features that it lacks are computed each time"):
        fit(segmentor, num_images=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(segmentor, num_images=1)


def test_several_scales_and_a_batch_of_two(tmp_path):
    images = torch.randn(2, 3, 64, 64)
    alone = build(scales=(1.0, 0.5))
    cached = build(scales=(1.0, 0.5), cache_dir=str(tmp_path))
    for _ in range(2):
        for found, expected in zip(cached.extract_feat(images), alone.extract_feat(images), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert len(alone.extract_feat(images)) == 11


def test_a_checkpoint_of_a_pretrained_backbone_holds_the_fit_and_a_digest():
    backbone = {"type": "mmseg_ext.EfficientNetLite"}
    segmentor, other = build(backbone=backbone), build(backbone=backbone)
    fit(segmentor)
    state = segmentor.state_dict()
    assert [key for key in state if key.startswith("backbone")] == ["backbone.frozen_weights_digest"]
    other.load_state_dict(state)
    batch, _ = make_batch(9)
    assert torch.equal(logits_of(other, batch), logits_of(segmentor, batch))


def test_one_channel_of_two_classes():
    head = {**MODEL["decode_head"], "out_channels": 1, "threshold": 0.5}
    segmentor = build(decode_head=head)
    fit(segmentor)
    batch, truth_HW = make_batch(9)
    (sample,) = segmentor.test_step(batch)
    assert (sample.pred_sem_seg.data[0].numpy() == truth_HW).mean() > 0.9


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scales": ()}, "expected `scales` to be a list of positive numbers"),
        ({"max_labels": 0}, "expected `max_labels` to be a positive int"),
        ({"cache_dir": "x", "cache_dtype": "int8"}, "'float32' or 'float16', got 'int8'"),
        ({"decode_head": {"type": "FCNHead", "in_channels": 8, "channels": 8, "num_classes": 2}}, "got FCNHead"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(UserError, match=message):
        build(**settings)


def test_a_loop_that_trains_step_by_step_is_refused():
    with pytest.raises(UserError, match=r"Expected train_cfg=dict\(type='mmseg_ext\.FitLoop'"):
        build().loss(torch.zeros(1, 3, 8, 8), [])
