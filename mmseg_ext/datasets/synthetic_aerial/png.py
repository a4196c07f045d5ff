"""PNG files of stored blocks: their bytes do not depend on the zlib at hand, and they read fast."""

import math
import struct
import zlib

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_BLOCK = 65535  # the longest stored block that DEFLATE allows
_GREY, _RGB = 0, 2  # colour types


def encode_png(image: np.ndarray) -> bytes:
    """Encode a picture.

    Args:
        image: The picture (H, W, 3), RGB, or (H, W), grey; uint8.

    Returns:
        The bytes of the file.
    """
    height, width = image.shape[:2]
    rows = np.zeros((height, 1 + image[0].size), np.uint8)  # each row begins with its filter type, 0
    rows[:, 1:] = image.reshape(height, -1)
    raw = rows.tobytes()
    stream = bytearray(b"\x78\x01")
    for start in range(0, len(raw), _MAX_BLOCK):
        block = raw[start : start + _MAX_BLOCK]
        is_last = start + len(block) == len(raw)
        stream += struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF) + block
    stream += struct.pack(">I", zlib.adler32(raw))
    header = struct.pack(">IIBBBBB", width, height, 8, _RGB if image.ndim == 3 else _GREY, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", bytes(stream)) + _chunk(b"IEND", b"")


def png_length(size: int, channels: int) -> int:
    """The length in bytes of an encoded square picture, by which a truncated file is known.

    Args:
        size: Height and width in pixels.
        channels: 3 for RGB, 1 for grey.
    """
    raw = size * (1 + size * channels)
    header = 13
    stream = 2 + 5 * math.ceil(raw / _MAX_BLOCK) + raw + 4
    return len(_SIGNATURE) + 3 * len(_chunk(b"IEND", b"")) + header + stream


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
