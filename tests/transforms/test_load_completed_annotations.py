"""Completed labels in a sample: below a confidence they are none, and their weights stay with their pixels."""

import numpy as np
import pytest

from mmseg_ext.points.completed_labels import FOLDER_KEY, write_completed
from mmseg_ext.transforms import LoadCompletedAnnotations, PackSegInputs, RandomCrop, RandomFlip, Resize

RNG = np.random.default_rng(0)
LABELS, CONFIDENCE = RNG.integers(0, 5, (12, 16), dtype=np.uint8), RNG.integers(0, 256, (12, 16), dtype=np.uint8)


@pytest.fixture
def sample(tmp_path):
    write_completed(tmp_path, "a.jpg", LABELS, CONFIDENCE, "x")
    image_HWC = np.dstack([LABELS, CONFIDENCE, CONFIDENCE])
    shape = {"ori_shape": (12, 16), "img_shape": (12, 16)}
    names = {FOLDER_KEY: str(tmp_path), "img_name": "a.jpg", "img_path": "/data/a.jpg", "seg_fields": []}
    return {"img": image_HWC, **shape, **names}


def test_labels_are_loaded(sample):
    loaded = LoadCompletedAnnotations()(sample)
    assert (loaded["gt_seg_map"] == LABELS).all()
    assert loaded["seg_fields"] == ["gt_seg_map"]
    assert not LoadCompletedAnnotations().gives_label_weights


def test_labels_below_a_confidence_are_none(sample):
    loader = LoadCompletedAnnotations(min_confidence=0.55)
    expected = np.where(CONFIDENCE / 255 < 0.55, 255, LABELS)
    assert (loader(sample)["gt_seg_map"] == expected).all()
    values, counts = np.unique(expected, return_counts=True)
    report = loader.check_file(sample)
    assert report.counts == dict(zip(values.tolist(), counts.tolist(), strict=True))
    assert report.size == (12, 16)


def test_weights_stay_with_their_pixels(sample):
    loader = LoadCompletedAnnotations(weigh=True)
    assert loader.gives_label_weights
    np.random.seed(0)
    results = Resize(scale=(32, 24), keep_ratio=True, interpolation="nearest")(loader(sample))
    for step in (RandomCrop((10, 12)), RandomFlip(prob=1.0)):
        results = step(results)
    packed = PackSegInputs(meta_keys=("img_path",))(results)
    weight = packed["data_samples"].gt_label_weight.data
    assert weight.shape == (1, 10, 12)
    assert (weight[0] == packed["inputs"][1]).all()
    assert (packed["data_samples"].gt_sem_seg.data[0] == packed["inputs"][0]).all()
    assert len(weight.unique()) > 10
