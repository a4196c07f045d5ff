"""The parts of benchmarks/audit.py: errors are what they are called, measures are those of scikit-learn."""

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from benchmarks.audit_study.errors import KINDS, Error, put_errors
from benchmarks.audit_study.measures import (
    RankedArea,
    average_precision,
    count_judged,
    match_areas,
    precision_at,
    read_judged,
)
from benchmarks.audit_study.weights import fit_weights


@pytest.fixture(scope="module")
def labels():
    """Two images: rectangles of classes 1 and 2 on 0, apart from one another."""
    images = []
    for _ in range(2):
        labels_HW = np.zeros((240, 320), np.uint8)
        for row in range(3):
            for column in range(3):
                top, left = 20 + row * 75, 20 + column * 100
                labels_HW[top : top + 30, left : left + 40] = 1 + (row + column) % 2
        labels_HW[:4] = 255
        images.append(labels_HW)
    return images


@pytest.mark.parametrize("kind", KINDS)
def test_errors_change_what_they_say_and_nothing_else(labels, kind):
    changed, errors = put_errors(labels, 3, kind, 0.2, seed=0)
    assert len(errors) == round(0.2 * 18)
    by_error = [np.zeros(image.shape, int) for image in labels]
    for error in errors:
        by_error[error.image] += error.changed_HW
    for before_HW, after_HW, count_HW in zip(labels, changed, by_error, strict=True):
        assert ((before_HW != after_HW) == (count_HW == 1)).all()
        assert count_HW.max() <= 1
        assert ((before_HW == 255) == (after_HW == 255)).all()
    again, _ = put_errors(labels, 3, kind, 0.2, seed=0)
    assert all((a == b).all() for a, b in zip(changed, again, strict=True))
    for error in errors:
        was, now = (images[error.image][error.changed_HW] for images in (labels, changed))
        if kind == "dropped":
            assert error.changed_HW.sum() == 1200
            assert (now == 0).all()
        elif kind == "added":
            assert error.changed_HW.sum() == 1200
            assert (was == 0).all()
        elif kind == "swapped":
            assert error.changed_HW.sum() == 1200
            assert (was + now == 3).all()
        else:
            assert 16 <= error.changed_HW.sum() < 1200


def area(row, score, image=0):
    return RankedArea(image, (slice(row, row + 10), slice(0, 10)), np.ones((10, 10), bool), score)


def error_at(row, image=0):
    changed_HW = np.zeros((100, 20), bool)
    changed_HW[row : row + 10, :10] = True
    return Error(image, changed_HW)


def test_areas_are_matched_in_the_order_of_their_scores():
    errors = [error_at(10), error_at(40), error_at(40, image=1)]
    areas = [area(12, 0.9), area(10, 0.8), area(70, 0.7), area(80, 0.65), area(46, 0.6), area(40, 0.5, 1)]
    assert match_areas(reversed(areas), errors).tolist() == [0, -2, -1, -1, 1, 2]
    assert match_areas([area(47, 0.6)], errors).tolist() == [-1], "less than a quarter in common"


def test_measures_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    is_hit = rng.random(200) < 0.3
    found = np.where(is_hit, np.cumsum(is_hit) - 1, -1)
    expected = average_precision_score(is_hit, -np.arange(200))
    assert average_precision(found, int(is_hit.sum())) == pytest.approx(expected)
    assert average_precision(found, 2 * int(is_hit.sum())) == pytest.approx(expected / 2), "half are missed"
    assert precision_at(found, 20) == is_hit[:20].mean()
    assert precision_at(np.array([0, -2, 1]), 2) == 1.0


def test_errors_of_the_labels_themselves_count_where_a_person_has_judged_them(tmp_path):
    path = tmp_path / "judged.csv"
    path.write_text(
        "image,x,y,width,height,label,predicted,verdict\n"
        "b.jpg,0,42,10,10,road,land,wrong\n"  # 8 of 12 rows in common with the area at row 40
        "b.jpg,0,65,10,10,road,land,wrong\n"  # 5 of 15
        "b.jpg,0,80,10,10,road,land,unsure\n"
        "gone.jpg,0,0,10,10,road,land,wrong\n"
    )
    judged = read_judged(path, ["a.jpg", "b.jpg"])
    areas = [area(0, 0.9), area(40, 0.8), *(area(row, 0.5 - row / 1000, image=1) for row in (40, 60, 80))]
    found = match_areas(areas, [error_at(0)])
    assert json.dumps(count_judged(areas, found, judged)) == "1"  # as the cells are kept
    assert count_judged(areas, found, judged, count=2) == 0
    assert read_judged(tmp_path / "none.csv", ["a.jpg"]) == {}


def test_weights_follow_what_tells_errors_from_others_and_are_0_for_what_does_not_count():
    rng = np.random.default_rng(0)
    areas = []
    for _ in range(2000):
        doubt, loss, elsewhere = rng.normal(size=3)
        is_error = rng.random() < 1 / (1 + np.exp(2.0 - doubt - 0.5 * loss))
        areas.append(("extra object", (1.0, doubt, loss, elsewhere), bool(is_error)))
        areas.append(("border", (1.0, doubt, loss, elsewhere), bool(is_error)))
        areas.append(("wrong class", (1.0, doubt, loss, elsewhere), False))
    found = fit_weights(areas)
    assert set(found) == {"extra object", "border"}  # without an error of a kind there is nothing to fit
    assert found["extra object"] == pytest.approx((-2.0, 1.0, 0.5, 0.0), abs=0.25)
    assert found["border"] == pytest.approx((-1.9, 1.0, 0.0, 0.0), abs=0.25)
