"""Shares in percent."""

import numpy as np


def percent(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return `part` of `whole` in percent, float64; NaN where `whole` is 0.

    Example:
        >>> percent(np.array([1, 0]), np.array([4, 0])).tolist()
        [25.0, nan]
    """
    return np.where(whole == 0, np.nan, 100 * part / np.where(whole == 0, 1, whole))
