"""How far two class maps agree; windows of an image."""

import numpy as np
import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.prediction.onnx_check import Agreement, check_graph, compare_classes, windows_of


def test_differing_pixels_are_counted_and_near_ties_told_apart():
    expected_HW = np.array([[0, 1, 2], [2, 1, 0]])
    found_HW = np.array([[0, 2, 2], [2, 0, 0]])
    probabilities_CHW = np.full((3, 2, 3), 1 / 3, np.float32)
    probabilities_CHW[:, 0, 1] = 0.1, 0.45, 0.4496  # classes 1 and 2 within 0.001
    probabilities_CHW[:, 1, 1] = 0.2, 0.7, 0.1
    agreement = compare_classes(expected_HW, found_HW, probabilities_CHW, None)
    assert agreement == Agreement(6, 4, 1)
    assert not agreement.is_enough
    assert agreement.describe() == (
        "66.6667 % of 6 pixels have the checkpoint's class; "
        "of the 2 others 1 are near-ties (within 0.001 in probability)"
    )


def test_near_ties_of_one_channel_lie_at_the_threshold():
    expected_HW, found_HW = np.array([[1, 0, 1]]), np.array([[0, 1, 1]])
    agreement = compare_classes(expected_HW, found_HW, np.array([[[0.3701, 0.2, 0.9]]]), 0.37)
    assert agreement == Agreement(3, 1, 1)


def test_one_pixel_in_ten_thousand_may_differ():
    assert Agreement(10_000, 9_999, 0).is_enough
    assert not Agreement(10_000, 9_998, 2).is_enough
    assert not Agreement().is_enough
    assert Agreement(3, 2, 1).plus(Agreement(5, 5, 0)) == Agreement(8, 7, 1)
    assert Agreement(8, 8, 0).describe() == "100.0000 % of 8 pixels have the checkpoint's class"


def test_windows_cover_each_pixel_once_and_are_filled_up():
    image_HWC = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    windows = list(windows_of(image_HWC, (4, 4), np.array([1.0, 2.0, 3.0])))
    assert [window.shape for window in windows] == [(4, 4, 3)] * 4
    joined = np.concatenate([np.concatenate(windows[:2], 1), np.concatenate(windows[2:], 1)])
    np.testing.assert_array_equal(joined[:5, :7], image_HWC)
    assert (joined[5:] == [1, 2, 3]).all()


def test_no_image_is_no_check():
    with pytest.raises(UserError, match="Expected images to check the exported graph on"):
        check_graph(None, None, [])
