"""Kinds of errors, told apart on drawn labels beside drawn predictions."""

import numpy as np
import pytest
import torch
from conftest import evidence_of

from mmseg_ext.audit.candidates import find_candidates
from mmseg_ext.audit.image_records import Cells
from mmseg_ext.audit.pixel_evidence import gather_evidence

FIELD, LAKE, HOUSE = range(3)
SHAPE = (200, 240)


def drawn(*rectangles):
    """A field with rectangles (class, first row, first column, height, width)."""
    labels_HW = np.full(SHAPE, FIELD, np.uint8)
    for value, row, column, height, width in rectangles:
        labels_HW[row : row + height, column : column + width] = value
    return labels_HW


def found_in(labels_HW, predicted_HW):
    labelled_HW = labels_HW != 255
    confusion_CC = Cells.of_pixels(labels_HW[labelled_HW], predicted_HW[labelled_HW], 3).matrix(3)
    return find_candidates(evidence_of(labels_HW, predicted_HW, 0.8), confusion_CC)


ROW = (HOUSE, 20, 20, 40, 50)
LAKE_AT = (LAKE, 120, 100, 60, 100)


def test_labels_that_agree_give_no_candidate():
    assert found_in(drawn(ROW, LAKE_AT), drawn(ROW, LAKE_AT)) == []


@pytest.mark.parametrize(
    ("labels", "predictions", "kind", "classes"),
    [
        ([LAKE_AT], [ROW, LAKE_AT], "missing object", (FIELD, HOUSE)),
        ([ROW, LAKE_AT], [LAKE_AT], "extra object", (HOUSE, FIELD)),
        ([(LAKE, *ROW[1:]), LAKE_AT], [ROW, LAKE_AT], "wrong class", (LAKE, HOUSE)),
    ],
)
def test_an_object_is_found_with_its_kind_and_pixels(labels, predictions, kind, classes):
    (found,) = found_in(drawn(*labels), drawn(*predictions))
    assert (found.kind, found.label, found.predicted) == (kind, *classes)
    assert (found.rows, found.columns) == ((20, 60), (20, 70))
    assert found.mask_hw.all()
    assert found.margin == pytest.approx(0.8)
    assert found.loss == pytest.approx(-np.log(0.1), rel=1e-5)


def test_a_wrong_class_knows_what_share_of_the_other_labels_is_predicted_likewise():
    other, half = (LAKE, 20, 150, 40, 50), (HOUSE, 20, 150, 20, 50)
    found = found_in(drawn((LAKE, *ROW[1:]), LAKE_AT, other), drawn(ROW, LAKE_AT, other, half))
    first, second = sorted(found, key=lambda c: c.columns)
    assert (first.label, first.predicted) == (second.label, second.predicted) == (LAKE, HOUSE)
    assert first.elsewhere == 20 * 50 / (60 * 100 + 40 * 50)
    assert second.elsewhere == 40 * 50 / (60 * 100 + 40 * 50)


def test_a_shifted_object_is_a_border_of_its_strips():
    (found,) = found_in(drawn((HOUSE, 23, 20, 40, 50)), drawn(ROW))[:1]
    assert {c.kind for c in found_in(drawn((HOUSE, 23, 20, 40, 50)), drawn(ROW))} == {"border"}
    assert (found.label, found.predicted) in {(HOUSE, FIELD), (FIELD, HOUSE)}
    assert found.shift == 1.0
    strips_HW = np.zeros(SHAPE, bool)
    strips_HW[slice(*found.rows), slice(*found.columns)] = found.mask_hw
    assert (strips_HW == (drawn((HOUSE, 23, 20, 40, 50)) != drawn(ROW))).all()


def test_specks_are_no_candidates():
    assert [c for c in found_in(drawn(), drawn((HOUSE, 50, 50, 3, 3))) if c.kind != "border"] == []


def test_unlabelled_pixels_are_of_no_candidate():
    labels_HW = drawn(ROW)
    labels_HW[20:40] = 255
    (found,) = found_in(labels_HW, drawn())
    assert (found.rows, found.columns) == ((40, 60), (20, 70))


def test_evidence_is_that_of_enlarged_probabilities():
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.randn(1, 4, 9, 11, generator=generator).softmax(1)
    labels_HW = np.random.default_rng(0).integers(0, 5, (36, 44)).astype(np.uint8)
    labels_HW[labels_HW == 4] = 255
    known_C = np.array([True, True, True, False])
    found = gather_evidence(probabilities, labels_HW, known_C)
    enlarged = torch.nn.functional.interpolate(probabilities, (36, 44), mode="bilinear", align_corners=False)[0].numpy()
    best_HW = enlarged[:3].max(0)
    is_judged_HW = labels_HW < 3
    assert (found.labels_HW == np.where(is_judged_HW, labels_HW, 255)).all()
    assert (found.predicted_HW == enlarged[:3].argmax(0)).all()
    of_label_HW = np.take_along_axis(enlarged, np.where(is_judged_HW, labels_HW, 0)[None].astype(int), 0)[0]
    np.testing.assert_allclose(found.margin_HW, np.where(is_judged_HW, best_HW - of_label_HW, 0), atol=1e-6)
    np.testing.assert_allclose(found.loss_HW, np.where(is_judged_HW, -np.log(of_label_HW), 0), atol=1e-5)


def test_the_loss_of_a_label_that_is_ruled_out_is_finite():
    probabilities = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)
    found = gather_evidence(probabilities, np.ones((4, 4), np.uint8), np.array([True, True]))
    np.testing.assert_allclose(found.loss_HW, -np.log(1e-5), rtol=1e-5)
