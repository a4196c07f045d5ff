"""Where a prediction is right and where it is wrong.

Shape suffixes: H height, W width, C colour channels (RGB).
"""

import numpy as np

from mmseg_ext.errors import UserError
from mmseg_ext.pictures.array_checks import checked_labels
from mmseg_ext.pictures.hatching import draw_hatching

RIGHT_COLOR = (199, 219, 199)
WRONG_COLOR = (214, 39, 40)


def errors(prediction_HW: np.ndarray, truth_HW: np.ndarray, ignore_index: int = 255) -> np.ndarray:
    """Show where a prediction is right (light grey-green), wrong (red) or not judged (hatched).

    Args:
        prediction_HW: Predicted class indices.
        truth_HW: True class indices of the same height and width.
        ignore_index: The label of pixels that are not judged.

    Returns:
        The picture (H, W, 3), uint8 RGB.

    Raises:
        UserError: If shapes or types do not fit.
    """
    prediction_HW, truth_HW = checked_labels(prediction_HW), checked_labels(truth_HW)
    if prediction_HW.shape != truth_HW.shape:
        raise UserError(
            "Expected prediction and truth of the same height and width, "
            f"got {prediction_HW.shape} and {truth_HW.shape}."
        )
    right_HW1 = (prediction_HW == truth_HW)[..., None]
    picture_HWC = np.where(right_HW1, np.array(RIGHT_COLOR, np.uint8), np.array(WRONG_COLOR, np.uint8))
    return np.where((truth_HW == ignore_index)[..., None], draw_hatching(*truth_HW.shape), picture_HWC)
