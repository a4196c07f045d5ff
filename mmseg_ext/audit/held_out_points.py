"""What models say of labelled points that they were not fitted to, calibrated.

Shape suffixes: P points, C classes.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmseg_ext.errors import UserError
from mmseg_ext.features.calibration import choose_temperature, expected_calibration_error
from mmseg_ext.features.point_features import PointFeatures

MAX_POINTS = 60_000
"""Labelled pixels that are looked at for all folds, at most: memory does not grow with the dataset."""
MIN_POINTS_AN_IMAGE = 20


class HeldOutPoints(NamedTuple):
    """Points of all folds, each as the model of its fold sees it.

    Attributes:
        probabilities_PC: Calibrated.
        labels_P: Class indices.
        temperature: What the log probabilities were divided by.
        calibration_error: Expected calibration error, 0..1.
    """

    probabilities_PC: np.ndarray
    labels_P: np.ndarray
    temperature: float
    calibration_error: float


def calibrate(log_probabilities_PC: Tensor, points: PointFeatures) -> HeldOutPoints:
    """Choose one temperature for all folds.

    Raises:
        UserError: There is no point.
    """
    if not len(points.labels_P):
        raise UserError(
            "Expected labels of a class that occurs in several folds, got none that a model has seen. Choose other "
            "groups (--groups image), or label more images."
        )
    temperature = choose_temperature(log_probabilities_PC, points)
    probabilities_PC = (log_probabilities_PC / temperature).softmax(1)
    error = expected_calibration_error(probabilities_PC, points.labels_P, points.weights_P)
    return HeldOutPoints(probabilities_PC.cpu().numpy(), points.labels_P.cpu().numpy(), temperature, error)


def points_of(labels_P: np.ndarray) -> PointFeatures:
    """Make points of labels alone, of one weight."""
    labels = torch.from_numpy(labels_P.astype(np.int64))
    nothing = torch.zeros(len(labels), 0)
    return PointFeatures(nothing, nothing, labels, torch.ones(len(labels)), torch.zeros_like(labels))
