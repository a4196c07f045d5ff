"""Plain PNGs against Pillow; all other files are left to the configured decoder."""

import io

import numpy as np
import pytest
from PIL import Image

from mmseg_ext.masks.png_decoding import GRAY, MAX_PIXELS, RGB, decode_plain_png, read_png_header


def encode(pixels, **options):
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (64, 33)])
def test_plain_files_are_decoded_as_pillow_does(shape):
    rng = np.random.default_rng(0)
    for color_type, channels in ((GRAY, ()), (RGB, (3,))):
        pixels = rng.integers(0, 256, (*shape, *channels), dtype=np.uint8)
        found = decode_plain_png(encode(pixels), color_type)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, pixels)
        assert decode_plain_png(encode(pixels), RGB if color_type == GRAY else GRAY) is None


def test_header():
    header = read_png_header(encode(np.zeros((3, 5), np.uint16)))
    assert (header.width, header.height, header.bit_depth, header.color_type) == (5, 3, 16, GRAY)
    assert read_png_header(b"no PNG") is None
    assert read_png_header(b"") is None


def test_other_files_are_left_to_the_decoder():
    gray = np.full((4, 6), 7, np.uint8)
    plain = encode(gray)
    palette = Image.fromarray(gray).convert("P")
    others = {
        "16 bits": encode(gray.astype(np.uint16)),
        "one bit": encode(gray > 3),
        "palette": encode(palette),
        "transparency": encode(gray, transparency=7),
        "cut off": plain[:-14],
        "damaged": plain[:45] + b"\xff\xff" + plain[47:],
        "large": plain[:16] + MAX_PIXELS.to_bytes(4, "big") + plain[20:],
        "empty": b"",
    }
    assert decode_plain_png(plain, GRAY) is not None
    assert [name for name, content in others.items() if decode_plain_png(content, GRAY) is not None] == []
