"""Class maps as NumPy arrays and as PNG.

Shape suffixes: H height, W width.
"""

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def as_array(class_map: Tensor) -> np.ndarray:
    """Convert a class map to NumPy, as integers.

    mmseg writes the classes of one sigmoid channel, 0 and 1, in the type of its logits, bfloat16 too, which NumPy does
    not have.

    Args:
        class_map: (1, H, W) or (H, W), whole numbers of any type.

    Returns:
        (H, W), of the tensor's integer type; uint8 for one of floating point.
    """
    class_map_HW = class_map.squeeze(0) if class_map.ndim == 3 else class_map
    return (class_map_HW.to(torch.uint8) if class_map_HW.is_floating_point() else class_map_HW).cpu().numpy()


def pack_labels(labels_HW: np.ndarray, palette: np.ndarray | None = None) -> bytes:
    """Encode class indices as PNG, of 8 bits where they fit, else of 16.

    Args:
        labels_HW: Class indices.
        palette: uint8 (K, 3), RGB: viewers then show the classes in these colours, where they are of 8 bits, and values
            without a colour, such as 255, in black.
    """
    buffer = io.BytesIO()
    kind = np.uint8 if labels_HW.max(initial=0) <= 255 else np.uint16
    image = Image.fromarray(labels_HW.astype(kind, copy=False))
    if palette is not None and kind is np.uint8:
        colors = np.asarray(palette, np.uint8)[:256].tobytes()
        # Pillow writes no more bits than the palette asks for, and cuts off those of higher values.
        image.putpalette(colors.ljust(3 * (int(labels_HW.max(initial=0)) + 1), b"\0"))
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def unpack_labels(png: bytes) -> np.ndarray:
    """Decode what :func:`pack_labels` has encoded."""
    with Image.open(io.BytesIO(png)) as image:
        return np.array(image)
