"""How good the model is on images that it has not seen, and whether more points would help.

The points of some images are predicted by a model that is fitted to those of the others. Of points that were clicked
where the model hesitates, fewer are right than of all pixels.

Shape suffixes: P points, C classes, N images.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_ext.features.calibration import split_images
from mmseg_ext.features.light_head import LightHead
from mmseg_ext.features.point_features import PointFeatures
from mmseg_ext.scores.image_matrices import ImageMatrices
from mmseg_ext.scores.intervals import Interval, class_intervals, score_interval
from mmseg_ext.scores.paired_difference import paired_difference

MIN_POINTS = 20
MIN_IMAGES = 3
SMALL_GAIN = 1.0
"""Points of mIoU that twice as many clicks have to bring to be worth it."""


class Estimate(NamedTuple):
    """A score in percent with its interval; None where nothing can be said."""

    value: float | None
    low: float | None
    high: float | None


class Quality(NamedTuple):
    """What held-out points say.

    Attributes:
        num_points: That were predicted.
        num_images: That they are of.
        mean: mIoU.
        classes: IoU of each class.
        gain: What the second half of the points has brought, in points of mIoU.
        is_enough: Whether that is surely less than :data:`SMALL_GAIN`.
    """

    num_points: int
    num_images: int
    mean: Estimate
    classes: list[Estimate]
    gain: Estimate
    is_enough: bool


def estimate_quality(
    head: LightHead,
    points: PointFeatures,
    names: Sequence[str],
    classes: Sequence[str],
    check: Callable[[], None] = lambda: None,
) -> Quality | None:
    """Predict each point by a model that has not seen its image.

    Args:
        head: The head, for its classifiers; it is not changed.
        points: Of all images.
        names: Of the images, by the index in the points.
        classes: Names of the classes.
        check: Called between the fits; may raise to end the estimate.

    Returns:
        The estimate; None with too few points or images.
    """
    images, index_P = points.images_P.unique(return_inverse=True)
    if len(points.labels_P) < MIN_POINTS or len(images) < MIN_IMAGES:
        return None
    held_out = split_images(points.images_P)
    shown = [names[int(image)] for image in images]
    rank_in_class_P = F.one_hot(points.labels_P).cumsum(0).gather(1, points.labels_P[:, None])[:, 0]
    every_second_P = rank_in_class_P % 2 == 1
    if any(int((~fold_P & every_second_P).sum()) < MIN_POINTS // 4 for fold_P in held_out):
        return None  # nearly all points are of one image
    runs = []
    for used_P in (every_second_P, None):
        found_P = predict_held_out(head, points, held_out, used_P, check).argmax(1)
        matrices_NCC = np.zeros((len(images), len(classes), len(classes)), np.int64)
        np.add.at(matrices_NCC, (index_P.numpy(), points.labels_P.numpy(), found_P.numpy()), 1)
        runs.append(ImageMatrices.of_matrices(shown, matrices_NCC, classes))
    half, whole = runs
    gain = paired_difference(half, whole, groups="image")
    by_class: Any = class_intervals(whole, groups="image")
    return Quality(
        len(points.labels_P),
        len(images),
        _estimate(score_interval(whole, groups="image")),
        [_estimate(by_class, index) for index in range(len(classes))],
        _estimate(gain),
        bool(gain.high < SMALL_GAIN),
    )


def predict_held_out(
    head: LightHead,
    points: PointFeatures,
    held_out: Sequence[Tensor],
    used_P: Tensor | None = None,
    check: Callable[[], None] = lambda: None,
) -> Tensor:
    """Predict each point by a head that is fitted without its fold, log probabilities (P, C).

    Args:
        head: See :func:`estimate_quality`.
        points: The points.
        held_out: A mask of the points of each fold.
        used_P: Which points may be fitted to; None for all.
        check: Called between the fits.
    """
    total_PC = torch.zeros(len(points.labels_P), head.num_classes)
    for classifier in head.classifiers:
        settings = classifier.settings()
        settings = classifier.default if settings is None else settings
        for fold_P in held_out:
            check()
            total_PC[fold_P] += head.predict_fold(classifier, points, fold_P, settings, used_P)
    return total_PC / len(head.classifiers)


def _estimate(interval: Interval, index: int | tuple[()] = ()) -> Estimate:
    values = (interval.estimate[index], interval.low[index], interval.high[index])
    return Estimate(*(float(value) if np.isfinite(value) else None for value in values))
