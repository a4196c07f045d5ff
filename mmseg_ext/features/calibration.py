"""Whether probabilities are as often right as they say, and one number that makes them so.

Shape suffixes: P points, C classes.
"""

import torch
from torch import Tensor

from mmseg_ext.features.point_features import PointFeatures

NUM_FOLDS = 3
NUM_BINS = 15
TEMPERATURES = torch.logspace(-1, 1, 201)


def split_images(images_P: Tensor, num_folds: int = NUM_FOLDS) -> list[Tensor]:
    """Split points by their images into folds of neighbouring images, which may show one scene.

    Args:
        images_P: Index of each point's image.
        num_folds: Most folds.

    Returns:
        A mask (P,) of the held-out points of each fold; none where all points are of one image.
    """
    images, ranks_P = images_P.unique(return_inverse=True)
    num_folds = min(num_folds, len(images))
    folds_P = ranks_P * num_folds // len(images)
    return [folds_P == fold for fold in range(num_folds)] if num_folds > 1 else []


def mean_cross_entropy(log_probabilities_PC: Tensor, points: PointFeatures) -> float:
    """Compute the weighted mean cross-entropy in nats."""
    losses_P = -log_probabilities_PC.gather(1, points.labels_P[:, None])[:, 0]
    return float((losses_P * points.weights_P).sum() / points.weights_P.sum())


def choose_temperature(log_probabilities_PC: Tensor, points: PointFeatures) -> float:
    """Find the temperature that minimises the cross-entropy.

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    losses = [mean_cross_entropy((log_probabilities_PC / t).log_softmax(1), points) for t in TEMPERATURES]
    return float(TEMPERATURES[int(torch.tensor(losses).argmin())])


def expected_calibration_error(
    probabilities_PC: Tensor, labels_P: Tensor, weights_P: Tensor, num_bins: int = NUM_BINS
) -> float:
    """Average the difference between confidence and accuracy over bins of equal width of confidence.

    Args:
        probabilities_PC: Of every class.
        labels_P: Class indices.
        weights_P: How much each point counts.
        num_bins: Bins of confidence.

    Returns:
        In 0..1.

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.

    Example:
        >>> sure = torch.tensor([[0.8, 0.2], [0.8, 0.2], [0.8, 0.2], [0.8, 0.2]])
        >>> round(expected_calibration_error(sure, torch.tensor([0, 0, 1, 1]), torch.ones(4)), 4)
        0.3
    """
    confidence_P, classes_P = probabilities_PC.max(1)
    bins_P = (confidence_P * num_bins).ceil().long().clamp(1, num_bins) - 1
    gaps_P = ((classes_P == labels_P).to(confidence_P) - confidence_P) * weights_P
    sums = gaps_P.new_zeros(num_bins).index_add_(0, bins_P, gaps_P)
    return float(sums.abs().sum() / weights_P.sum())
