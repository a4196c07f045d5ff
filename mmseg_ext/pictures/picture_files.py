"""Pictures written as files."""

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.files import replace_file
from mmseg_ext.pictures.array_checks import checked_image


def save_picture(path: str | Path, image_rgb: np.ndarray) -> Path:
    """Write a picture as PNG or JPEG, by the suffix; a reader never sees half a file.

    Args:
        path: The file to write, ending in .png, .jpg or .jpeg. Parent folders are made.
        image_rgb: The picture (H, W, 3), uint8 RGB.

    Returns:
        The path written.

    Raises:
        UserError: If the suffix is another one, or the array is no RGB picture.
    """
    path = Path(path)
    kind = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}.get(path.suffix.lower())
    if kind is None:
        raise UserError(f"Expected a file name that ends in .png, .jpg or .jpeg, got {path}.")
    replace_file(path, encode_picture(image_rgb, kind), sync=False)
    return path


def encode_picture(image_rgb: np.ndarray, kind: str = "JPEG", quality: int = 92) -> bytes:
    """Encode a picture.

    Args:
        image_rgb: The picture (H, W, 3), uint8 RGB.
        kind: 'PNG' or 'JPEG'.
        quality: Of a JPEG; up to 90, colours are kept at half the resolution.

    Raises:
        UserError: The array is no RGB picture.
    """
    buffer = BytesIO()
    options = {"quality": quality, "subsampling": 0 if quality > 90 else 2} if kind == "JPEG" else {}
    Image.fromarray(checked_image(image_rgb)).save(buffer, kind, **options)
    return buffer.getvalue()
