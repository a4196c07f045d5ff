"""The labels of an image completed from its points, by what all images teach and by what its own points do.

Shape suffixes: H W height and width, h w of a grid, C classes, P points, F channels of the network's maps, D
descriptors of colour and texture.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_ext.features.extra_trees import ExtraTrees
from mmseg_ext.features.feature_segmentor import FeatureSegmentor
from mmseg_ext.features.label_points import LabelledImage
from mmseg_ext.features.logistic_regression import LogisticRegression
from mmseg_ext.features.point_features import PointFeatures
from mmseg_ext.points.areas import WIDTH_IN_COLORS

HALF_WEIGHT_POINTS = 20.0
"""Number of points n of an image from which on its own model counts half of the pooled one: n / (n + this)."""
OWN_C = 0.03
"""Inverse strength of the penalty on the regression of an image's own points: tens of them, all of one scene."""
OWN_TREES = 30
"""Trees on the points of one image: as good as 100 within 0.4 mIoU, in half of the time (12 Dubai images, three folds,
60, 240 and 600 points in all; 2026-11-26, torch 2.15.0, scikit-learn 1.9.1)."""

DEFAULT_MODEL: dict[str, Any] = {
    "type": "mmseg_ext.FeatureSegmentor",
    "data_preprocessor": {
        "type": "SegDataPreProcessor",
        "mean": [127.0, 127.0, 127.0],
        "std": [128.0, 128.0, 128.0],
        "bgr_to_rgb": True,
        "pad_val": 0,
        "seg_pad_val": 255,
    },
    "backbone": {"type": "mmseg_ext.EfficientNetLite", "arch": "lite0"},
    "decode_head": {
        "type": "mmseg_ext.LightHead",
        "classifiers": [
            {"type": "mmseg_ext.LogisticRegression", "C": 0.003},
            {"type": "mmseg_ext.ExtraTrees"},
        ],
    },
    "test_cfg": {"mode": "whole"},
}
"""The pooled model where none is given: that of configs/_base_/models/features_effnetlite0.py."""


def add_place(descriptors_1Dhw: Tensor, image_size: Sequence[int]) -> Tensor:
    """Add row and column to descriptors, in the units of :func:`~mmseg_ext.points.areas.describe_pixels`.

    Args:
        descriptors_1Dhw: On a grid that covers the image.
        image_size: H and W.

    Returns:
        (1, D + 2, h, w).
    """
    steps = [
        (torch.arange(n) + 0.5) / n * length for n, length in zip(descriptors_1Dhw.shape[2:], image_size, strict=True)
    ]
    place_2hw = torch.stack(torch.meshgrid(*steps, indexing="ij")) * (WIDTH_IN_COLORS / max(image_size))
    return torch.cat([descriptors_1Dhw, place_2hw[None].to(descriptors_1Dhw)], dim=1)


def own_log_probabilities(
    maps: Sequence[Tensor], points: PointFeatures, num_classes: int, size: Sequence[int], with_place: Tensor | None
) -> Tensor:
    """Fit classifiers to the points of one image and apply them to it.

    Args:
        maps: Of the network, (1, F, h, w) each.
        points: Of the image; the descriptors with their place.
        num_classes: C.
        size: Height and width of the grid of the result.
        with_place: Descriptors with their place, (1, D, h, w); None leaves out the trees on them.

    Returns:
        Log probabilities (1, C, h, w); of a class without a point they are as good as zero.
    """
    found = []
    if maps:  # a model may look at colour and texture alone
        regression = LogisticRegression(OWN_C)
        regression.fit(points, num_classes, C=OWN_C)
        found.append(regression.on_maps(maps, None, size))
    if with_place is not None:
        trees = ExtraTrees(OWN_TREES)
        trees.fit(points, num_classes)
        found.append(trees.on_maps(maps, with_place, size))
    return found[0] if len(found) == 1 else (found[0] + found[1]) / 2


def multiply_models(
    pooled_1Chw: Tensor, own_1Chw: Tensor, num_points: int, shown_C: Tensor, shows_all_classes: bool = False
) -> Tensor:
    """Multiply the pooled model by that of the image's own points, which weighs n / (n + 20) for n points.

    Args:
        pooled_1Chw: Log probabilities.
        own_1Chw: Likewise.
        num_points: n.
        shown_C: Which classes the points show. The own model knows nothing of the others: the pooled one decides on
            their share of each pixel.
        shows_all_classes: Whether the image has no other classes.

    Returns:
        Log probabilities, the weighted geometric mean of both.
    """
    weight = num_points / (num_points + HALF_WEIGHT_POINTS)
    absent_1C11 = ~shown_C[None, :, None, None]
    if shows_all_classes:
        mean_1Chw = (pooled_1Chw + weight * own_1Chw) / (1 + weight)
        return mean_1Chw.masked_fill(absent_1C11, -torch.inf).log_softmax(1)
    left_11hw = (pooled_1Chw.exp() * absent_1C11).sum(1, keepdim=True).clamp(max=1 - 1e-6)
    own_1Chw = torch.where(absent_1C11, pooled_1Chw, own_1Chw + torch.log1p(-left_11hw))
    return ((pooled_1Chw + weight * own_1Chw) / (1 + weight)).log_softmax(1)


def without_padding(maps_NChw: Tensor, padded_size: Sequence[int], size: Sequence[int]) -> Tensor:
    """Cut off the part of maps that lies below or right of the image.

    Args:
        maps_NChw: On a grid that covers the padded image.
        padded_size: H and W of the padded image.
        size: H and W of the image.

    Returns:
        The maps as they are without padding, else enlarged to the padded image and cut.
    """
    if tuple(size) == tuple(padded_size):
        return maps_NChw
    enlarged = F.interpolate(maps_NChw, size=tuple(padded_size), mode="bilinear", align_corners=False)
    return enlarged[:, :, : size[0], : size[1]]


def enlarge_labels(probabilities_1Chw: Tensor, size: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Find the most probable class of each pixel and its probability, a class at a time.

    Args:
        probabilities_1Chw: On a grid.
        size: Height and width of the result.

    Returns:
        Class indices uint8 (H, W), and probabilities float32 (H, W).
    """
    best_HW = torch.full(tuple(size), -1.0, device=probabilities_1Chw.device)
    labels_HW = torch.zeros(tuple(size), dtype=torch.uint8, device=probabilities_1Chw.device)
    for index in range(probabilities_1Chw.shape[1]):
        one = probabilities_1Chw[:, index : index + 1]
        enlarged_HW = F.interpolate(one, size=tuple(size), mode="bilinear", align_corners=False)[0, 0]
        better_HW = enlarged_HW > best_HW
        labels_HW[better_HW] = index
        best_HW = torch.where(better_HW, enlarged_HW, best_HW)
    return labels_HW.cpu().numpy(), best_HW.cpu().numpy()


def complete_features(
    segmentor: FeatureSegmentor,
    features: Sequence[Tensor],
    image_size: tuple[int, int],
    image: LabelledImage | None,
    weights_P: np.ndarray | None = None,
    shows_all_classes: bool = False,
) -> Tensor:
    """Apply the pooled model, and that of the image's own points, to the features of an image.

    Args:
        segmentor: Fitted to the points of all images.
        features: Of the image, from :meth:`FeatureSegmentor.extract_feat`.
        image_size: Height and width of what the features were computed from.
        image: The labelled points of the image; None where it has none.
        weights_P: Weight of each point.
        shows_all_classes: Whether the image has no class but those of its points.

    Returns:
        Log probabilities (1, C, h, w), on the grid of the finest feature map.
    """
    log_probabilities = segmentor.decode_head.log_probabilities(features)
    if image is None:
        return log_probabilities
    own_1Chw = _own_model(segmentor, features, image_size, image, weights_P, log_probabilities.shape[2:])
    shown_C = torch.bincount(image.labels_P, minlength=log_probabilities.shape[1]) > 0
    return multiply_models(log_probabilities, own_1Chw, len(image.labels_P), shown_C, shows_all_classes)


@torch.no_grad()
def complete_image(
    segmentor: FeatureSegmentor,
    data_batch: dict,
    image: LabelledImage | None,
    weights_P: np.ndarray | None = None,
    shows_all_classes: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Complete the labels of one image.

    Args:
        segmentor: Fitted to the points of all images.
        data_batch: The image alone, as the dataloader gives it.
        image: What :meth:`FeatureSegmentor.look_at` found in it; None for an image without a point.
        weights_P: Weight of each point.
        shows_all_classes: Whether the image has no class but those of its points.

    Returns:
        Class indices uint8 (H, W) at the image's original size, and how probable they are, float32 (H, W).
    """
    data = segmentor.data_preprocessor(data_batch, False)
    image_1CHW, meta = data["inputs"], data["data_samples"][0].metainfo
    padded_size = (image_1CHW.shape[2], image_1CHW.shape[3])
    features = segmentor.extract_feat(image_1CHW)
    log_probabilities = complete_features(segmentor, features, padded_size, image, weights_P, shows_all_classes)
    probabilities = without_padding(log_probabilities.exp(), padded_size, meta["img_shape"][:2])
    return enlarge_labels(probabilities, meta["ori_shape"][:2])


def _own_model(
    segmentor: FeatureSegmentor,
    features: Sequence[Tensor],
    image_size: tuple[int, int],
    image: LabelledImage,
    weights_P: np.ndarray | None,
    size: Sequence[int],
) -> Tensor:
    uses_descriptors = segmentor.decode_head.uses_descriptors
    maps = features[:-1] if uses_descriptors else features
    with_place = add_place(features[-1], image_size) if uses_descriptors else None
    descriptors_PD = image.descriptors_PD
    if with_place is not None:
        place_P2 = (image.positions_P2 + 0.5) * (WIDTH_IN_COLORS / max(image_size))
        descriptors_PD = torch.cat([descriptors_PD, place_P2.to(descriptors_PD)], 1)
    weights = np.ones(len(image.labels_P), np.float32) if weights_P is None else weights_P
    points = PointFeatures(
        image.network_PF,
        descriptors_PD,
        image.labels_P,
        torch.from_numpy(weights).to(image.labels_P.device),
        torch.zeros_like(image.labels_P),
    )
    head = segmentor.decode_head
    return own_log_probabilities(maps, head.balance(points), head.num_classes, size, with_place)
