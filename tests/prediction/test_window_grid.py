"""Windows cover an image once, and lie where the map says."""

import numpy as np
import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.prediction.window_grid import EDGE_STEP, WindowAxis, anchor_of


def random_axes(count):
    rng = np.random.default_rng(0)
    for _ in range(count):
        window = int(rng.integers(4, 160))
        overlap = int(rng.integers(0, window // 2 + 1))
        yield WindowAxis(int(rng.integers(1, 700)), window, overlap, int(rng.integers(0, window - overlap)))


def test_strips_cover_the_axis_once_and_lie_in_their_windows():
    for axis in random_axes(400):
        end = 0
        for index in range(axis.count):
            (start, stop), (first, last), strip = axis.range_of(index), axis.used(index), axis.strip(index)
            assert strip[0] == end < strip[1]
            assert -EDGE_STEP < start <= first <= strip[0] < strip[1] <= last <= stop <= axis.length
            assert stop - start <= axis.window
            assert start >= 0 or index == 0
            end = strip[1]
        assert end == axis.length


def test_weights_of_two_windows_are_one_together_and_fall_to_nothing_before_the_edge():
    ramp = WindowAxis(500, 64, 16).ramp
    assert np.all(np.diff(ramp) >= 0)
    assert ramp + ramp[::-1] == pytest.approx(1)
    assert ramp.tolist()[:5] == [0] * 5
    assert 0 < ramp[5] < 0.05


def test_another_extent_of_the_map_has_the_same_windows():
    window, overlap, length, origin = 96, 32, 1000, -12345.5
    whole = WindowAxis(length, window, overlap, anchor_of(origin, window - overlap))
    places = {whole.place(index) for index in range(whole.count)}
    for offset in (1, 17, 250, 333):
        part = WindowAxis(500, window, overlap, anchor_of(origin - offset, window - overlap))
        inner = {part.place(index) + offset for index in range(1, part.count)}
        assert inner <= places
        # Windows that are moved at the edge stay in step with networks that reduce their input.
        starts = [part.range_of(index)[0] + offset for index in range(part.count)]
        assert {start % EDGE_STEP for start in starts} == {whole.place(1) % EDGE_STEP}


def test_an_image_that_fits_has_one_window():
    assert WindowAxis(50, 64, 16).count == 1
    assert WindowAxis(64, 64, 16).range_of(0) == (0, 64)


def test_an_overlap_of_more_than_half_is_refused():
    with pytest.raises(UserError, match="0 to 32 pixels, half of a window of 64, got 33"):
        WindowAxis(500, 64, 33)
