"""What light heads are made of: classifiers that are fitted to points in closed form or in seconds.

Shape suffixes: P points, C classes, N batch, h w height and width of the result.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from mmseg_ext.features.point_features import PointFeatures

ABSENT = -30.0
"""Logit of a class that no point has."""


class Classifier(nn.Module):
    """A classifier of points, whose fitted state is buffers that take the shape of what is loaded."""

    uses_descriptors: ClassVar[bool] = False
    """Whether it looks at colour and texture, and not at the network's features."""
    candidates: ClassVar[Sequence[Mapping[str, Any]]] = ()
    """Settings that cross-validation chooses from."""
    default: ClassVar[Mapping[str, Any]] = {}
    """Settings where there is nothing to choose by: points on a single image."""

    def __init__(self) -> None:
        super().__init__()
        self.register_load_state_dict_pre_hook(_take_shapes)

    @abstractmethod
    def settings(self) -> Mapping[str, Any] | None:
        """Return the settings to fit with, None where they are to be chosen."""

    @abstractmethod
    def fit(self, points: PointFeatures, num_classes: int, *args: Any, **settings: Any) -> None:
        """Fit to points, with the settings of :meth:`settings`."""

    @abstractmethod
    def at_points(self, points: PointFeatures) -> Tensor:
        """Compute log probabilities (P, C)."""

    @abstractmethod
    def on_maps(self, maps: Sequence[Tensor], descriptors_NDhw: Tensor | None, size: Sequence[int]) -> Tensor:
        """Compute log probabilities (N, C, h, w)."""


def _take_shapes(module: nn.Module, state_dict: Mapping[str, Tensor], prefix: str, *_: object) -> None:
    for name, buffer in module.named_buffers(recurse=False):
        if prefix + name in state_dict:
            module.register_buffer(name, buffer.new_empty(state_dict[prefix + name].shape))
