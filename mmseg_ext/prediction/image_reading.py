"""Images read as the pipelines of this package read them: eight bits, as viewers show them."""

from pathlib import Path

import cv2
import numpy as np

from mmseg_ext.errors import UserError
from mmseg_ext.transforms.load_image_from_file import decode_bgr


def read_rgb(path: str | Path) -> np.ndarray:
    """Read an image file.

    Returns:
        uint8 (H, W, 3), RGB, turned by its EXIF orientation.

    Raises:
        UserError: The file cannot be read or decoded, or holds more than eight bits or three bands.
    """
    try:
        image_HWC = decode_bgr(Path(path).read_bytes(), str(path))
    except (OSError, cv2.error) as error:
        raise UserError(f"Cannot load the image {path}: {error}. Replace the file.") from error
    if image_HWC is None:
        raise UserError(f"Expected an image in {path}, got something that cannot be decoded. Replace the file.")
    return cv2.cvtColor(image_HWC, cv2.COLOR_BGR2RGB)
