"""Class maps out of samples, whatever type the segmentor has left them in.

Shape suffixes: H height, W width.
"""

import numpy as np
import torch
from torch import Tensor


def as_array(class_map: Tensor) -> np.ndarray:
    """Take a class map to NumPy, as whole numbers.

    mmseg writes the classes of one sigmoid channel, 0 and 1, in the type of its logits, bfloat16 too, which NumPy does
    not know.

    Args:
        class_map: (1, H, W) or (H, W), whole numbers of any type.

    Returns:
        (H, W), of the tensor's integer type; uint8 for one of floating point.
    """
    class_map_HW = class_map.squeeze(0) if class_map.ndim == 3 else class_map
    return (class_map_HW.to(torch.uint8) if class_map_HW.is_floating_point() else class_map_HW).cpu().numpy()
