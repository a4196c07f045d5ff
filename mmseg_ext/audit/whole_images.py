"""Images whose labels are wrong as a whole: two classes exchanged, or the mask of another image.

Shape suffixes: C classes (labels in rows, predictions in columns), H W height and width.
"""

from typing import NamedTuple

import numpy as np

from mmseg_ext.audit.candidates import Candidate, Kind
from mmseg_ext.audit.pixel_evidence import UNLABELLED, PixelEvidence

MIN_CLASS_SHARE = 0.02
"""Of the labelled pixels: classes with less are not looked at here."""
MIN_GAIN = 0.5
"""Share of the pixels of two classes that must agree more after an exchange."""
MAX_KAPPA = 0.05
"""Labels that agree with the model of their image no better than by chance."""


class Swap(NamedTuple):
    """Two classes that fit better exchanged; see :func:`find_swap`."""

    label: int
    predicted: int
    gain: float


def find_swap(confusion_CC: np.ndarray) -> Swap | None:
    """Find the pair of classes whose exchange in the labels makes most pixels agree.

    Args:
        confusion_CC: Pixels of one image.

    Returns:
        The pair and the share of its labelled pixels that agree more after the exchange; None without a pair that gains
        :data:`MIN_GAIN`.

    Example:
        >>> find_swap(np.array([[5, 90, 0], [80, 10, 0], [0, 0, 50]]))
        Swap(label=0, predicted=1, gain=0.8378378378378378)
    """
    diagonal_C, truth_C = np.diagonal(confusion_CC), confusion_CC.sum(1)
    gain_CC = confusion_CC + confusion_CC.T - diagonal_C[:, None] - diagonal_C[None, :]
    is_small_C = truth_C < MIN_CLASS_SHARE * truth_C.sum()
    share_CC = gain_CC / np.maximum(truth_C[:, None] + truth_C[None, :], 1)
    share_CC[is_small_C] = 0
    share_CC[:, is_small_C] = 0
    np.fill_diagonal(share_CC, 0)
    first, second = np.unravel_index(share_CC.argmax(), share_CC.shape)
    gain = float(share_CC[first, second])
    return Swap(int(first), int(second), gain) if gain >= MIN_GAIN else None


def kappa(confusion_CC: np.ndarray) -> float:
    """Compute Cohen's kappa: 1 for labels and predictions that agree, 0 for as many as by chance; 1 for one class.

    Reference:
        Cohen, A coefficient of agreement for nominal scales, Educational and Psychological Measurement 1960.

    Example:
        >>> kappa(np.array([[25, 25], [25, 25]])), kappa(np.array([[50, 0], [0, 50]]))
        (0.0, 1.0)
    """
    total = max(confusion_CC.sum(), 1)
    agreed = np.trace(confusion_CC) / total
    chance = float((confusion_CC.sum(0) / total) @ (confusion_CC.sum(1) / total))
    return 1.0 if chance == 1 else float((agreed - chance) / (1 - chance))


def find_whole_image(evidence: PixelEvidence, confusion_CC: np.ndarray) -> Candidate | None:
    """Find what is wrong with all labels of an image, if anything.

    Args:
        evidence: Of the image.
        confusion_CC: Pixels by label and prediction.
    """
    labels_HW, _, margin_HW, _ = evidence
    labelled_HW = labels_HW != UNLABELLED
    swap = find_swap(confusion_CC)
    kind: Kind = "swapped classes"
    if swap is not None:
        label, predicted = swap.label, swap.predicted
        mask_HW = (labels_HW == label) | (labels_HW == predicted)
    else:
        if kappa(confusion_CC) > MAX_KAPPA or np.count_nonzero(confusion_CC.sum(1)) < 2:
            return None
        kind, mask_HW = "other image's mask", labelled_HW
        wrong_CC = confusion_CC * (1 - np.eye(len(confusion_CC), dtype=confusion_CC.dtype))
        label, predicted = map(int, np.unravel_index(wrong_CC.argmax(), wrong_CC.shape))
    height, width = labels_HW.shape
    margin = float(margin_HW[mask_HW].mean())
    return Candidate(kind, label, predicted, (0, height), (0, width), mask_HW, margin)
