"""Grown points against a flood fill written out by hand, on pictures whose regions are known."""

import numpy as np
import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.transforms import GrowPoints
from mmseg_ext.transforms.grow_points import grow_points


def points(shape, **labels):
    labels_HW = np.full(shape, 255, np.uint8)
    for place, label in labels.items():
        y, x = (int(part) for part in place[1:].split("_"))
        labels_HW[y, x] = label
    return labels_HW


def by_hand(image, labels, radius, tolerance):
    """Breadth first, pixel by pixel."""
    claims = {}
    for y, x in np.argwhere(labels != 255).tolist():
        seen, front = {(y, x)}, [(y, x)]
        while front:
            v, u = front.pop()
            for a, b in ((v + 1, u), (v - 1, u), (v, u + 1), (v, u - 1)):
                if (a, b) in seen or not (0 <= a < labels.shape[0] and 0 <= b < labels.shape[1]):
                    continue
                near = max(abs(a - y), abs(b - x)) <= radius
                if near and (abs(image[a, b].astype(int) - image[y, x].astype(int)) <= tolerance).all():
                    seen.add((a, b))
                    front.append((a, b))
        for place in seen:
            claims.setdefault(place, set()).add(int(labels[y, x]))
    grown = np.full_like(labels, 255)
    for place, classes in claims.items():
        grown[place] = next(iter(classes)) if len(classes) == 1 else 255
    grown[labels != 255] = labels[labels != 255]
    return grown


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("radius", "tolerance"), [(2, 40), (5, 15), (50, 60)])
def test_equals_the_search_by_hand(channels, radius, tolerance):
    generator = np.random.default_rng(radius)
    image = generator.integers(0, 80, (14, 17, channels), dtype=np.uint8)
    labels = np.full((14, 17), 255, np.uint8)
    for label in (0, 1, 2, 0, 1):
        labels[generator.integers(14), generator.integers(17)] = label
    grown = grow_points(image, labels, radius, tolerance, sigma=0)
    assert np.array_equal(grown, by_hand(image, labels, radius, tolerance))


def test_a_region_ends_where_the_colour_does():
    image = np.zeros((20, 20, 3), np.uint8)
    image[:, 10:] = 200
    grown = grow_points(image, points((20, 20), p10_4=3), radius=30, sigma=0)
    assert (grown[:, :10] == 3).all()
    assert (grown[:, 10:] == 255).all()


def test_what_two_classes_reach_has_no_label_but_points_keep_theirs():
    image = np.zeros((9, 9, 3), np.uint8)
    grown = grow_points(image, points((9, 9), p4_2=0, p4_6=1), radius=3, sigma=0)
    assert grown[4, 2] == 0
    assert grown[4, 6] == 1
    assert grown[4, 0] == 0
    assert grown[4, 8] == 1
    assert grown[4, 4] == 255


def test_no_point_and_points_at_the_border():
    image = np.zeros((6, 7, 3), np.uint8)
    nothing = np.full((6, 7), 255, np.uint8)
    assert np.array_equal(grow_points(image, nothing), nothing)
    assert (grow_points(image, points((6, 7), p0_0=1, p5_6=1), radius=9) == 1).all()


def test_the_input_stays_as_it_was():
    generator = np.random.default_rng(0)
    image, labels = generator.integers(0, 255, (12, 12, 3), dtype=np.uint8), points((12, 12), p5_5=2)
    before = image.copy(), labels.copy()
    results = GrowPoints(radius=4, tolerance=255)({"img": image, "gt_seg_map": labels})
    assert np.array_equal(image, before[0])
    assert np.array_equal(labels, before[1])
    assert (results["gt_seg_map"] == 2).sum() == 81


@pytest.mark.parametrize("settings", [{"radius": 0}, {"tolerance": -1}, {"sigma": -0.5}])
def test_settings_out_of_range(settings):
    with pytest.raises(UserError, match="GrowPoints: expected"):
        GrowPoints(**settings)


def test_other_images_are_refused_by_name():
    sample = {"img": np.zeros((4, 4, 3), np.float32), "gt_seg_map": points((4, 4)), "img_path": "a.tif"}
    with pytest.raises(UserError, match=r"a\.tif.*float32"):
        GrowPoints()(sample)
