"""Predictions as PNGs for the page.

Shape suffixes: C classes, h w height and width of a grid.
"""

import io

import numpy as np
from PIL import Image

DOUBT_COLOR = (255, 0, 160)


def encode_classes(labels_hw: np.ndarray, colors_C3: np.ndarray) -> bytes:
    """Write class indices as a PNG with a palette.

    Args:
        labels_hw: Class indices, below 256.
        colors_C3: RGB colour of each class, uint8.
    """
    image = Image.fromarray(labels_hw.astype(np.uint8), "P")
    image.putpalette(colors_C3.astype(np.uint8).tobytes())
    return _encode(image)


def encode_doubt(probabilities_Chw: np.ndarray) -> bytes:
    """Write one minus the margin of the two most probable classes as the opacity of a PNG of one colour."""
    second_hw, first_hw = np.partition(probabilities_Chw, -2, axis=0)[-2:]
    image = Image.fromarray((255 * (1 - first_hw + second_hw)).clip(0, 255).astype(np.uint8), "P")
    image.putpalette(bytes(DOUBT_COLOR) * 256)
    return _encode(image, transparency=bytes(range(256)))


def _encode(image: Image.Image, **options: bytes) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1, **options)
    return buffer.getvalue()
