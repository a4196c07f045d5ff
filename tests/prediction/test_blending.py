"""Blended windows against the whole image."""

import numpy as np
import pytest
import torch
from color_predictor import ColorPredictor, expected_classes, smooth_colors

from mmseg_ext.prediction.blending import SharedRows, WindowBlender, blend_windows, pad_window
from mmseg_ext.prediction.window_grid import WindowAxis


def blend(logits_CHW, rows, columns):
    blender = WindowBlender(rows, columns)
    found = torch.full(logits_CHW.shape, float("nan"))
    for row in range(rows.count):
        for column in range(columns.count):
            (top, bottom), (left, right) = rows.range_of(row), columns.range_of(column)
            window = torch.zeros(len(logits_CHW), bottom - top, right - left)
            window[:, max(-top, 0) :, max(-left, 0) :] = logits_CHW[:, max(top, 0) : bottom, max(left, 0) : right]
            place = slice(*rows.strip(row)), slice(*columns.strip(column))
            found[:, place[0], place[1]] = blender.add(row, column, window)
    return found


def test_windows_that_agree_are_left_as_they_are():
    rng = np.random.default_rng(1)
    for _ in range(30):
        window = int(rng.integers(8, 40))
        overlap = int(rng.integers(0, window // 2 + 1))
        height, width = (int(size) for size in rng.integers(1, 120, 2))
        axes = [WindowAxis(n, window, overlap, int(rng.integers(0, window - overlap))) for n in (height, width)]
        logits = torch.randn(3, height, width)
        torch.testing.assert_close(blend(logits, *axes), logits)


def test_windows_that_differ_are_mixed_by_their_weights():
    columns = WindowAxis(20, 14, 6)
    rows = WindowAxis(4, 8, 2)
    blender = WindowBlender(rows, columns)
    (_, end), (start, _) = columns.range_of(0), columns.range_of(1)
    left = blender.add(0, 0, torch.zeros(1, 4, end))
    right = blender.add(0, 1, torch.ones(1, 4, 20 - start))
    row = torch.cat([left, right], dim=2)[0, 0]
    expected = np.concatenate([np.zeros(8), columns.ramp, np.ones(6)])
    np.testing.assert_allclose(row.numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("is_fixed", [False, True])
def test_a_field_of_view_within_the_overlap_gives_the_whole_image(is_fixed):
    image = smooth_colors(101, 87)
    predictor = ColorPredictor(size=40, overlap=16, is_fixed=is_fixed)
    blended = blend_windows(predictor, image).argmax(0).numpy()
    expected, margin = expected_classes(image, np.ones(image.shape[:2], bool), predictor)
    is_clear = margin > 1e-2
    assert is_clear.mean() > 0.99
    # The field of view, 11 pixels, is within the overlap; the 5 pixels at a window's edge do not count.
    assert (blended == expected)[is_clear].mean() > 0.999
    if is_fixed:
        assert {shape[1:] for shape in predictor.shapes} == {(40, 40)}


def test_rows_that_wait_go_to_disk_beyond_the_limit():
    rows = SharedRows(max_bytes=100)
    parts = [torch.full((1, 4, 5), float(n)) for n in range(4)]
    for column, part in enumerate(parts):
        rows.put(column, part)
    assert len(rows._held) == 1
    for column in (2, 0, 3, 1):
        torch.testing.assert_close(rows.take(column), parts[column])
        assert rows.take(column) is None
    rows.close()


def test_a_padded_window_keeps_its_pixels():
    image = smooth_colors(5, 6)
    window = pad_window(image, (2, 1), (9, 10), np.array([7.4, 8.6, 9]))
    np.testing.assert_array_equal(window[2:7, 1:7], image)
    window[2:7, 1:7] = (7, 9, 9)
    assert np.unique(window.reshape(-1, 3), axis=0).tolist() == [[7, 9, 9]]
