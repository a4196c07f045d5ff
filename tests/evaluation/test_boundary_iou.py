"""Boundary IoU against loops over pixels and against the authors' mask_to_boundary, class by class."""

import math

import cv2
import numpy as np
import pytest

from mmseg_ext.evaluation.boundary_iou import boundary_reach, boundary_scores, count_boundary, near_other_class


def blobs(seed, shape=(23, 31), num_classes=4, ignored=0.1):
    """A truth of large areas, a prediction that is shifted and specked, some pixels without a label."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, num_classes, (-(-shape[0] // 6), -(-shape[1] // 6)))
    truth = np.kron(coarse, np.ones((6, 6), int))[: shape[0], : shape[1]]
    found = np.roll(truth, rng.integers(-2, 3, 2), (0, 1))
    found = np.where(rng.random(shape) < 0.02, rng.integers(0, num_classes, shape), found)
    truth = np.where(rng.random(shape) < ignored, 255, truth)
    return found, truth


def plain_counts(found, truth, num_classes, reach):
    """What the words say, pixel by pixel: the same square around every pixel, ignored pixels are as if not there."""
    height, width = truth.shape

    def is_boundary(class_map, y, x):
        for v in range(y - reach, y + reach + 1):
            for u in range(x - reach, x + reach + 1):
                if not (0 <= v < height and 0 <= u < width):
                    return True
                if truth[v, u] != 255 and class_map[v, u] != class_map[y, x]:
                    return True
        return False

    counts = np.zeros((2, num_classes), int)
    for y in range(height):
        for x in range(width):
            if truth[y, x] == 255:
                continue
            in_truth, in_found = is_boundary(truth, y, x), is_boundary(found, y, x)
            for k in range(num_classes):
                a, b = in_truth and truth[y, x] == k, in_found and found[y, x] == k
                counts[0, k] += a and b
                counts[1, k] += a or b
    return counts


def mask_to_boundary(mask, reach):
    """The authors' definition for one mask (their function of this name)."""
    framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return mask - cv2.erode(framed, np.ones((3, 3), np.uint8), iterations=reach)[1:-1, 1:-1]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("width", [0.02, 0.06, 0.1])
def test_counts_equal_a_loop_over_pixels(seed, width):
    found, truth = blobs(seed)
    reach = boundary_reach(truth.shape, width)
    counts = count_boundary(found, truth, 4, width)
    np.testing.assert_array_equal(counts, plain_counts(found, truth, 4, reach))
    assert counts.dtype == np.int64
    assert (counts[0] < counts[1]).all()


@pytest.mark.parametrize("width", [0.02, 0.05])
def test_counts_equal_the_authors_masks_where_all_is_labelled(width):
    found, truth = blobs(5, (60, 80), num_classes=6, ignored=0)
    reach = max(1, round(width * math.hypot(60, 80)))
    counts = count_boundary(found, truth, 6, width)
    for k in range(6):
        a, b = (mask_to_boundary((m == k).astype(np.uint8), reach).astype(bool) for m in (truth, found))
        assert counts[:, k].tolist() == [(a & b).sum(), (a | b).sum()]
        assert counts[0, k] > 0


def test_what_is_predicted_at_ignored_pixels_does_not_matter():
    found, truth = blobs(1, ignored=0.3)
    other = np.where(truth == 255, 77, found)
    np.testing.assert_array_equal(count_boundary(found, truth, 4), count_boundary(other, truth, 4))
    right = np.where(truth == 255, 3 - found % 4, truth)
    scores = boundary_scores(count_boundary(right, truth, 4))
    assert (scores == 100).all()


def test_a_class_that_meets_ignored_pixels_has_no_boundary_there():
    truth = np.full((40, 40), 255)
    truth[10:30, 10:30] = 2
    assert count_boundary(truth, truth, 4).sum() == 0
    assert np.isnan(boundary_scores(count_boundary(truth, truth, 4))).all()
    truth[10:30, 20:30] = 1
    assert count_boundary(truth, truth, 4).tolist() == [[0, 20, 20, 0]] * 2


@pytest.mark.parametrize("num_classes", [2, 255, 256, 65_535, 70_000])
def test_any_number_of_classes(num_classes):
    truth = np.full((9, 9), num_classes - 1)
    truth[:, 4:] = 0
    near = near_other_class(truth, np.ones_like(truth, bool), 1, num_classes)
    inside = np.zeros((9, 9), bool)
    inside[1:8, [1, 2, 5, 6, 7]] = True
    assert (near == ~inside).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 2)])
def test_an_image_narrower_than_the_boundary_is_boundary_all_over(shape):
    ones = np.ones(shape, int)
    assert count_boundary(ones, ones, 2, 0.5).tolist() == [[0, ones.size]] * 2
