"""The doubt of a prediction as a PNG for the page.

Shape suffixes: C classes, h w height and width of a grid.
"""

import io

import numpy as np
from PIL import Image

from mmseg_ext.annotation.suggestions import find_hesitation

DOUBT_COLOR = (255, 0, 160)


def encode_doubt(probabilities_Chw: np.ndarray) -> bytes:
    """Write how little the most probable class is preferred to the second as the opacity of a PNG of one colour.

    Squared: with few points the model hesitates a little everywhere.
    """
    image = Image.fromarray((255 * find_hesitation(probabilities_Chw) ** 2).clip(0, 255).astype(np.uint8), "P")
    image.putpalette(bytes(DOUBT_COLOR) * 256)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=bytes(range(256)), compress_level=1)
    return buffer.getvalue()
