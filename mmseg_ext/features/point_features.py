"""The features of labelled points, which light heads are fitted on.

Shape suffixes: P points, F channels of the network's maps, D descriptors of colour and texture.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class PointFeatures(NamedTuple):
    """Labelled points and what is seen at them.

    Attributes:
        network_PF: Features of the network, float32.
        descriptors_PD: Colour and texture, float32.
        labels_P: Class indices, int64.
        weights_P: How much each point counts, float32.
        images_P: Index of each point's image, int64.
    """

    network_PF: Tensor
    descriptors_PD: Tensor
    labels_P: Tensor
    weights_P: Tensor
    images_P: Tensor

    def select(self, chosen: Tensor) -> "PointFeatures":
        """Select points by a mask or by indices."""
        return PointFeatures(*(values[chosen] for values in self))

    def balanced(self) -> "PointFeatures":
        """Weigh the classes alike: the weights of each that has points add up to the same, the mean is kept."""
        totals_C = self.weights_P @ F.one_hot(self.labels_P).to(self.weights_P)  # bincount's order varies on a GPU
        factors_C = totals_C.sum() / (totals_C.count_nonzero() * totals_C).clamp(min=torch.finfo(totals_C.dtype).tiny)
        return self._replace(weights_P=self.weights_P * factors_C[self.labels_P])


def join_points(parts: Sequence[PointFeatures]) -> PointFeatures:
    """Join the points of several images."""
    return PointFeatures(*map(torch.cat, zip(*parts, strict=True)))
