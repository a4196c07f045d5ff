import numpy as np
import pytest
from conftest import evidence_of
from sklearn.metrics import cohen_kappa_score

from mmseg_ext.audit.whole_images import find_swap, find_whole_image, kappa


def image_of(labels_HW, predicted_HW):
    confusion_CC = np.zeros((3, 3), np.int64)
    np.add.at(confusion_CC, (labels_HW, predicted_HW), 1)
    return find_whole_image(evidence_of(labels_HW, predicted_HW, 0.9), confusion_CC)


def test_exchanged_classes_are_found():
    predicted_HW = np.random.default_rng(0).integers(0, 3, (20, 30)).astype(np.uint8)
    labels_HW = np.array([1, 0, 2], np.uint8)[predicted_HW]
    found = image_of(labels_HW, predicted_HW)
    assert (found.kind, {found.label, found.predicted}) == ("swapped classes", {0, 1})
    assert (found.mask_hw == (labels_HW < 2)).all()
    assert found.margin == pytest.approx(0.9, abs=1e-5)


def test_the_mask_of_another_image_is_found():
    rng = np.random.default_rng(0)
    found = image_of(*rng.integers(0, 3, (2, 60, 60)).astype(np.uint8))
    assert found.kind == "other image's mask"
    assert (found.rows, found.columns) == ((0, 60), (0, 60))


def test_right_labels_and_labels_of_one_class_are_left_alone():
    predicted_HW = np.random.default_rng(0).integers(0, 3, (20, 30)).astype(np.uint8)
    assert image_of(predicted_HW, predicted_HW) is None
    assert image_of(np.zeros_like(predicted_HW), predicted_HW) is None


def test_a_rare_class_does_not_count_as_exchanged():
    assert find_swap(np.array([[1000, 0, 0], [9, 0, 0], [0, 0, 1000]])) is None


def test_kappa_is_that_of_scikit_learn():
    labels, predictions = np.random.default_rng(0).integers(0, 3, (2, 500))
    predictions[:200] = labels[:200]
    confusion_CC = np.zeros((3, 3), np.int64)
    np.add.at(confusion_CC, (labels, predictions), 1)
    assert kappa(confusion_CC) == pytest.approx(cohen_kappa_score(labels, predictions))
    assert kappa(np.diag([7, 0, 0])) == 1.0
