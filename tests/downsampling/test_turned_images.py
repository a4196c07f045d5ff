"""Copies of photographs with an EXIF orientation: turned once, and masks beside them that are not."""

import numpy as np
import pytest
from made_trees import load_command
from oriented_images import ORIENTATIONS, as_viewers_show, pattern, save_oriented, stored_pixels
from PIL import Image

from mmseg_ext.downsampling.copies import Filters, Target
from mmseg_ext.downsampling.copying import make_copies
from mmseg_ext.downsampling.image_files import read_label_file
from mmseg_ext.downsampling.layouts import LAYOUTS
from mmseg_ext.downsampling.reduce import reduce_image

LABELS = np.random.default_rng(0).integers(1, 4, (3, 5), dtype=np.uint8).repeat(8, 0).repeat(8, 1)


def copy(root, name, mask, orientation, mask_orientation=1):
    image = root / "photos" / "images" / name
    save_oriented(image, pattern(), orientation)
    save_oriented(root / "photos" / "masks" / f"{image.stem}.png", mask, mask_orientation)
    target = Target(2, root / "copy")
    filters = Filters(image_format="png")
    return image, make_copies(root / "photos", [target], LAYOUTS["folders"], filters)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_a_copy_is_turned_once(tmp_path, orientation, suffix):
    image, result = copy(tmp_path, f"1{suffix}", LABELS, orientation)
    assert (result.failed, result.num_turned) == ([], int(orientation in (2, 3, 4)))
    copied = tmp_path / "copy" / "images" / "1.png"
    expected = reduce_image(as_viewers_show(image), 2)
    assert np.abs(as_viewers_show(copied).astype(int) - expected).max() <= 4
    with Image.open(copied) as file:
        assert dict(file.getexif()) == {}
    np.testing.assert_array_equal(as_viewers_show(tmp_path / "copy" / "masks" / "1.png"), LABELS[::2, ::2])


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_mask_is_turned_by_its_own_orientation(tmp_path, orientation):
    _, result = copy(tmp_path, "1.jpg", LABELS, orientation, orientation)
    assert (result.failed, result.num_turned) == ([], 0)
    np.testing.assert_array_equal(as_viewers_show(tmp_path / "copy" / "masks" / "1.png"), LABELS[::2, ::2])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_label_files_of_every_kind(tmp_path, suffix, dtype):
    path = tmp_path / f"mask{suffix}"
    for orientation in ORIENTATIONS:
        save_oriented(path, LABELS.astype(dtype), orientation)
        np.testing.assert_array_equal(read_label_file(path).labels, LABELS)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_of_the_stored_pixels_is_named(tmp_path, orientation):
    _, result = copy(tmp_path, "1.jpg", stored_pixels(LABELS, orientation), orientation)
    (failure,) = result.failed
    assert failure.path == "masks/1.png"
    assert "is 40x24, its image images/1.jpg is 24x40 (height x width) when turned" in failure.reason
    assert f"by its EXIF orientation ({orientation})" in failure.reason
    assert "tools/fix_masks.py MASKS --turn-like IMAGES" in failure.reason


def test_the_command_counts_turned_images(tmp_path, capsys):
    for index, orientation in enumerate((1, 3, 3, 6)):
        save_oriented(tmp_path / "photos" / "images" / f"{index}.jpg", pattern(), orientation)
        save_oriented(tmp_path / "photos" / "masks" / f"{index}.png", LABELS, 1)
    assert load_command()([str(tmp_path / "photos"), "--factor", "2", "--workers", "1"]) == 0
    assert "2 images were turned by an EXIF orientation that their masks lack" in capsys.readouterr().out


def test_a_mask_that_is_a_jpeg_names_the_command_that_fixes_it(tmp_path):
    save_oriented(tmp_path / "photos" / "images" / "1.jpg", pattern(), 1)
    path = tmp_path / "photos" / "masks" / "1.png"
    path.parent.mkdir()
    Image.fromarray(LABELS).save(path, "JPEG")
    result = make_copies(tmp_path / "photos", [Target(2, tmp_path / "copy")], LAYOUTS["folders"], Filters())
    assert "is a JPEG, which blurs labels; fix" in result.failed[0].reason
    path.rename(path.with_suffix(".jpg"))
    result = make_copies(tmp_path / "photos", [Target(2, tmp_path / "other")], LAYOUTS["folders"], Filters())
    assert result.failed[0].path == "images/1.jpg"
    assert "python tools/fix_masks.py MASKS --out FIXED" in result.failed[0].reason
