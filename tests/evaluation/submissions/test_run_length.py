"""Run lengths against pycocotools, by hand, and what is no run length."""

import numpy as np
import pytest
from coco_run_lengths import to_coco
from pycocotools import mask as coco

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.submissions import decode_rle, encode_rle


@pytest.mark.parametrize("seed", range(20))
def test_runs_are_those_of_pycocotools(seed):
    rng = np.random.default_rng(seed)
    mask_HW = rng.random(rng.integers(1, 30, 2)) < rng.choice([0.05, 0.5, 0.95])
    rle = encode_rle(mask_HW)
    assert to_coco(rle, mask_HW.shape)["counts"] == coco.encode(np.asfortranarray(mask_HW.astype(np.uint8)))["counts"]
    found_HW = decode_rle(rle, mask_HW.shape)
    np.testing.assert_array_equal(found_HW, mask_HW)
    assert found_HW.dtype == bool


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda m: m.T.copy().T, lambda m: np.repeat(m, 2, 1)[:, ::2]])
def test_the_layout_in_memory_does_not_matter(layout):
    mask_HW = np.random.default_rng(0).random((7, 9)) < 0.5
    assert encode_rle(layout(mask_HW)) == encode_rle(mask_HW)


def test_by_hand():
    mask_HW = np.array([[0, 1, 1], [1, 1, 0]], np.uint8)
    assert encode_rle(mask_HW) == "2 4"  # down the columns: 0 1, 1 1, 1 0
    assert encode_rle(np.zeros((2, 3))) == ""
    assert encode_rle(np.ones((2, 3), bool)) == "1 6"
    assert not decode_rle("", (2, 3)).any()
    np.testing.assert_array_equal(decode_rle("2 1 3 3", (2, 3)), mask_HW)  # runs that follow one another


@pytest.mark.parametrize(
    ("rle", "message"),
    [
        ("1 2 3", "pairs of whole numbers, got '1 2 3'"),
        ("1 x", "pairs of whole numbers"),
        ("0 2", r"within 1\.\.6 for an image of 2 × 3 .*got 0 2"),
        ("1 0", "at least one pixel"),
        ("5 3", "got 5 3"),
        ("2 9223372036854775807", "got 2 9223372036854775807"),
        ("1 9223372036854775808", "pairs of whole numbers"),
        ("3 2 1 1", "in order that do not overlap, got 3 2 before 1 1"),
        ("1 3 3 1", "do not overlap, got 1 3 before 3 1"),
    ],
)
def test_what_is_no_run_length_is_an_error(rle, message):
    with pytest.raises(UserError, match=message):
        decode_rle(rle, (2, 3))


def test_other_values_are_an_error():
    with pytest.raises(UserError, match="mask of 0 and 1, got 7, 255 as well"):
        encode_rle(np.array([[0, 255, 7]]))
    with pytest.raises(UserError, match=r"shape \(H, W\), got \(1, 2, 3\)"):
        encode_rle(np.zeros((1, 2, 3)))
