"""Weights of labels, which the data samples give.

Shape suffixes: N batch, C classes, H height, W width.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_ext.errors import UserError


def label_weights(data_samples: Sequence[SegDataSample], labels_NHW: Tensor, ignore_index: int) -> Tensor | None:
    """Look up the weight of each label, which the data sample of its image gives.

    It is a weight a pixel in ``gt_label_weight`` (of ``LoadCompletedAnnotations``), or a weight a class in the
    ``label_weights`` of the metainfo (of ``WeighLabels``).

    Args:
        data_samples: mmseg's SegDataSample, one per image.
        labels_NHW: Class indices.
        ignore_index: Marks pixels without a label; their weight is not used.

    Returns:
        (N, H, W), 1 on average over the labels of the batch; None if no image has weights.

    Raises:
        UserError: Only some images have weights, or a label has no weight.
    """
    if any("gt_label_weight" in sample for sample in data_samples):
        return _mean_one(_pixel_weights(data_samples, labels_NHW), labels_NHW != ignore_index)
    given = [sample.metainfo.get("label_weights") for sample in data_samples]
    if all(weights is None for weights in given):
        return None
    labelled_NHW = labels_NHW != ignore_index
    highest = int(torch.where(labelled_NHW, labels_NHW, 0).amax())
    if any(weights is None or len(weights) <= highest for weights in given):
        raise UserError(
            f"Expected `label_weights` for the classes 0..{highest} in every image of the batch, got them for "
            f"{[None if weights is None else len(weights) for weights in given]} classes. Put WeighLabels, with areas "
            "of all classes, into the pipelines of all datasets that are trained on."
        )
    weight_NHW = torch.stack(
        [
            torch.as_tensor(weights, device=labels_NHW.device)[torch.where(labelled_HW, labels_HW, 0).long()]
            for weights, labels_HW, labelled_HW in zip(given, labels_NHW, labelled_NHW, strict=True)
        ]
    )
    return _mean_one(weight_NHW, labelled_NHW)


def _pixel_weights(data_samples: Sequence[SegDataSample], labels_NHW: Tensor) -> Tensor:
    """Stack the weights of pixels; where the labels are padded, they have none."""
    if not all("gt_label_weight" in sample for sample in data_samples):
        raise UserError(
            "Expected weights of the labels in every image of the batch, got them for some. Set complete=dict(weigh="
            "True) for all datasets that are trained on, or for none."
        )
    height, width = labels_NHW.shape[1:]
    weights = [sample.gt_label_weight.data[0].float() for sample in data_samples]
    return torch.stack([F.pad(w, (0, width - w.shape[1], 0, height - w.shape[0])) for w in weights])


def _mean_one(weight_NHW: Tensor, labelled_NHW: Tensor) -> Tensor:
    mean = weight_NHW[labelled_NHW].mean()
    return weight_NHW / torch.where(mean > 0, mean, torch.ones_like(mean))  # the mean is NaN without any label
