import numpy as np
from scipy import ndimage

from mmseg_ext.audit.connected_areas import find_connected


def test_areas_are_those_of_scipy():
    values_HW = np.random.default_rng(0).integers(0, 4, (40, 30))
    found = find_connected(values_HW, 0)
    assert ((found.number_HW == 0) == (values_HW == 0)).all()
    total = 0
    for value in (1, 2, 3):
        numbers_HW, count = ndimage.label(values_HW == value)
        total += count
        pairs = {
            *zip(numbers_HW[values_HW == value].tolist(), found.number_HW[values_HW == value].tolist(), strict=True)
        }
        assert len(pairs) == count
    assert len(found.value_A) == total
    for number, (value, size, box) in enumerate(zip(found.value_A, found.size_A, found.boxes(), strict=True), 1):
        assert set(values_HW[found.number_HW == number]) == {value}
        assert (found.number_HW == number).sum() == size == (found.number_HW[box] == number).sum()


def test_sums_are_those_of_each_area():
    values_HW = np.random.default_rng(1).integers(0, 3, (20, 25))
    weights_HW = np.random.default_rng(2).random((20, 25))
    found = find_connected(values_HW, 0)
    expected = ndimage.sum(weights_HW, found.number_HW, np.arange(1, len(found.value_A) + 1))
    np.testing.assert_allclose(found.sum_of(weights_HW), expected)


def test_thickness_is_that_of_the_narrow_side():
    values_HW = np.zeros((60, 60), int)
    values_HW[2:9, 2:50] = 1
    values_HW[20:50, 20:50] = 2
    values_HW[55, 5:50] = 1
    values_HW[0:3, 55:60] = 2  # at the edge of the image
    found = find_connected(values_HW, 0)
    thickness = dict(
        zip(zip(found.value_A.tolist(), found.size_A.tolist(), strict=True), found.thickness(), strict=True)
    )
    for key, expected in {(1, 336): 7, (2, 900): 30, (1, 45): 1, (2, 15): 3}.items():
        assert abs(thickness[key] - expected) <= 1.5, key


def test_nothing_is_no_area():
    found = find_connected(np.zeros((5, 5), int), 0)
    assert len(found.value_A) == len(found.size_A) == len(found.boxes()) == len(found.thickness()) == 0
