"""Clean-up against scikit-image and scipy, and by hand."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import morphology

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.morphology import (
    CleanUpStep,
    clean_up_class,
    clean_up_map,
    fill_holes,
    nearest_class,
    remove_specks,
)


def noise(seed, shape=(40, 50), sigma=1.2):
    return ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), sigma) > 0.5


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("area", [1, 2, 9, 60])
def test_specks_and_holes_are_those_of_scikit_image(seed, area):
    mask_HW = noise(seed)
    expected_HW = morphology.remove_small_objects(mask_HW, max_size=area - 1, connectivity=1)
    np.testing.assert_array_equal(remove_specks(mask_HW, area), expected_HW)
    # scikit-image also fills what reaches the border; a border of more than that keeps it open.
    wide_HW = np.pad(mask_HW, 10)
    inside = slice(10, -10), slice(10, -10)
    expected_HW = morphology.remove_small_holes(wide_HW, max_size=area, connectivity=1)[inside]
    np.testing.assert_array_equal(fill_holes(mask_HW, area), expected_HW)


@pytest.mark.parametrize("seed", range(5))
def test_all_holes_are_those_of_scipy(seed):
    mask_HW = noise(seed)
    np.testing.assert_array_equal(fill_holes(mask_HW, mask_HW.size), ndimage.binary_fill_holes(mask_HW))


@pytest.mark.parametrize("radius", [1, 2, 3])
@pytest.mark.parametrize("operation", ["opening", "closing"])
def test_opening_and_closing_are_those_of_scikit_image(radius, operation):
    mask_HW = noise(0, sigma=2)
    found_HW = clean_up_class(mask_HW.astype(np.int64), CleanUpStep(1, **{operation: radius}))
    expected_HW = getattr(morphology, operation)(mask_HW, morphology.disk(radius), mode="ignore")
    np.testing.assert_array_equal(found_HW, expected_HW)
    assert (found_HW != mask_HW).any()
    assert found_HW.dtype == np.int64


def test_what_a_class_loses_falls_to_the_nearest_other():
    class_map_HW = np.zeros((5, 12), np.uint8)
    class_map_HW[:, 6:] = 2
    class_map_HW[2, 1] = class_map_HW[2, 10] = 1
    found_HW = clean_up_map(class_map_HW, [CleanUpStep(1, min_area=2)])
    expected_HW = np.zeros((5, 12), np.uint8)
    expected_HW[:, 6:] = 2
    np.testing.assert_array_equal(found_HW, expected_HW)
    assert class_map_HW[2, 1] == 1  # the map that was given is left alone
    # Far inside a large group, too: the distance is that of scipy.
    unknown_HW = np.ones((40, 60), bool)
    places = np.random.default_rng(0).integers(0, 40, (12, 2))
    unknown_HW[places[:, 0], places[:, 1]] = False
    classes_HW = np.arange(2400).reshape(40, 60)
    found_HW = nearest_class(classes_HW, unknown_HW)
    rows, columns = np.divmod(found_HW, 60)
    assert not unknown_HW[rows, columns].any()
    distance_HW = np.hypot(rows - np.arange(40)[:, None], columns - np.arange(60))
    np.testing.assert_allclose(distance_HW, ndimage.distance_transform_edt(unknown_HW), rtol=0.05)


def test_holes_take_from_every_class():
    class_map_HW = np.full((5, 5), 1)
    class_map_HW[2, 1:3] = 0, 2
    class_map_HW[0, 4] = 0  # reaches the border: no hole
    found_HW = clean_up_map(class_map_HW, [CleanUpStep(1, max_hole=2)])
    assert (found_HW != 1).sum() == 1
    assert found_HW[0, 4] == 0
    np.testing.assert_array_equal(clean_up_map(class_map_HW, [CleanUpStep(1, max_hole=1)]), class_map_HW)


def test_steps_are_taken_in_order():
    class_map_HW = np.zeros((5, 5), np.int64)
    class_map_HW[1:4, 1:4] = 1
    class_map_HW[2, 2] = 2
    # The speck of 2 first falls to 1; the other way round, 1 fills its hole.
    for steps in ([CleanUpStep(2, min_area=2)], [CleanUpStep(1, max_hole=1), CleanUpStep(2, min_area=2)]):
        assert clean_up_map(class_map_HW, steps)[2, 2] == 1
    # A group as large as the limit stays, and nothing is left alone.
    assert clean_up_map(class_map_HW, [CleanUpStep(2, min_area=1)])[2, 2] == 2
    assert (clean_up_map(np.ones((2, 2), int), [CleanUpStep(1, min_area=9)]) == 1).all()
    assert clean_up_map(class_map_HW, [CleanUpStep(7, min_area=9)]) is class_map_HW


@pytest.mark.parametrize("settings", [{"min_area": -1}, {"opening": 1.5}, {"max_hole": "all"}])
def test_numbers_that_make_no_sense(settings):
    with pytest.raises(UserError, match="to be a non-negative int, got"):
        CleanUpStep(1, **settings)
