"""Which labels are fitted to, and their weights."""

import numpy as np
import pytest
import torch

from mmseg_ext.features.label_points import LabelledImage, sample_labels, weigh_points, weigh_sample
from mmseg_ext.points.areas import AreaEvidence, estimate_areas


def labelled(labels, label_weights_P=None, evidence=None):
    labels_P = torch.tensor(labels)
    features = torch.zeros(len(labels), 1)
    return LabelledImage(features, features, features, labels_P, len(labels), label_weights_P, evidence)


def evidence_of(counts, shares):
    counts = np.array(counts, float)
    return AreaEvidence(counts, np.diag(counts), np.array(shares))


def test_of_many_labels_a_fixed_sample_is_drawn():
    labels_HW = np.random.default_rng(0).integers(0, 3, (40, 50)).astype(np.uint8)
    labels_HW[:10] = 255
    sampled_HW = sample_labels(labels_HW, 100, "a.png")
    kept_HW = sampled_HW != 255
    assert kept_HW.sum() == 100
    assert (sampled_HW[kept_HW] == labels_HW[kept_HW]).all()
    assert (sample_labels(labels_HW, 100, "a.png") == sampled_HW).all()
    assert (sample_labels(labels_HW, 100, "b.png") != sampled_HW).any()
    moved = [sample_labels(labels_HW, 100, f"{root}/tile_1/images/a.png") for root in ("data", "/other/data")]
    assert (moved[0] == moved[1]).all()
    assert sample_labels(labels_HW, 1500, "a.png") is labels_HW


def test_rare_classes_are_drawn_and_weigh_what_they_cover():
    labels_HW = np.zeros((40, 50), np.uint8)
    labels_HW[:2, :15] = 1
    sampled_HW = sample_labels(labels_HW, 100, "a.png")
    labels_P = sampled_HW[sampled_HW != 255]
    assert np.bincount(labels_P).tolist() == [70, 30]
    uniform_HW = sample_labels(labels_HW, 100, "a.png", strategy="uniform")
    assert np.bincount(uniform_HW[uniform_HW != 255]).tolist() != [70, 30]
    weights_P = weigh_sample(labels_HW, sampled_HW)
    assert weights_P[labels_P == 1].max() / weights_P[labels_P == 0].min() == pytest.approx(70 / 1970)
    assert weights_P.sum() == pytest.approx(100)


def test_points_share_the_estimated_area_of_their_class():
    images = [
        labelled([0, 0, 0, 1, 1, 1], evidence=evidence_of([3, 3], [0.9, 0.1])),
        labelled([0, 0, 1, 1], evidence=evidence_of([2, 2], [0.5, 0.5])),
    ]
    areas_NC = estimate_areas([image.evidence for image in images])
    first, second = weigh_points(images, 2)
    np.testing.assert_allclose(first, 6 * np.repeat(areas_NC[0] / 3, 3), rtol=1e-6)
    np.testing.assert_allclose(second, 4 * np.repeat(areas_NC[1] / 2, 2), rtol=1e-6)
    assert first[0] > 5 * first[-1]
    np.testing.assert_allclose([first.mean(), second.mean()], 1, rtol=1e-6)


def test_single_points_weigh_the_same():
    images = [labelled([0, 1], evidence=evidence_of([1, 1], [0.9, 0.1])) for _ in range(3)]
    assert [w.tolist() for w in weigh_points(images, 2)] == [[1.0, 1.0]] * 3


def test_the_weights_of_the_dataset_come_first():
    images = [labelled([1, 0, 0], np.array([7, 5, 5], np.float32)), labelled([1, 1])]
    assert [w.tolist() for w in weigh_points(images, 2)] == [[7.0, 5.0, 5.0], [1.0, 1.0]]
