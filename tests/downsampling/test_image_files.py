"""Files of every kind come back as the kind they were; what cannot be used is said."""

import io

import numpy as np
import pytest
from PIL import Image

from mmseg_ext.downsampling.image_files import (
    UnusableFileError,
    encode_image,
    encode_label_file,
    read_image,
    read_label_file,
)

RNG = np.random.default_rng(0)


def save(path, image, **options):
    image.save(path, **options)
    return path


def palette_image(pixels, colors):
    image = Image.frombytes("P", pixels.shape[::-1], pixels.tobytes())
    image.putpalette(np.ravel(colors).tolist())
    return image


@pytest.mark.parametrize("kind", ["L", "RGB", "P", "1", "I;16", "L.tif", "RGB.bmp"])
def test_a_label_file_is_written_as_the_kind_it_was(tmp_path, kind):
    mode, _, suffix = kind.partition(".")
    suffix = f".{suffix or 'png'}"
    pixels = RNG.integers(0, 2 if mode == "1" else 5, (6, 8), dtype=np.uint8)
    image = {
        "L": lambda: Image.fromarray(pixels),
        "RGB": lambda: Image.fromarray(np.stack([pixels, pixels * 50, 255 - pixels], -1)),
        "P": lambda: palette_image(pixels, [[9, 8, 7], [0, 0, 0], [1, 2, 3], [255, 0, 0], [4, 5, 6]]),
        "1": lambda: Image.fromarray(pixels.astype(bool)),
        "I;16": lambda: Image.fromarray(pixels.astype(np.uint16) * 1000),
    }[mode]()
    file = read_label_file(save(tmp_path / f"mask{suffix}", image))
    again = Image.open(io.BytesIO(encode_label_file(file, file.labels, suffix)))
    assert again.mode == mode
    assert again.format == {".png": "PNG", ".tif": "TIFF", ".bmp": "BMP"}[suffix]
    np.testing.assert_array_equal(np.asarray(again), np.asarray(image))
    if mode == "P":
        np.testing.assert_array_equal(np.asarray(again.convert("RGB")), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_an_image_comes_back(tmp_path, suffix):
    smooth = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (40, 1))
    pixels = np.stack([smooth, smooth[:, ::-1], smooth // 2], -1)
    path = tmp_path / f"image{suffix}"
    path.write_bytes(encode_image(pixels, suffix, 95))
    found = read_image(path)
    assert np.abs(found.astype(int) - pixels).max() <= (0 if suffix == ".png" else 6)
    low = len(encode_image(pixels, suffix, 30))
    assert (low < path.stat().st_size) == (suffix == ".jpg")


def test_jpeg_keeps_its_colours_at_full_resolution():
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[:, ::2, 2] = 200
    stripes[:, 1::2, 0] = 200
    image = Image.open(io.BytesIO(encode_image(stripes, ".jpg", 95)))
    assert np.abs(np.asarray(image).astype(int) - stripes[..., ::-1]).mean() < 5


def test_an_image_is_turned_by_its_exif_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "turned.jpg", Image.new("RGB", (8, 4)), exif=exif)
    assert read_image(path).shape == (8, 4, 3)


def test_bands_and_depths_of_images(tmp_path):
    save(tmp_path / "grey.png", Image.new("L", (3, 2), 7))
    assert read_image(tmp_path / "grey.png").tolist() == [[[7, 7, 7]] * 3] * 2
    deep = Image.fromarray(np.full((2, 3), 40000, np.uint16))
    found = read_image(save(tmp_path / "deep.png", deep))
    assert found.dtype == np.uint16
    assert read_image(save(tmp_path / "clear.png", Image.new("RGBA", (3, 2)))).shape == (2, 3, 3)


@pytest.mark.parametrize("reader", [read_image, read_label_file])
@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "cannot be read"), (b"", "is empty"), (b"no image at all", "is no image|cannot be decoded")],
)
def test_files_that_are_no_images(tmp_path, reader, content, reason):
    path = tmp_path / "file.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnusableFileError, match=reason):
        reader(path)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_truncated_files_are_unusable(tmp_path, suffix):
    path = save(tmp_path / f"image.{suffix}", Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnusableFileError, match=r"truncated|decoded"):
        read_image(path)
    if suffix == "png":
        with pytest.raises(UnusableFileError, match="decoded"):
            read_label_file(path)


def test_masks_of_kinds_that_hold_no_labels(tmp_path):
    with pytest.raises(UnusableFileError, match="blurs labels"):
        read_label_file(save(tmp_path / "mask.png", Image.new("L", (8, 8)), format="JPEG"))
    with pytest.raises(UnusableFileError, match="mode RGBA"):
        read_label_file(save(tmp_path / "clear.png", Image.new("RGBA", (8, 8))))
