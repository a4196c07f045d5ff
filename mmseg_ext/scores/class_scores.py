"""Scores from the true positives, the labelled pixels and the predicted pixels of each class.

Shape suffixes: C classes; 3 is true positives, labelled pixels (truth), predicted pixels (found).
"""

from collections.abc import Callable, Sequence

import numpy as np

from mmseg_ext.errors import UserError
from mmseg_ext.scores.percentages import percent
from mmseg_ext.scores.score_names import FOREGROUND, KINDS, MEANS


def counts_of(confusion_CC: np.ndarray) -> np.ndarray:
    """Return the counts of confusion matrices (…, C, C), truth in rows, as (…, 3, C)."""
    parts = np.diagonal(confusion_CC, axis1=-2, axis2=-1), confusion_CC.sum(-1), confusion_CC.sum(-2)
    return np.stack(parts, axis=-2)


def class_scores(counts_3C: np.ndarray, beta: float = 1.0) -> dict[str, np.ndarray]:
    """Score each class.

    Args:
        counts_3C: Pixels, (…, 3, C), any number of matrices at once.
        beta: Weight of recall against precision in Fscore.

    Returns:
        IoU, Acc (recall), Dice, Fscore, Precision as float64 (…, C), in percent. A class without a pixel in truth is
        NaN in Acc, one absent from truth and prediction is NaN in all. A class that is present and never predicted
        scores 0.
    """
    true_positives, truth, found = np.moveaxis(np.asarray(counts_3C, np.float64), -2, 0)
    return {
        "IoU": percent(true_positives, truth + found - true_positives),
        "Acc": percent(true_positives, truth),
        "Dice": percent(2 * true_positives, truth + found),
        "Fscore": percent((1 + beta**2) * true_positives, beta**2 * truth + found),
        "Precision": percent(true_positives, np.where(truth > 0, np.maximum(found, 1), found)),
    }


def mean_over_classes(scores_C: np.ndarray) -> np.ndarray:
    """Average scores (…, C) over the classes that have one; NaN where none has."""
    is_known = np.isfinite(scores_C)
    num_known = is_known.sum(-1)
    total = np.where(is_known, scores_C, 0).sum(-1)
    return np.where(num_known == 0, np.nan, total / np.maximum(num_known, 1))


def pixel_accuracy(counts_3C: np.ndarray) -> np.ndarray:
    """Return the share of right pixels in percent, (…); NaN where nothing is labelled."""
    true_positives, truth = counts_3C[..., 0, :].sum(-1), counts_3C[..., 1, :].sum(-1)
    return percent(true_positives, truth)


def score_function(name: str, classes: Sequence[str]) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from counts (…, 3, C) to one score (…), in percent.

    Args:
        name: A mean (aAcc, mIoU, mAcc, mDice, mFscore, mPrecision, mRecall), a score of a class (``IoU.water``), or of
            two classes that of the second one, the foreground (IoU, F1, precision, recall). A prefix before a slash is
            passed over: ``binary/IoU``.
        classes: The names of the classes.

    Raises:
        UserError: There is no such score.

    Example:
        >>> score = score_function("IoU.water", ["land", "water"])
        >>> float(score(np.array([[3, 1], [4, 2], [4, 2]])).round(2))
        33.33
    """
    kind, dot, class_name = name.partition(".")
    kind = kind.rsplit("/", 1)[-1]
    plain = "" if dot else kind
    if plain == "aAcc":
        return pixel_accuracy
    if plain in MEANS:
        return lambda counts_3C: mean_over_classes(class_scores(counts_3C)[MEANS[plain]])
    if kind in KINDS and class_name in classes:
        index = list(classes).index(class_name)
    elif plain in FOREGROUND and len(classes) == 2:
        kind, index = FOREGROUND[plain], 1
    else:
        raise UserError(
            f"Expected a score of confusion matrices: {', '.join(['aAcc', *MEANS])}, or IoU.<class> and the like of "
            f"{', '.join(list(classes)[:5])}; got {name!r}."
        )
    return lambda counts_3C: class_scores(counts_3C[..., index : index + 1])[kind][..., 0]
