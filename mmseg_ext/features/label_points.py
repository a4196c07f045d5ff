"""Which labelled pixels of an image a light head is fitted to, and how much each counts.

Shape suffixes: H W height and width, P points, C classes, N images.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from mmseg_ext.points.areas import AreaEvidence, estimate_areas
from mmseg_ext.points.sampling import Strategy, keep_points, seed_of_sample

DENSE_SHARE = 0.5
"""Labels of more than this share of an image are a map, whose pixels need no weights."""
MIN_POINTS_TO_WEIGH = 2.0
"""Mean number of points of a class in an image from which on areas can be told from them."""


class LabelledImage(NamedTuple):
    """What one image gives to a fit.

    Attributes:
        positions_P2: Row and column of each point.
        network_PF: Features of the network at the points.
        descriptors_PD: Colour and texture at the points.
        labels_P: Class indices.
        num_labelled: Labelled pixels of the image, of which the points may be a sample.
        label_weights_P: Weight of each label, where the dataset gives them or the points are a balanced sample.
        evidence: What the areas of the classes are estimated from; None where they are not.
    """

    positions_P2: Tensor
    network_PF: Tensor
    descriptors_PD: Tensor
    labels_P: Tensor
    num_labelled: int
    label_weights_P: np.ndarray | None
    evidence: AreaEvidence | None


def sample_labels(
    labels_HW: np.ndarray, max_points: int, path: str, strategy: Strategy = "class_balanced", ignore_index: int = 255
) -> np.ndarray:
    """Keep the labels of at most `max_points` pixels, the same in every run.

    Args:
        labels_HW: Class indices.
        max_points: Most labels that are kept.
        path: Of the image; its last three parts name the sample, so that it does not depend on where the data lies.
        strategy: 'class_balanced', the classes of the image take turns, so that rare ones are seen; or 'uniform'.
        ignore_index: Marks pixels without a label.
    """
    if np.count_nonzero(labels_HW != ignore_index) <= max_points:
        return labels_HW
    name = "/".join(Path(path).parts[-3:])
    return keep_points(labels_HW, max_points, seed_of_sample(0, name), strategy=strategy, ignore_index=ignore_index)


def weigh_sample(labels_HW: np.ndarray, sampled_HW: np.ndarray, ignore_index: int = 255) -> np.ndarray:
    """Weigh each label of a balanced sample by the pixels of its class that it stands for.

    Args:
        labels_HW: All labels.
        sampled_HW: From :func:`sample_labels`.
        ignore_index: Marks pixels without a label.

    Returns:
        float32 (P,), 1 on average.
    """
    labels_P = sampled_HW[sampled_HW != ignore_index]
    pixels_C = np.bincount(labels_HW[labels_HW != ignore_index])
    pixels_of_point_C = pixels_C / np.maximum(np.bincount(labels_P, minlength=len(pixels_C)), 1)
    return (pixels_of_point_C[labels_P] * len(labels_P) / pixels_C.sum()).astype(np.float32)


def weigh_points(images: Sequence[LabelledImage], num_classes: int) -> list[np.ndarray]:
    """Weigh each point by the area that it stands for.

    An image's own weights come first (``labels=dict(areas=…)``), then areas estimated from the points. Without
    either, or with hardly more than one point a class and image, all points weigh the same.

    Returns:
        float32 (P,) for each image.
    """
    counts_NC = np.array([np.bincount(image.labels_P.cpu(), minlength=num_classes) for image in images])
    areas_of: dict[int, np.ndarray] = {}
    estimated = [n for n, image in enumerate(images) if image.evidence is not None]
    if estimated and counts_NC[estimated].sum() >= MIN_POINTS_TO_WEIGH * (counts_NC[estimated] > 0).sum():
        evidence = [image.evidence for image in images if image.evidence is not None]
        areas_of = dict(zip(estimated, estimate_areas(evidence), strict=True))
    weights = []
    for n, image in enumerate(images):
        labels_P = image.labels_P.cpu().numpy()
        if image.label_weights_P is not None:
            weights_P = image.label_weights_P
        elif n in areas_of:
            weights_P = (areas_of[n] / np.maximum(counts_NC[n], 1))[labels_P] * len(labels_P)
        else:
            weights_P = np.ones(len(labels_P))
        weights.append(weights_P.astype(np.float32))
    return weights
