"""Pictures side by side and one below the other."""

import numpy as np
import pytest
from plain_pictures import RED, ground

from mmseg_ext import pictures
from mmseg_ext.errors import UserError


def test_panel_puts_pictures_beside_one_another():
    left, right = ground(40, 60, 50), ground(40, 80, 200)
    picture = pictures.panel([("left", left), ("right", right)])
    assert picture.shape == (40 + 23, 60 + 8 + 80, 3)
    np.testing.assert_array_equal(picture[23:, :60], left)
    np.testing.assert_array_equal(picture[23:, 68:], right)
    assert (picture[:, 60:68] == 255).all()
    for columns in (slice(0, 60), slice(68, 148)):
        ink = np.nonzero(picture[:23, columns].max(axis=-1) < 120)[1]
        middle = (ink.min() + ink.max()) / 2
        assert abs(middle - (columns.stop - columns.start) / 2) < 3  # the title is centred


def test_panel_without_titles_has_no_band():
    np.testing.assert_array_equal(pictures.panel([("", ground())]), ground())


def test_panel_scales_to_one_height_and_keeps_label_colors():
    small = np.zeros((2, 3, 3), np.uint8)
    small[0, 0] = RED
    picture = pictures.panel([("", small), ("", ground(8, 8))])
    assert picture.shape == (8, 12 + 8 + 8, 3)
    np.testing.assert_array_equal(picture[:, :12], small.repeat(4, 0).repeat(4, 1))
    halved = pictures.panel([("", ground(8, 8))], height=4)
    np.testing.assert_array_equal(halved, ground(4, 4))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
def test_panel_takes_any_size_and_title(size):
    picture = pictures.panel([("a very long title \U0001f333" * 20, ground(*size))])
    np.testing.assert_array_equal(picture[-size[0] :], ground(*size))


def test_bad_panels():
    with pytest.raises(UserError, match="at least one picture in a panel, got none"):
        pictures.panel([])
    with pytest.raises(UserError, match="`height` to be at least 1 pixel, got 0"):
        pictures.panel([("a", ground())], height=0)
    with pytest.raises(UserError, match=r"\(H, W, 3\) of uint8 RGB, got shape \(4, 4\)"):
        pictures.panel([("a", np.zeros((4, 4), np.uint8))])


def test_sheet_stacks_with_the_legend_beneath():
    wide, narrow, strip = ground(10, 50, 1), ground(20, 30, 2), ground(5, 50, 3)
    picture = pictures.sheet([wide, narrow], strip)
    assert picture.shape == (10 + 8 + 20 + 8 + 5, 50, 3)
    assert (picture[:10] == 1).all()
    assert (picture[10:18] == 255).all()
    assert (picture[18:38, :30] == 2).all()
    assert (picture[18:38, 30:] == 255).all()
    assert (picture[46:] == 3).all()
    np.testing.assert_array_equal(pictures.sheet([wide]), wide)
    with pytest.raises(UserError, match="at least one row"):
        pictures.sheet([])
