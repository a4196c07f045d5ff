"""What a binary mask is, for all that write one.

Shape suffixes: H height, W width.
"""

import numpy as np

from mmseg_ext.errors import UserError


def checked_mask(mask_HW: np.ndarray) -> np.ndarray:
    """Return a mask as booleans.

    Args:
        mask_HW: Booleans, or numbers that are all 0 or 1.

    Raises:
        UserError: It has another number of axes, or other values.
    """
    mask_HW = np.asarray(mask_HW)
    if mask_HW.ndim != 2:
        raise UserError(f"Expected a mask of shape (H, W), got {mask_HW.shape}.")
    if mask_HW.dtype == bool:
        return mask_HW
    is_set_HW = mask_HW == 1
    if not np.all(is_set_HW | (mask_HW == 0)):
        wrong = np.unique(mask_HW[(mask_HW != 0) & (mask_HW != 1)])
        raise UserError(
            f"Expected a mask of 0 and 1, got {', '.join(map(str, wrong[:5].tolist()))} as well. "
            "Compare it with what stands for the foreground, such as `mask == 255`."
        )
    return is_set_HW
