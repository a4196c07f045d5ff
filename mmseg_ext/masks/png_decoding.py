"""Plain PNG files, decoded several times as fast as OpenCV and Pillow do, to the same bytes.

Shape suffixes: H height, W width, C colour channels (RGB).
"""

import struct
import zlib
from typing import NamedTuple

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GRAY, RGB = 0, 2  # colour types of the format
# Chunks that change no pixel in any reader. Transparency (tRNS), orientation (eXIf), animation (acTL) and all others
# are left to the configured decoder.
PLAIN_CHUNKS = frozenset({b"IHDR", b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"pHYs", b"tIME", b"tEXt"})
MAX_PIXELS = 1 << 26  # beyond it OpenCV and Pillow have limits and warnings of their own


class PNGHeader(NamedTuple):
    """The first chunk of a PNG."""

    width: int
    height: int
    bit_depth: int
    color_type: int
    compression: int
    filtering: int
    interlace: int


def read_png_header(content: bytes) -> PNGHeader | None:
    """Read the header of a PNG; None for any other file."""
    if len(content) < 33 or not content.startswith(SIGNATURE) or content[12:16] != b"IHDR":
        return None
    return PNGHeader(*struct.unpack_from(">IIBBBBB", content, 16))


def has_plain_chunks(content: bytes, check: bool = False) -> bool:
    """Whether a PNG holds nothing but chunks that all readers take alike, up to the one that ends it.

    Args:
        content: The file.
        check: Compute the checksum of each chunk too. Pillow does not look at those behind the last pixel, OpenCV does.
    """
    position = len(SIGNATURE)
    while position + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, position)
        kind = content[position + 4 : position + 8]
        end = position + 8 + length
        if kind not in PLAIN_CHUNKS or end + 4 > len(content):
            return False
        checksum = int.from_bytes(content[end : end + 4], "big")
        if check and zlib.crc32(memoryview(content)[position + 4 : end]) != checksum:
            return False
        if kind == b"IEND":
            return True
        position = end + 4
    return False


def decode_plain_png(content: bytes, color_type: int) -> np.ndarray | None:
    """Decode a PNG of eight bits a channel that holds nothing but its pixels.

    Args:
        content: The file.
        color_type: `GRAY` or `RGB`: what the file must hold.

    Returns:
        A new uint8 array, (H, W) or (H, W, C) in the order RGB. None where the file is anything else or damaged: the
        configured decoder then decodes it, or raises.
    """
    header = read_png_header(content)
    if header is None or header.bit_depth != 8 or header.color_type != color_type or header.interlace:
        return None
    if header.width * header.height > MAX_PIXELS or not has_plain_chunks(content):
        return None
    from kornia_rs.io import decode_image_png_u8

    try:
        pixels = decode_image_png_u8(content, (header.height, header.width), "rgb" if color_type == RGB else "mono")
    except Exception:  # it has no error class of its own
        return None
    return pixels if color_type == RGB else pixels[..., 0]
