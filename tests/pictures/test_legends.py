"""Class names beside their colours."""

import numpy as np
import pytest
from plain_pictures import PALETTE, RED

from mmseg_ext import pictures
from mmseg_ext.errors import UserError


def test_legend_shows_each_color_once_on_white():
    strip = pictures.legend(["ground", "house", "tree"], PALETTE, 400)
    assert strip.shape == (30, 400, 3)
    assert strip.dtype == np.uint8
    for color in PALETTE:
        rows, columns = np.nonzero((strip == color).all(axis=-1))
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1, rows.size) == (12, 12, 144)
    assert strip[0, 0].tolist() == [255, 255, 255]
    assert np.count_nonzero(strip.max(axis=-1) < 90) > 100  # dark ink


def test_legend_wraps_into_rows():
    classes = [f"class {i}" for i in range(9)]
    palette = [[i, 200, 0] for i in range(9)]
    heights = [pictures.legend(classes, palette, width).shape[0] for width in (2000, 300, 100)]
    assert heights == [30, 8 + 22 * 3, 8 + 22 * 9]
    strip = pictures.legend(classes, palette, 100)
    tops = [np.nonzero((strip == color).all(axis=-1))[0].min() for color in palette]
    assert np.diff(tops).tolist() == [22] * 8


@pytest.mark.parametrize("width", [1, 5, 30, 200])
@pytest.mark.parametrize("name", ["", "a" * 3000, "水域", "two\nlines", "e\u0301 \U0001f333"])
def test_legend_takes_any_name_and_width(name, width):
    assert pictures.legend([name, "road"], PALETTE[1:], width).shape[1] == width


def test_long_name_is_shortened_within_the_strip():
    strip = pictures.legend(["m" * 100], [RED], 150)
    ink = np.nonzero(strip.max(axis=-1) < 120)[1]
    assert 100 < ink.max() < 150 - 4


def test_legend_of_nothing_and_of_unequal_lengths():
    assert (pictures.legend([], [], 50) == 255).all()
    with pytest.raises(UserError, match="each of 1 classes, got 3 colours"):
        pictures.legend(["a"], PALETTE, 100)
    with pytest.raises(UserError, match="`width` to be at least 1 pixel, got 0"):
        pictures.legend(["a"], [RED], 0)
