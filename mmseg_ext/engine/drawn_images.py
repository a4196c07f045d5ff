"""Images of a dataset for pictures, in the frame in which its pipeline reads them."""

from typing import Any

import numpy as np
from mmengine import fileio

from mmseg_ext.data_check import transforms_of
from mmseg_ext.errors import UserError
from mmseg_ext.masks.orientation import decode_as_shown, ignores_orientation


def read_for_drawing(dataset: Any, img_path: str) -> np.ndarray:
    """Read an image as its dataset does: turned by its EXIF orientation, unless the loader in its pipeline ignores it.

    Args:
        dataset: The dataset that the image, its labels and its predictions are of.
        img_path: Its path.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        UserError: OpenCV cannot decode it.
    """
    as_stored = any(ignores_orientation(transform) for transform in transforms_of(dataset))
    image_HWC = decode_as_shown(fileio.get(img_path), "color_ignore_orientation" if as_stored else "color")
    if image_HWC is None:
        raise UserError(f"Expected an image to draw in {img_path}, got something that OpenCV cannot decode.")
    return np.ascontiguousarray(image_HWC[..., ::-1])
