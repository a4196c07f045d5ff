"""Where a prediction is right and where it is wrong."""

import numpy as np
import pytest

from mmseg_ext import pictures
from mmseg_ext.errors import UserError


def test_errors_by_hand():
    picture = pictures.errors(np.array([[0, 1, 1]]), np.array([[0, 2, 255]]))
    assert tuple(picture[0, 0]) == pictures.RIGHT_COLOR == (199, 219, 199)
    assert tuple(picture[0, 1]) == pictures.WRONG_COLOR == (214, 39, 40)
    assert tuple(picture[0, 2]) in pictures.HATCH_COLORS
    assert picture.dtype == np.uint8


def test_errors_with_differing_shapes():
    with pytest.raises(UserError, match=r"got \(2, 3\) and \(3, 2\)"):
        pictures.errors(np.zeros((2, 3), int), np.zeros((3, 2), int))


def test_errors_count_a_predicted_ignore_index_as_wrong():
    assert tuple(pictures.errors(np.array([[255]]), np.array([[1]]))[0, 0]) == pictures.WRONG_COLOR
