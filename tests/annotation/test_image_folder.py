"""Images of a folder by number, and their tiles at all levels of detail."""

import io
import os

import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_ext.annotation.image_folder import ImageFolder
from mmseg_ext.annotation.picture_levels import (
    TILE,
    PictureLevels,
    decode_level,
    level_for,
    level_size,
    num_levels,
)
from mmseg_ext.errors import UserError


def smooth_image(height, width):
    small = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


@pytest.fixture
def root(tmp_path):
    for name in ("b.png", "sub/a.jpg", "sub/masks/a.png", ".hidden.png", "sub/.x/c.png", "note.txt"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("no image")
        else:
            Image.fromarray(smooth_image(40, 60)).save(path)
    Image.fromarray(smooth_image(4, 6)).save(tmp_path / "outside.png")
    os.symlink(tmp_path / "outside.png", tmp_path / "images" / "link.png")
    os.symlink("b.png", tmp_path / "images" / "inner.png")
    return tmp_path / "images"


def test_images_below_the_folder(root):
    folder = ImageFolder(root)
    assert list(folder.names) == ["b.png", "inner.png", "sub/a.jpg"]
    assert folder.size(2) == (40, 60)
    assert folder.neighbours(1) == [1, 2, 0]
    state = folder.state(0)
    os.utime(folder.path(0), (1, 1))
    assert folder.state(0) != state


def test_bad_folders(tmp_path):
    with pytest.raises(UserError, match="Expected a folder of images, found none"):
        ImageFolder(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"Expected images \(\.jpg, .*found none"):
        ImageFolder(tmp_path / "empty")
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(UserError, match=r"Expected an image at .*a\.png, got a file that cannot be read"):
        ImageFolder(tmp_path).size(0)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_a_turned_photograph_is_as_viewers_show_it(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(smooth_image(1200, 900)).save(tmp_path / f"a{suffix}", exif=exif, quality=95)
    folder = ImageFolder(tmp_path)
    assert folder.size(0) == (900, 1200)
    shown = np.rot90(smooth_image(1200, 900), -1)[..., ::-1]
    for level in (0, 1):
        picture = decode_level(folder.path(0), folder.size(0), level)
        height, width = level_size((900, 1200), level)
        expected = cv2.resize(np.ascontiguousarray(shown), (width, height), interpolation=cv2.INTER_AREA)
        assert picture.shape == expected.shape
        assert np.abs(picture.astype(int) - expected).mean() < 3


def test_levels():
    assert num_levels((10, 10)) == 1
    assert num_levels((TILE, TILE + 1)) == 2
    assert num_levels((10_000, 10_000)) == 6
    assert level_for((10_000, 10_000), (1024, 1024)) == 3
    assert level_for((643, 797), (1024, 1269)) == 0


def decode(content):
    return np.array(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_tiles_make_up_the_image(tmp_path, suffix):
    image = smooth_image(700, 1100)
    Image.fromarray(image).save(tmp_path / f"a{suffix}", quality=98)
    levels = PictureLevels(ImageFolder(tmp_path))
    for level in (1, 0, 2):
        height, width = level_size((700, 1100), level)
        rows = [
            np.concatenate([decode(levels.tile(0, level, row, column)) for column in range(-(-width // TILE))], 1)
            for row in range(-(-height // TILE))
        ]
        whole = np.concatenate(rows)
        assert whole.shape == (height, width, 3)
        expected = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        assert np.abs(whole.astype(int) - expected).mean() < 3
    for place in ((3, 0, 0), (-1, 0, 0), (0, 2, 0), (0, 0, 3), (0, -1, 0)):
        with pytest.raises(UserError, match="Expected a"):
            levels.tile(0, *place)


def test_what_cannot_be_shown_is_said(tmp_path):
    Image.fromarray(np.full((5, 5), 4000, np.uint16)).save(tmp_path / "deep.png")
    content = io.BytesIO()
    Image.fromarray(smooth_image(50, 50)).save(content, "PNG")
    (tmp_path / "short.png").write_bytes(content.getvalue()[:400])
    levels = PictureLevels(ImageFolder(tmp_path))
    with pytest.raises(UserError, match=r"deep\.png holds uint16 values"):
        levels.tile(0, 0, 0, 0)
    with pytest.raises(UserError, match=r"short\.png"):
        levels.tile(1, 0, 0, 0)
