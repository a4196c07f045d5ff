"""Crops counted one by one, and against stock's RandomCrop."""

from itertools import product

import numpy as np
import pytest
from mmseg.datasets.transforms import RandomCrop
from scipy.stats import chisquare

from mmseg_ext.errors import UserError
from mmseg_ext.points.sampling import keep_points, seed_of_sample
from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.transforms import PointAwareRandomCrop
from mmseg_ext.transforms.labelled_crops import count_labels_of_crops


def make_sample(labels):
    """An image that holds its own coordinates, so that a crop tells where it was taken."""
    height, width = labels.shape
    y, x = np.mgrid[:height, :width]
    image = np.stack([y, x, np.zeros_like(y)], axis=2).astype(np.int32)
    return {"img": image, "gt_seg_map": labels.copy(), "seg_fields": ["gt_seg_map"]}


def crops(transform, labels, count):
    """(top, left, labels of the crop) of `count` crops."""
    found = []
    for _ in range(count):
        results = transform(make_sample(labels))
        image = results["img"]
        top, left = image[0, 0, :2].tolist()
        height, width = image.shape[:2]
        assert results["img_shape"] == (height, width) == results["gt_seg_map"].shape
        np.testing.assert_array_equal(results["gt_seg_map"], labels[top : top + height, left : left + width])
        found.append((top, left, results["gt_seg_map"]))
    return found


def all_crops(labels, size):
    """Every crop of an image: {(top, left): labels}."""
    tops, lefts = range(labels.shape[0] - size[0] + 1), range(labels.shape[1] - size[1] + 1)
    return {(t, left): labels[t : t + size[0], left : left + size[1]] for t, left in product(tops, lefts)}


def is_mixed(labels, ratio):
    """Stock's rule, written out: at least two classes, none with `ratio` or more of the labelled pixels."""
    counts = np.bincount(labels[labels != 255], minlength=256)
    return (counts > 0).sum() > 1 and counts.max() / counts.sum() < ratio


def sparse(shape, num_points, seed=0, num_classes=3):
    labels = np.random.default_rng(seed).integers(0, num_classes, shape).astype(np.uint8)
    return keep_points(labels, num_points, seed_of_sample(seed, "a.png"))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (9, 2), (10, 12)])
def test_labels_of_every_crop_are_counted(size):
    labels = sparse((10, 12), 30)
    for same in (labels, np.asfortranarray(labels), labels.T.copy().T):
        counts = count_labels_of_crops(same != 255, size)
        assert {p: counts[p] for p in np.ndindex(counts.shape)} == {
            p: (crop != 255).sum() for p, crop in all_crops(labels, size).items()
        }


@pytest.mark.parametrize("cat_max_ratio", [1.0, 0.75])
def test_every_crop_of_an_image_with_labels_has_a_label(cat_max_ratio):
    np.random.seed(0)
    for seed, num_points in ((0, 1), (1, 2), (2, 5)):
        labels = sparse((60, 80), num_points, seed)
        for _, _, crop in crops(PointAwareRandomCrop((16, 16), cat_max_ratio), labels, 200):
            assert (crop != 255).any()


def test_stock_takes_crops_without_labels():
    """The measured difference, at 5 points an image: about a third of stock's crops hold nothing to learn from."""
    np.random.seed(0)
    empty = {RandomCrop: 0, PointAwareRandomCrop: 0}
    for transform, image in product(empty, range(40)):
        labels = sparse((128, 192), 5, seed=image)
        found = crops(transform((64, 64)), labels, 10)
        empty[transform] += sum(not (crop != 255).any() for _, _, crop in found)
    assert 60 < empty[RandomCrop] < 260
    assert empty[PointAwareRandomCrop] == 0


@pytest.mark.parametrize("min_points", [1, 2, 3])
def test_positions_are_uniform_among_the_crops_that_qualify(min_points):
    labels = sparse((9, 11), 8, seed=2)
    qualifying = [p for p, crop in all_crops(labels, (4, 5)).items() if (crop != 255).sum() >= min_points]
    assert 1 < len(qualifying) < 6 * 7
    np.random.seed(0)
    count = 60 * len(qualifying)
    found = [(t, left) for t, left, _ in crops(PointAwareRandomCrop((4, 5), min_points=min_points), labels, count)]
    assert set(found) == set(qualifying)
    assert chisquare([found.count(p) for p in qualifying]).pvalue > 1e-3


def test_an_image_without_labels_is_cropped_anywhere():
    labels = np.full((6, 7), 255, dtype=np.uint8)
    np.random.seed(0)
    found = [(t, left) for t, left, _ in crops(PointAwareRandomCrop((4, 4), 0.75), labels, 600)]
    everywhere = list(product(range(3), range(4)))
    assert set(found) == set(everywhere)
    assert chisquare([found.count(p) for p in everywhere]).pvalue > 1e-3


def test_where_no_crop_has_enough_points_the_richest_are_taken():
    labels = np.full((8, 8), 255, dtype=np.uint8)
    labels[1, 1], labels[2, 2], labels[7, 7] = 0, 1, 2
    np.random.seed(0)
    found = crops(PointAwareRandomCrop((3, 3), min_points=50), labels, 200)
    assert {(t, left) for t, left, _ in found} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert all((crop != 255).sum() == 2 for _, _, crop in found)


def dense_labels():
    """Large areas of few classes: about a quarter of the crops of 6 × 6 are mixed enough."""
    labels = np.zeros((20, 24), dtype=np.uint8)
    labels[:9, 10:] = 1
    labels[13:, 4:9] = 2
    labels[5:8, :3] = 255
    return labels


def test_with_dense_labels_crops_are_accepted_as_stock_accepts_them():
    labels, ratio, count = dense_labels(), 0.6, 2000
    everything = all_crops(labels, (6, 6))
    accepted = {p for p, crop in everything.items() if is_mixed(crop, ratio)}
    share = len(accepted) / len(everything)
    assert 0.05 < share < 0.3
    expected = 1 - (1 - share) ** 11  # ten are tried, then one is taken unchecked
    for transform in (RandomCrop, PointAwareRandomCrop):
        np.random.seed(0)
        found = [(t, left) for t, left, _ in crops(transform((6, 6), ratio), labels, count)]
        num_accepted = sum(p in accepted for p in found)
        error = np.sqrt(expected * (1 - expected) / count)
        assert abs(num_accepted / count - expected) < 4 * error, transform
        assert chisquare([found.count(p) for p in sorted(accepted)]).pvalue > 1e-3


@pytest.mark.parametrize(("transform", "numbers_each"), [(RandomCrop, 2), (PointAwareRandomCrop, 1)])
def test_a_crop_that_never_passes_is_drawn_as_often_as_in_stock(transform, numbers_each, monkeypatch):
    """Ten crops are tried and an eleventh is taken unchecked; stock draws two numbers each, we one."""
    randint, drawn = np.random.randint, []

    def counted(*args):
        drawn.append(args)
        return randint(*args)

    monkeypatch.setattr(np.random, "randint", counted)
    transform((4, 4), 0.75)(make_sample(np.zeros((9, 9), dtype=np.uint8)))
    assert len(drawn) == 11 * numbers_each


def test_cat_max_ratio_is_honoured_among_points():
    """Where one crop in five is mixed, ten tries find it nine times in ten; stock's rule over the points alone."""
    labels = np.full((12, 40), 255, dtype=np.uint8)
    labels[2::4, 2:30:4] = 0
    labels[2::4, 32:38:2] = 1
    ratio = 0.75
    everything = {p: crop for p, crop in all_crops(labels, (8, 8)).items() if (crop != 255).any()}
    share = np.mean([is_mixed(crop, ratio) for crop in everything.values()])
    assert 0.05 < share < 0.3
    np.random.seed(0)
    found = crops(PointAwareRandomCrop((8, 8), ratio), labels, 1500)
    expected = 1 - (1 - share) ** 11
    observed = np.mean([is_mixed(crop, ratio) for _, _, crop in found])
    assert abs(observed - expected) < 4 * np.sqrt(expected * (1 - expected) / 1500)


def test_the_share_of_exactly_the_ratio_is_refused():
    labels = np.full((4, 12), 255, dtype=np.uint8)
    labels[0, :4] = 0, 0, 0, 1  # 0.75 of class 0
    labels[0, 8:] = 0, 0, 1, 1  # 0.5
    labels[0, 4:8] = 255
    np.random.seed(0)
    transform = PointAwareRandomCrop((4, 4), 0.75, min_points=4)
    found = [left for _, left, _ in crops(transform, labels, 400)]
    assert set(found) <= {0, 8}
    assert found.count(0) <= 3  # (1/2)^11 of the time


@pytest.mark.parametrize("crop_size", [(50, 50), (50, 6), (6, 50), (8, 10)])
def test_an_image_smaller_than_the_crop_is_taken_whole_on_that_side(crop_size):
    labels = sparse((8, 10), 4)
    np.random.seed(0)
    for _, _, crop in crops(PointAwareRandomCrop(crop_size, 0.75), labels, 20):
        assert crop.shape == (min(8, crop_size[0]), min(10, crop_size[1]))
        assert (crop != 255).any()


def test_crop_sizes_of_any_kind():
    labels = sparse((30, 40), 20)
    for crop_size, expected in ((7, (7, 7)), ([5, 9], (5, 9)), ((5, 9), (5, 9))):
        transform = TRANSFORMS.build({"type": "mmseg_ext.PointAwareRandomCrop", "crop_size": crop_size})
        np.random.seed(0)
        assert crops(transform, labels, 3)[2][2].shape == expected


def test_the_same_seed_gives_the_same_crops():
    labels, transform = sparse((30, 40), 20), PointAwareRandomCrop((8, 8), 0.75)
    runs = []
    for seed in (0, 0, 1):
        np.random.seed(seed)
        runs.append([(t, left) for t, left, _ in crops(transform, labels, 20)])
    assert runs[0] == runs[1] != runs[2]


def test_all_label_fields_are_cropped_alike_and_another_ignore_index_counts():
    labels = np.where(sparse((30, 40), 3) == 255, 0, 1).astype(np.uint8)
    sample = make_sample(labels)
    sample["gt_other_map"] = labels + 100
    sample["seg_fields"].append("gt_other_map")
    np.random.seed(0)
    results = PointAwareRandomCrop((6, 6), ignore_index=0)(sample)
    assert (results["gt_seg_map"] == 1).any()
    np.testing.assert_array_equal(results["gt_other_map"], results["gt_seg_map"] + 100)


def test_wrong_min_points():
    with pytest.raises(UserError, match="`min_points` to be a positive int, got 0"):
        PointAwareRandomCrop((4, 4), min_points=0)
