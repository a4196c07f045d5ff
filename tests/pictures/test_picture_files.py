"""Pictures written as files."""

import stat

import numpy as np
import pytest
from PIL import Image
from plain_pictures import ground

from mmseg_ext import files, pictures
from mmseg_ext.errors import UserError


def test_save_picture_as_png_is_exact(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (11, 13, 3), np.uint8)
    path = tmp_path / "new" / "folder" / "picture.PNG"
    assert pictures.save_picture(str(path), image) == path
    with Image.open(path) as stored:
        assert stored.format == "PNG"
        np.testing.assert_array_equal(np.array(stored), image)
    assert [p.name for p in path.parent.iterdir()] == ["picture.PNG"]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_save_picture_as_jpeg_is_close(tmp_path, suffix):
    path = pictures.save_picture(tmp_path / f"picture{suffix}", ground(16, 16, 77))
    with Image.open(path) as stored:
        assert stored.format == "JPEG"
        assert np.abs(np.array(stored).astype(int) - 77).max() <= 1


def test_save_picture_replaces_the_old_file_or_keeps_it(tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    pictures.save_picture(path, ground(value=1))
    pictures.save_picture(path, ground(value=2))
    with Image.open(path) as stored:
        assert (np.array(stored) == 2).all()
    assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRUSR

    def fail(*args):
        raise OSError("no space left")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        pictures.save_picture(path, ground(value=3))
    monkeypatch.undo()
    with Image.open(path) as stored:
        assert (np.array(stored) == 2).all()
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]


def test_save_picture_names_bad_input(tmp_path):
    with pytest.raises(UserError, match=r"ends in \.png, \.jpg or \.jpeg, got .*picture\.gif"):
        pictures.save_picture(tmp_path / "picture.gif", ground())
    with pytest.raises(UserError, match=r"got shape \(4, 4, 4\) of uint8"):
        pictures.save_picture(tmp_path / "picture.png", np.zeros((4, 4, 4), np.uint8))
    assert not list(tmp_path.iterdir())
