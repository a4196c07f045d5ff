"""Labelled points whose neighbourhood, and look-alikes in other images, say otherwise.

Shape suffixes: P points, C classes, h w height and width of a grid, H W those of the labels.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_ext.audit.candidates import Candidate
from mmseg_ext.audit.pixel_evidence import UNLABELLED
from mmseg_ext.features.feature_maps import sample_maps

NEIGHBOURHOOD = 0.01
"""Radius around a point that is looked at, as a share of the image's shorter side."""
BOX = 0.02
"""Half the side of a point's box, likewise."""


def find_doubtful_points(probabilities_1Chw: Tensor, labels_HW: np.ndarray, known_C: np.ndarray) -> list[Candidate]:
    """Judge each labelled point by the mean of the probabilities at it and around it.

    The model was fitted to points of other images: its probability is what they, the look-alikes, say.

    Args:
        probabilities_1Chw: On a grid that covers the image.
        labels_HW: uint8, 255 where there is no point.
        known_C: Which classes the model has seen; points of others are not judged.

    Returns:
        The points of which another class is more probable.
    """
    rows_P, columns_P = np.nonzero(labels_HW != UNLABELLED)
    labels_P = labels_HW[rows_P, columns_P].astype(np.int64)
    height, width = labels_HW.shape
    positions_P2 = torch.from_numpy(np.stack([rows_P, columns_P], 1))
    at_points_PC = sample_maps([probabilities_1Chw], positions_P2, (height, width))
    radius = max(1, round(NEIGHBOURHOOD * min(probabilities_1Chw.shape[2:])))
    around = F.avg_pool2d(probabilities_1Chw, 2 * radius + 1, 1, radius, count_include_pad=False)
    mean_PC = ((at_points_PC + sample_maps([around], positions_P2, (height, width))) / 2).cpu().numpy()
    mean_PC[:, ~known_C] = 0
    predicted_P = mean_PC.argmax(1)
    every_P = np.arange(len(labels_P))
    margin_P = mean_PC[every_P, predicted_P] - mean_PC[every_P, labels_P]
    half = max(4, round(BOX * min(height, width)))
    found = []
    for p in np.flatnonzero((margin_P > 0) & known_C[labels_P]).tolist():
        row, column = int(rows_P[p]), int(columns_P[p])
        rows = max(0, row - half), min(height, row + half + 1)
        columns = max(0, column - half), min(width, column + half + 1)
        mask_hw = np.zeros((rows[1] - rows[0], columns[1] - columns[0]), bool)
        mask_hw[row - rows[0], column - columns[0]] = True
        found.append(
            Candidate("point", int(labels_P[p]), int(predicted_P[p]), rows, columns, mask_hw, float(margin_P[p]))
        )
    return found
