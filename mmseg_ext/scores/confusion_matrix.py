"""Scores from one confusion matrix.

Shape suffixes: C classes (truth in rows, prediction in columns).
"""

import numpy as np
import torch
from torch import Tensor

from mmseg_ext.errors import out_of_range
from mmseg_ext.scores.class_scores import class_scores, counts_of, mean_over_classes, pixel_accuracy
from mmseg_ext.scores.score_names import MEANS

PIECE = 2**20
"""Pixels that are counted at a time."""


def count_confusion(prediction: Tensor, labels: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Count the labelled pixels by truth and prediction.

    Args:
        prediction: Class indices, any integer dtype and shape.
        labels: Class indices of the same shape; `ignore_index` where there is no label.
        num_classes: C.
        ignore_index: Marks pixels without a label.

    Returns:
        int64 (C, C).

    Raises:
        ValueError: The shapes differ, or a label or a prediction at a labelled pixel is not in 0..C-1.
    """
    if prediction.shape != labels.shape:
        raise ValueError(f"Expected a prediction of shape {tuple(labels.shape)}, got {tuple(prediction.shape)}.")
    confusion_CC = torch.zeros(num_classes, num_classes, dtype=torch.long, device=labels.device)
    # In pieces: int64 copies of a large image would take many times its size.
    for truth, found in zip(labels.flatten().split(PIECE), prediction.flatten().split(PIECE), strict=True):
        labelled = truth != ignore_index
        truth, found = truth[labelled].long(), found[labelled].long()
        check_range(truth, num_classes, "labels", ignore_index)
        check_range(found, num_classes, "predictions", ignore_index)
        counts = torch.bincount(truth * num_classes + found, minlength=num_classes**2)
        confusion_CC += counts.view(num_classes, num_classes)
    return confusion_CC


def check_range(values: Tensor, num_classes: int, name: str, ignore_index: int | None = 255) -> None:
    """Refuse class indices that no class has.

    Args:
        values: Class indices of labelled pixels, any shape.
        num_classes: C.
        name: What the values are, in the plural.
        ignore_index: For the message: marks pixels without a label; None where there are none of them.

    Raises:
        ValueError: A value is not in 0..C-1.
    """
    if not values.numel():
        return
    lowest, highest = values.aminmax()
    if int(lowest) < 0 or int(highest) >= num_classes:
        wrong = values[(values < 0) | (values >= num_classes)]
        raise ValueError(out_of_range(name, wrong.unique().tolist(), num_classes, ignore_index, wrong.numel()))


def scores_of_classes(
    confusion_CC: np.ndarray, beta: float = 1.0, nan_to_num: float | None = None
) -> dict[str, np.ndarray]:
    """Score each class.

    Args:
        confusion_CC: Pixels, int64.
        beta: Weight of recall against precision in Fscore.
        nan_to_num: Replaces NaN, as a share: 0.5 is 50 %. None keeps NaN.

    Returns:
        IoU, Acc (recall), Dice, Fscore, Precision as float64 (C,), in percent. Fscore is Dice for a `beta` of 1. A
        class without a pixel in truth is NaN in Acc, one absent from truth and prediction is NaN in all. A class that
        is present and never predicted scores 0.
    """
    scores = class_scores(counts_of(confusion_CC), beta)
    if nan_to_num is not None:
        scores = {name: np.nan_to_num(values, nan=100 * nan_to_num) for name, values in scores.items()}
    return scores


def mean_scores(confusion_CC: np.ndarray, beta: float = 1.0, nan_to_num: float | None = None) -> dict[str, float]:
    """Average over the classes.

    Args:
        confusion_CC: Pixels, int64.
        beta: As in :func:`scores_of_classes`.
        nan_to_num: As in :func:`scores_of_classes`.

    Returns:
        aAcc (share of right pixels), mIoU, mAcc, mDice, mFscore, mPrecision, mRecall, in percent; NaN
        where nothing was labelled. Classes that are NaN in :func:`scores_of_classes` are left out.
    """
    by_class = scores_of_classes(confusion_CC, beta, nan_to_num)
    mean = {name: float(mean_over_classes(values)) for name, values in by_class.items()}
    means = {name: mean[kind] for name, kind in MEANS.items()}
    return {"aAcc": float(pixel_accuracy(counts_of(confusion_CC))), **means}
