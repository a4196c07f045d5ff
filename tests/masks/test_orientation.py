"""The EXIF orientation against Pillow: pixels, places, sizes, and what each decoder of mmcv does by itself."""

import io

import cv2
import mmcv
import numpy as np
import pytest
from oriented_images import ORIENTATIONS, as_viewers_show, pattern, save_oriented, stored_pixels
from PIL import Image

from mmseg_ext.masks.orientation import (
    decode_as_shown,
    open_as_shown,
    orientation_of,
    read_orientation,
    swap_size,
    turn,
    turn_point,
    turns_by_exif,
)

SUFFIXES = (".jpg", ".png", ".tif", ".webp")
FLAGS = ("color", "unchanged", "grayscale")


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_pixels_and_places_turn_as_in_pillow(orientation):
    shown = np.random.default_rng(0).permutation(35).reshape(5, 7).astype(np.uint8)
    stored = stored_pixels(shown, orientation)
    np.testing.assert_array_equal(turn(stored, orientation), shown)
    np.testing.assert_array_equal(turn(np.dstack([stored] * 3), orientation), np.dstack([shown] * 3))
    assert swap_size(stored.shape, orientation) == shown.shape
    for value in range(35):
        (row, column), (y, x) = (np.argwhere(pixels == value)[0] for pixels in (stored, shown))
        assert turn_point(int(column), int(row), shown.shape, orientation) == (x, y)
    height, width = stored.shape
    for outside in ((-1, 0), (0, -1), (width, 0), (0, height)):
        x, y = turn_point(*outside, shown.shape, orientation)
        assert not (0 <= x < 7 and 0 <= y < 5)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_header_is_read_without_the_pixels(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"a{suffix}"
    for orientation in ORIENTATIONS:
        save_oriented(path, pattern(), orientation)
        with monkeypatch.context() as patch:
            patch.setattr(Image.Image, "load", lambda self: pytest.fail("the pixels were decoded"))
            assert read_orientation(path) == read_orientation(path.read_bytes()) == orientation
    Image.fromarray(pattern()).save(path)
    assert read_orientation(path) == 1


def test_what_has_no_orientation(tmp_path):
    path = tmp_path / "a.jpg"
    for content in (b"", b"no image", b"II*\0", b"\xff\xd8\xff\xe1\0\x10Exif\0\0MM\0*"):
        path.write_bytes(content)
        assert read_orientation(path) == read_orientation(content) == 1
    assert read_orientation(tmp_path / "missing.jpg") == 1
    exif = Image.Exif()
    for value in (0, 9, 200):
        exif[0x0112] = value
        Image.fromarray(pattern()).save(path, exif=exif)
        assert read_orientation(path) == 1


def test_the_orientation_in_xmp_is_not_followed_as_in_opencv(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(pattern()).save(path, xmp=b'<x:xmpmeta tiff:Orientation="6"></x:xmpmeta>')
    assert read_orientation(path) == 1
    assert cv2.imread(str(path)).shape == (24, 40, 3)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_decoder_and_flag_gives_what_viewers_show(tmp_path, suffix, orientation):
    path = tmp_path / f"a{suffix}"
    save_oriented(path, pattern(), orientation)
    content, shown = path.read_bytes(), as_viewers_show(path)
    backends = ("cv2", "pillow", "tifffile") if suffix == ".tif" else ("cv2", "pillow")
    for backend in backends:
        for flag in FLAGS:
            image = decode_as_shown(content, flag, backend)
            expected = cv2.cvtColor(shown, cv2.COLOR_RGB2BGR)
            if backend == "tifffile":
                expected = shown
            elif flag == "grayscale":
                expected = cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY)
            assert image.shape == expected.shape, (backend, flag)
            assert np.abs(image.astype(int) - expected).max() <= 4, (backend, flag)
    for flag in (cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH, cv2.IMREAD_UNCHANGED):
        assert np.abs(decode_as_shown(content, flag)[..., ::-1].astype(int) - shown).max() <= 4
    np.testing.assert_array_equal(np.asarray(open_as_shown(path)), shown)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_decoders_do_by_themselves(tmp_path, suffix):
    """If this fails, another release of a decoder turns images that it did not turn before, or the other way round."""
    path = tmp_path / f"a{suffix}"
    save_oriented(path, pattern(), 6)
    content, shown = path.read_bytes(), as_viewers_show(path)
    image_format = Image.open(path).format
    for backend in ("cv2", "pillow", "tifffile") if suffix == ".tif" else ("cv2", "pillow"):
        for flag in (*FLAGS, "color_ignore_orientation", "grayscale_ignore_orientation"):
            is_turned = mmcv.imfrombytes(content, flag=flag, backend=backend).shape[:2] == shown.shape[:2]
            assert is_turned == turns_by_exif(image_format, flag, backend), (backend, flag)


def test_the_stored_frame_where_a_flag_asks_for_it(tmp_path):
    for suffix in (".jpg", ".png", ".webp"):
        path = tmp_path / f"a{suffix}"
        save_oriented(path, pattern(), 6)
        for backend in ("cv2", "pillow"):
            assert decode_as_shown(path.read_bytes(), "color_ignore_orientation", backend).shape == (40, 24, 3)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("compression", [None, "tiff_adobe_deflate"])
def test_a_tiff_is_not_scrambled(tmp_path, orientation, compression):
    """Opened by its path, Pillow maps an uncompressed one into memory with height and width exchanged."""
    path, labels = tmp_path / "mask.tif", np.random.default_rng(0).integers(0, 9, (5, 7), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored_pixels(labels, orientation)).save(path, exif=exif, compression=compression)
    np.testing.assert_array_equal(np.asarray(open_as_shown(path)), labels)
    for backend in ("cv2", "pillow", "tifffile"):
        np.testing.assert_array_equal(decode_as_shown(path.read_bytes(), "unchanged", backend), labels)


def test_pillow_keeps_mode_and_palette(tmp_path):
    labels = np.random.default_rng(0).integers(0, 3, (5, 7), dtype=np.uint8)
    save_path = tmp_path / "a.png"
    image = Image.fromarray(stored_pixels(labels, 8))
    image.putpalette([9, 8, 7, 60, 50, 40, 200, 100, 0])
    exif = Image.Exif()
    exif[0x0112] = 8
    image.save(save_path, exif=exif)
    opened = open_as_shown(save_path)
    assert (opened.mode, opened.getpalette()[:9]) == ("P", [9, 8, 7, 60, 50, 40, 200, 100, 0])
    np.testing.assert_array_equal(np.asarray(opened), labels)
    with Image.open(io.BytesIO(save_path.read_bytes())) as header:
        assert orientation_of(header) == 8
