"""Images of every kind, as stock reads them, and those that it spoils."""

import cv2
import numpy as np
import pytest
from drop_in_pairs import build, compare, patches, photo
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.masks.png_decoding import GRAY, RGB, decode_plain_png

pytestmark = pytest.mark.usefixtures("mmseg_scope")


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [
        *((suffix, mode) for suffix in (".png", ".bmp", ".webp") for mode in ("RGB", "L", "P")),
        (".jpg", "RGB"),
        (".jpg", "L"),
    ],
)
def test_images_of_every_kind(tmp_path, suffix, mode):
    path = tmp_path / f"image{suffix}"
    Image.fromarray(photo(37, 51, 1)).convert(mode).save(path)
    settings = [{}, {"to_float32": True}, {"color_type": "grayscale"}, {"color_type": "unchanged"}]
    settings += [{"imdecode_backend": "pillow"}, {"backend_args": {"backend": "local"}}]
    for setting in settings:
        compare({"type": "LoadImageFromFile", **setting}, lambda seed: {"img_path": str(path)}, range(1))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_images_that_a_camera_has_turned(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"image{suffix}"
    Image.fromarray(photo(20, 30, 1)).save(path, exif=exif)
    compare({"type": "LoadImageFromFile"}, lambda seed: {"img_path": str(path)}, range(1))


def test_pngs_that_hold_more_than_pixels(tmp_path):
    """Transparency of one colour, gamma, an animation, interlacing: as OpenCV reads them."""
    image = Image.fromarray(photo(20, 30, 1))
    gray = Image.fromarray(patches(20, 30, 1))
    interlaced = cv2.imencode(".png", photo(20, 30, 1))[1].tobytes()
    variants = {
        "transparent": lambda path: image.save(path, transparency=(10, 20, 30)),
        "animated": lambda path: image.save(path, save_all=True, append_images=[image.rotate(90)]),
        "gray": lambda path: gray.save(path, transparency=3),
        "plain": lambda path: path.write_bytes(interlaced),
    }
    for name, save in variants.items():
        path = tmp_path / f"{name}.png"
        save(path)
        compare({"type": "LoadImageFromFile"}, lambda seed, path=path: {"img_path": str(path)}, range(1))
    plain = (tmp_path / "plain.png").read_bytes()
    assert decode_plain_png(plain, RGB) is not None
    assert decode_plain_png(plain, GRAY) is None
    for name in ("transparent", "animated", "gray"):
        content = (tmp_path / f"{name}.png").read_bytes()
        assert decode_plain_png(content, RGB) is None
        assert decode_plain_png(content, GRAY) is None
    for damaged in (plain[:-60], plain[:100], plain[:20], b"", plain[:200] + b"?" + plain[201:]):
        assert decode_plain_png(damaged, RGB) is None


@pytest.mark.parametrize("filter_name", ["NONE", "SUB", "UP", "AVG", "PAETH", "ALL"])
def test_png_of_every_filter(filter_name):
    name = "ALL_FILTERS" if filter_name == "ALL" else f"FILTER_{filter_name}"
    flags = [cv2.IMWRITE_PNG_FILTER, getattr(cv2, f"IMWRITE_PNG_{name}")]
    for seed, (height, width) in enumerate([(1, 1), (1, 7), (9, 1), (37, 51)]):
        image, mask = photo(height, width, seed), patches(height, width, seed)
        rgb = decode_plain_png(cv2.imencode(".png", image, flags)[1].tobytes(), RGB)
        np.testing.assert_array_equal(rgb[..., ::-1], image)
        gray = decode_plain_png(cv2.imencode(".png", mask, flags)[1].tobytes(), GRAY)
        np.testing.assert_array_equal(gray, mask)
        assert gray.flags.writeable
        assert gray.flags.c_contiguous


def test_images_that_are_missing_or_damaged(tmp_path):
    path = tmp_path / "image.png"
    for content in (None, b"", b"no image", b"\x89PNG\r\n\x1a\n and no more"):
        if content is not None:
            path.write_bytes(content)
        ours = build({"type": "LoadImageFromFile"}, ours=True)
        if content is None:
            with pytest.raises(FileNotFoundError, match=r"image\.png"):
                ours({"img_path": str(path)})
        else:
            with pytest.raises(UserError, match=r"image\.png"):
                ours({"img_path": str(path)})
        if not content:
            for kind in (False, True):
                assert build({"type": "LoadImageFromFile", "ignore_empty": True}, kind)({"img_path": str(path)}) is None


@pytest.mark.parametrize(
    ("pixels", "name", "parts"),
    [
        (np.dstack([photo(6, 8, 1), np.arange(48, dtype=np.uint8).reshape(6, 8)]), "a.tif", ["4 bands"]),
        (np.full((6, 8), 3000, np.uint16), "a.png", ["uint16"]),
        (np.full((6, 8, 3), 3000, np.uint16), "a.tif", ["uint16"]),
    ],
)
def test_images_that_stock_cuts_down_are_refused(tmp_path, pixels, name, parts):
    path = tmp_path / name
    assert cv2.imwrite(str(path), pixels)
    assert build({"type": "LoadImageFromFile"}, ours=False)({"img_path": str(path)})["img"].shape == (6, 8, 3)
    with pytest.raises(UserError) as caught:
        build({"type": "LoadImageFromFile"}, ours=True)({"img_path": str(path)})
    for part in (str(path), "color_type='unchanged'", *parts):
        assert part in str(caught.value)
    compare({"type": "LoadImageFromFile", "color_type": "unchanged"}, lambda seed: {"img_path": str(path)}, range(1))


def test_the_transparency_of_a_png_is_left_out_as_in_stock(tmp_path):
    path = tmp_path / "glass.png"
    assert cv2.imwrite(str(path), np.dstack([photo(6, 8, 1), np.arange(48, dtype=np.uint8).reshape(6, 8)]))
    compare({"type": "LoadImageFromFile"}, lambda seed: {"img_path": str(path)}, range(1))
