"""Other rankings of the same labels by the same predictions: plain loss, cleanlab, chance.

Shape suffixes: H W height and width, C classes, N images.
"""

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.audit_study.errors import UNLABELLED
from benchmarks.audit_study.measures import RankedArea
from mmseg_ext.audit.connected_areas import find_connected
from mmseg_ext.audit.pixel_evidence import PixelEvidence

MIN_PIXELS = 16
SIDE = 256
"""Longer side of what cleanlab sees: it holds the probabilities of all images in one array."""


def loss_areas(image: int, evidence: PixelEvidence, num_classes: int) -> list[RankedArea]:
    """Rank the connected areas in which label and prediction differ by their mean loss.

    Args:
        image: Its index.
        evidence: Of the image.
        num_classes: C.
    """
    labels_HW, predicted_HW, margin_HW, loss_HW = evidence
    pair_HW = np.where(margin_HW > 0, labels_HW.astype(np.int64) * num_classes + predicted_HW, -1)
    found = find_connected(pair_HW, -1)
    boxes, mean_A = found.boxes(), found.sum_of(loss_HW) / np.maximum(found.size_A, 1)
    return [
        RankedArea(image, boxes[area], found.number_HW[boxes[area]] == area + 1, float(mean_A[area]))
        for area in np.flatnonzero(found.size_A >= MIN_PIXELS).tolist()
    ]


def small_copy(probabilities_Chw: np.ndarray, labels_HW: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reduce probabilities and labels to SIDE × SIDE, for cleanlab."""
    probabilities = np.stack([cv2.resize(p, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for p in probabilities_Chw])
    return probabilities, cv2.resize(labels_HW, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)


def import_cleanlab(folder: Path | None) -> Any:
    """Import what ranks images in cleanlab, None where it is not installed.

    Args:
        folder: Where it was installed: ``pip install --target FOLDER cleanlab``.
    """
    if folder is not None:
        sys.path.append(str(folder))
    try:
        from cleanlab.segmentation import rank
    except ImportError:
        return None
    return rank


def cleanlab_scores(rank: Any, probabilities_NCHW: np.ndarray, labels_NHW: np.ndarray) -> np.ndarray:
    """Rank images by cleanlab; the lower, the worse, float (N,).

    It knows no unlabelled pixels: they get the class that is predicted.
    """
    labels_NHW = np.where(labels_NHW == UNLABELLED, probabilities_NCHW.argmax(1), labels_NHW)
    return rank.get_label_quality_scores(labels_NHW.astype(int), probabilities_NCHW, verbose=False)[0]
