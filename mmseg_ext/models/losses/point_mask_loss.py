"""Mask2Former's loss for labels of some pixels.

Shape suffixes: N batch, C classes, H height, W width.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_ext.models.label_weights import label_weights
from mmseg_ext.models.losses.mask_loss import MaskLoss, MaskTargets, mask_targets, present_classes
from mmseg_ext.models.losses.mask_points import LabelPoints
from mmseg_ext.points.label_budget import SPARSE_LABELS
from mmseg_ext.registry import MODELS


@MODELS.register_module()
class PointMaskLoss(MaskLoss):
    """Mask2Former's loss at the labelled pixels only.

    In the published loss (`MaskLoss`) an unlabelled pixel is a negative of every mask, and the queries of a class that
    nobody labelled learn 'no object'. Here:

    - Masks are matched and compared at labelled pixels only; all of them, if there are no more than `num_points`.
    - In an image with sparse labels, a class without a label may still be there. Its logits do not take part in the
      cross-entropy of the classes; neither queries nor masks learn anything about it.

    With complete labels, and no pixel without a label, it equals `MaskLoss`. Weights of labels (``WeighLabels``,
    ``complete=dict(weigh=True)``) apply to masks.

    Args:
        sparse_labels: Whether a class that is not labelled may still be in the image. None: as the dataset's
            ``labels=`` says, for which ``mmseg_ext.PackSegInputs`` has to pack the samples. Set it to True for masks
            that are sparse themselves, such as scribbles.
        **kwargs: As for `MaskLoss`.
    """

    takes_label_weights = True
    unlabelled_are_negatives = False

    def __init__(self, sparse_labels: bool | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sparse_labels = sparse_labels

    def targets(
        self, labels_NHW: Tensor, data_samples: Sequence[SegDataSample], num_classes: int, ignore_index: int
    ) -> MaskTargets:
        """Prepare the labels of a batch: points are labelled pixels, and unlabelled classes of sparse labels unknown.

        Points may be anywhere in an image all of whose pixels are labelled.
        """
        labelled_NHW = labels_NHW != ignore_index
        weight_NHW = label_weights(data_samples, labels_NHW, ignore_index)
        everywhere_N = labelled_NHW.flatten(1).all(1)
        if weight_NHW is None:
            weight_NHW = labelled_NHW.float()
        else:
            weight_NHW, everywhere_N = weight_NHW * labelled_NHW, torch.zeros_like(everywhere_N)
        present_NC = present_classes(labels_NHW, num_classes)
        sparse = [self._is_sparse(sample) for sample in data_samples]
        complete_N1 = ~torch.tensor(sparse, device=labels_NHW.device)[:, None]
        points = LabelPoints(labels_NHW, weight_NHW, everywhere_N, self.num_points)
        return mask_targets(points, present_NC, present_NC | complete_N1)

    def _is_sparse(self, sample: SegDataSample) -> bool:
        return bool(sample.metainfo.get(SPARSE_LABELS)) if self.sparse_labels is None else self.sparse_labels
