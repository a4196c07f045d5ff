"""Colours and colour masks against PIL and hand-computed numbers."""

import numpy as np
import pytest
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.masks.color_masks import ColorMeaning, format_color, pack_colors, parse_color, read_rgb_mask


@pytest.mark.parametrize(
    ("color", "expected"),
    [("#3C1098", (60, 16, 152)), ("3c1098", (60, 16, 152)), ((0, 128, 255), (0, 128, 255)), ([1, 2, 3], (1, 2, 3))],
)
def test_parse_color(color, expected):
    assert parse_color(color) == expected
    assert parse_color(np.array(expected, dtype=np.uint8)) == expected
    assert parse_color(format_color(expected)) == expected


@pytest.mark.parametrize(
    "color", ["#FFF", "#GG0000", "", "red", "##123456", "#3C1098FF", (1, 2), (1, 2, 3, 4), (0, 0, 256), (-1, 0, 0)]
)
def test_parse_color_refuses_what_is_no_color(color):
    with pytest.raises(UserError, match="Expected a colour") as caught:
        parse_color(color)
    assert repr(color) in str(caught.value)


def test_format_color():
    assert format_color((60, 16, 152)) == "#3C1098"
    assert format_color([0, 0, 10]) == "#00000A"


def test_pack_colors_is_the_hexadecimal_number():
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    rgb[0, 0] = 255
    expected = [[int(format_color(c)[1:], 16) for c in row] for row in rgb.tolist()]
    assert pack_colors(rgb).tolist() == expected
    assert pack_colors(rgb)[0, 0] == 0xFFFFFF


def label(rgb, **kwargs):
    meaning = ColorMeaning(**kwargs)
    return meaning.label_pixels(meaning.values_of(np.asarray(rgb, dtype=np.uint8)), "mask.png")


def test_colors_to_labels_by_hand():
    a, b, ignored, unknown_1, unknown_2 = (255, 0, 0), (0, 0, 255), (9, 9, 9), (0, 0, 254), (1, 2, 3)
    rgb = [[a, b, b], [ignored, unknown_1, a], [unknown_2, unknown_1, ignored]]
    labels = label(rgb, palette=[a, b], labels=[0, 1], ignore_colors=[ignored], ignores_unknown=True)
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[0, 1, 1], [255, 255, 0], [255, 255, 255]]
    with pytest.raises(UserError, match=r"in mask\.png, got #0000FE \(2 pixels\), #010203 \(1 pixel\)\."):
        label(rgb, palette=[a, b], labels=[0, 1], ignore_colors=[ignored])
    groups = {"palette": [b, a, unknown_2], "labels": [1, 0, 1], "ignore_colors": [ignored, unknown_1]}
    assert label(rgb, **groups, ignore_index=7).tolist() == [[0, 1, 1], [7, 7, 0], [1, 7, 7]]


def test_colors_to_labels_equals_a_look_up_pixel_by_pixel():
    rng = np.random.default_rng(0)
    colors = [tuple(c) for c in rng.integers(0, 256, (12, 3)).tolist()]
    chosen = rng.integers(0, 12, (40, 30))
    rgb = np.array(colors, dtype=np.uint8)[chosen]
    named = {"palette": colors[:8], "labels": range(8), "ignore_colors": colors[8:10]}
    np.testing.assert_array_equal(label(rgb, **named, ignores_unknown=True), np.where(chosen < 8, chosen, 255))
    with pytest.raises(UserError) as caught:
        label(rgb, **named)
    for i in (10, 11):
        assert f"{format_color(colors[i])} ({(chosen == i).sum()} pixels)" in str(caught.value)


def test_channels_that_reach_the_threshold_stand_for_255():
    near = [[(127, 128, 200), (0, 255, 255), (128, 127, 0)]]
    named = {"palette": [(0, 255, 255), (255, 0, 0)], "labels": [0, 1]}
    assert label(near, **named, threshold=128).tolist() == [[0, 0, 1]]
    assert label(near, **named, threshold=128, ignore_index=9).tolist() == [[0, 0, 1]]


def test_read_rgb_mask_takes_the_palette_of_the_file(tmp_path):
    indices = np.random.default_rng(0).integers(0, 3, (6, 8), dtype=np.uint8)
    colors = np.array([[60, 16, 152], [0, 0, 0], [226, 169, 41]], dtype=np.uint8)
    palette_image = Image.new("P", (8, 6))
    palette_image.putdata(indices.ravel().tolist())
    palette_image.putpalette(colors.ravel().tolist())
    palette_image.save(tmp_path / "palette.png")
    Image.fromarray(colors[indices]).save(tmp_path / "rgb.png")
    alpha = np.full((6, 8, 1), 100, dtype=np.uint8)
    Image.fromarray(np.concatenate([colors[indices], alpha], axis=2)).save(tmp_path / "rgba.png")
    with Image.open(tmp_path / "palette.png") as saved:
        assert saved.mode == "P"
    for name in ("palette.png", "rgb.png", "rgba.png"):
        np.testing.assert_array_equal(read_rgb_mask(tmp_path / name), colors[indices])


def test_unreadable_masks_are_named(tmp_path):
    whole = tmp_path / "whole.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), dtype=np.uint8)).save(whole)
    (tmp_path / "truncated.png").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    for name in ("truncated.png", "text.png", "empty.png", "missing.png"):
        with pytest.raises(UserError, match="Cannot read the mask") as caught:
            read_rgb_mask(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert "Replace the file" in str(caught.value)
