"""The base class of regularisers, and their input.

Shape suffixes: N batch, H and W height and width of the images, h and w of some smaller map.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, adaptive_max_pool2d

from mmseg_ext.models.precision import at_least_float32


class TrainingBatch(NamedTuple):
    """Input of a regulariser: one training step.

    Attributes:
        colors_N3HW: Input images of the network, without the normalisation; about [0, 1].
        features: Feature maps of the backbone, before the neck, each (N, channels, h, w).
        logits_NChw: Output of the decode head.
        labels_NHW: Integer class indices; `ignore_index` where there is no label.
        image_NHW: bool; False at padding.
        ignore_index: Marks pixels without a label.
    """

    colors_N3HW: Tensor
    features: Sequence[Tensor]
    logits_NChw: Tensor
    labels_NHW: Tensor
    image_NHW: Tensor
    ignore_index: int = 255

    def colors_at(self, size: tuple[int, int]) -> Tensor:
        """Average the colours to a size (h, w); returns (N, 3, h, w)."""
        return adaptive_avg_pool2d(at_least_float32(self.colors_N3HW), size)

    def image_at(self, size: tuple[int, int]) -> Tensor:
        """Find the cells of a map of size (h, w) that are less than half padding; bool (N, h, w)."""
        return adaptive_avg_pool2d(self.image_NHW.float(), size) > 0.5

    def unlabelled_at(self, size: tuple[int, int]) -> Tensor:
        """Find the cells of :meth:`image_at` without a labelled pixel; bool (N, h, w)."""
        labelled_NHW = (self.labels_NHW != self.ignore_index).float()
        return self.image_at(size) & (adaptive_max_pool2d(labelled_NHW, size) == 0)


class Regularizer(nn.Module, ABC):
    """Base class of losses on the unlabelled pixels.

    The loss is computed in float32, also under automatic mixed precision.

    Args:
        loss_weight: Factor on the loss.
        loss_name: Key in the log; must begin with 'loss_' to be trained on.
        start: Training iterations before the loss is added.

    Raises:
        UserError: A setting is out of range.
    """

    def __init__(self, loss_weight: float, loss_name: str, start: int = 0) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        self.start = start

    def forward(self, batch: TrainingBatch) -> Tensor:
        """Compute the weighted loss, a scalar, differentiable with respect to the logits."""
        with torch.autocast(batch.logits_NChw.device.type, enabled=False):
            return self.loss_weight * self.compute(batch)

    @abstractmethod
    def compute(self, batch: TrainingBatch) -> Tensor:
        """Compute the loss, without `loss_weight`."""
