"""Areas estimated from points, on images whose areas are known."""

import json

import numpy as np
import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.points.areas import (
    RAW_SHARE,
    AreaEvidence,
    describe_pixels,
    estimate_areas,
    format_areas,
    gather_evidence,
    read_areas,
)
from mmseg_ext.points.sampling import keep_points

COLORS = np.array([[40, 60, 200], [60, 200, 60], [200, 80, 40]], np.int64)


def image_of(labels_HW, noise, seed=0):
    """Draw each class in its colour, with noise: the more, the more classes look alike."""
    generator = np.random.default_rng(seed)
    return np.clip(COLORS[labels_HW] + generator.normal(0, noise, (*labels_HW.shape, 3)), 0, 255).astype(np.uint8)


def stripes(*widths, height=90):
    """Classes 0, 1, 2 … in upright stripes."""
    return np.repeat(np.arange(len(widths)), widths)[None].repeat(height, 0)


def evidence_of(labels_HW, num_points, noise=10, num_classes=3, seed=0):
    points_HW = keep_points(labels_HW.astype(np.uint8), num_points, seed, per="class")
    return gather_evidence(image_of(labels_HW, noise, seed), points_HW, num_classes)


def test_clear_colours_give_the_areas():
    labels = stripes(90, 20, 10)
    (areas,) = estimate_areas([evidence_of(labels, 10)])
    assert areas == pytest.approx([0.75, 1 / 6, 1 / 12], abs=0.02)
    assert areas.sum() == pytest.approx(1)


def test_errors_are_taken_out_as_worked_out_by_hand():
    # Of class 0 the image's other points tell 80 %, of class 1 all: shares of 0.6 and 0.4 come from areas of 3/4, 1/4.
    own = np.array([[8.0, 0.0], [2.0, 10.0]])
    evidence = AreaEvidence(np.array([10.0, 10.0]), own, np.array([0.6, 0.4]))
    (areas,) = estimate_areas([evidence])
    assert areas == pytest.approx((1 - RAW_SHARE) * np.array([0.75, 0.25]) + RAW_SHARE * np.array([0.6, 0.4]))


def test_errors_of_all_images_help_where_an_image_has_too_few_points():
    known = AreaEvidence(np.full(2, 1000.0), np.array([[800.0, 0.0], [200.0, 1000.0]]), np.array([0.6, 0.4]))
    # One point a class: each can only be taken for the other one, which says nothing.
    sparse = AreaEvidence(np.ones(2), np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.6, 0.4]))
    areas = estimate_areas([known, sparse])
    assert areas[1] == pytest.approx(areas[0])
    alone = estimate_areas([sparse])
    assert alone[0] == pytest.approx([0.6, 0.4])


def patchwork(shares, seed):
    """Patches of 15 × 15 pixels, of which three in ten bear the colour of any class: labels and image."""
    generator = np.random.default_rng(seed)
    classes, colors = (generator.choice(3, (16, 16), p=p) for p in (shares, (1 / 3,) * 3))
    colors = np.where(generator.random((16, 16)) < 0.3, colors, classes)
    labels_HW, colors_HW = (np.kron(patches, np.ones((15, 15), np.int64)) for patches in (classes, colors))
    return labels_HW, image_of(colors_HW, 10, seed)


def test_a_class_that_is_only_taken_for_classes_that_are_not_shown():
    # In the first image class 2 is always taken for class 1, which the second image does not show.
    first = AreaEvidence(np.array([2.0, 2.0, 2.0]), np.array([[2.0, 0, 0], [0, 2, 2], [0, 0, 0]]), np.full(3, 1 / 3))
    second = AreaEvidence(np.array([1.0, 0.0, 1.0]), np.zeros((3, 3)), np.array([0.7, 0.0, 0.3]))
    assert estimate_areas([first, second])[1] == pytest.approx([0.7, 0, 0.3])


def test_it_comes_closer_than_the_points_and_than_the_raw_shares():
    evidence, true = [], []
    for seed, shares in enumerate([(0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8), (0.7, 0.2, 0.1)]):
        labels_HW, image = patchwork(shares, seed)
        evidence.append(gather_evidence(image, keep_points(labels_HW.astype(np.uint8), 20, seed, per="class"), 3))
        true.append(np.bincount(labels_HW.ravel(), minlength=3) / labels_HW.size)
    raw = [e.shares_C for e in evidence]
    errors = [
        np.abs(np.array(guess) - true).mean() for guess in (estimate_areas(evidence), raw, np.full((4, 3), 1 / 3))
    ]
    assert errors[0] < 0.6 * errors[1]
    assert errors[1] < 0.8 * errors[2]


def test_a_class_without_a_point_has_no_area_and_one_with_a_point_has_some():
    areas = estimate_areas([evidence_of(stripes(100, 20), 5), evidence_of(stripes(40, 40, 1), 1)])
    assert areas[0, 2] == 0
    assert (areas[1] > 0).all()


def test_an_image_without_points():
    nothing = gather_evidence(np.zeros((8, 9, 3), np.uint8), np.full((8, 9), 255, np.uint8), 3)
    areas = estimate_areas([nothing, evidence_of(stripes(30, 30), 5)])
    assert areas[0].tolist() == [0, 0, 0]
    assert areas[1].sum() == pytest.approx(1)
    assert estimate_areas([nothing]).tolist() == [[0, 0, 0]]


def test_one_point_covers_everything():
    labels = np.full((8, 9), 255, np.uint8)
    labels[2, 3] = 1
    (areas,) = estimate_areas([gather_evidence(np.zeros((8, 9, 3), np.uint8), labels, 3)])
    assert areas == pytest.approx([0, 1, 0])


def test_places_count_alike_at_any_size():
    small, large = (describe_pixels(np.zeros((h, 2 * h, 3), np.uint8))[-1, -1, -2:] for h in (100, 400))
    assert small == pytest.approx(large, abs=0.5)


@pytest.mark.parametrize("image", [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8)])
def test_another_kind_of_image_is_refused(image):
    with pytest.raises(UserError, match="uint8 image"):
        gather_evidence(image, np.zeros((4, 4), np.uint8), 3)


def test_a_label_out_of_range_is_refused():
    with pytest.raises(UserError, match=r"in 0\.\.1 \(or 255 where ignored\), got \[2\]"):
        gather_evidence(np.zeros((4, 4, 3), np.uint8), np.full((4, 4), 2, np.uint8), 2)


def test_the_file_comes_back(tmp_path):
    path = tmp_path / "areas.json"
    path.write_text(format_areas({"a/b.png": np.array([0.25, 0.75])}, ["x", "y"], {"config": "c.py"}))
    assert json.loads(path.read_text())["config"] == "c.py"
    read = read_areas(path)
    assert list(read) == ["a/b.png"]
    assert read["a/b.png"].dtype == np.float32
    assert read["a/b.png"].tolist() == [0.25, 0.75]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No areas at"),
        ("[" * 200_000, "nested too deeply"),
        ('{"classes": ["x"], "images": {"a": [' + "9" * 5000 + "]}}", "Expected JSON"),
        ('{"classes": ["x"], "images": {"a": [1' + "0" * 400 + "]}}", "Expected `classes` and `images`"),
        ('{"classes": ["x"], "images": {"a": [["y"]]}}', "Expected `classes` and `images`"),
        ('{"classes": 3, "images": {}}', "Expected `classes` and `images`"),
        ("\ufeff\x00", "Expected JSON"),
        ("{", "Expected JSON"),
        ("[]", "Expected `classes` and `images`"),
        ('{"classes": ["x"], "images": {"a": [1, 2]}}', "1 shares of at least 0 for a"),
        ('{"classes": ["x"], "images": {"a": [-1]}}', "1 shares of at least 0 for a"),
        ('{"classes": ["x"], "images": {"a": [NaN]}}', "1 shares of at least 0 for a"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, text, message):
    path = tmp_path / "areas.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_areas(path)
    assert str(path) in str(caught.value)
