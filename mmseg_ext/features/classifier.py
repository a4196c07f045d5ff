"""What light heads are made of: classifiers that are fitted to points in closed form or in seconds.

Shape suffixes: P points, C classes, N batch, h w height and width of the result.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mmseg_ext.features.point_features import PointFeatures

ABSENT = -30.0
"""Logit of a class that no point has."""
THREADED_POINTS = 2000
"""Points from which on a fit uses several threads. With fewer it gains nothing by them, and where another program keeps
one of the cores busy it takes up to 50 times as long: the threads wait for one another at every step."""


@contextmanager
def one_thread(is_wanted: bool = True) -> Iterator[None]:
    """Compute in one thread, if that is wanted."""
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if is_wanted else threads)
        yield
    finally:
        torch.set_num_threads(threads)


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

    def fit(self, points: PointFeatures, num_classes: int, *args: Any, **settings: Any) -> None:
        """Fit to points.

        Args:
            points: Of one class at least.
            num_classes: C.
            *args: Settings in the order of the classifier's own.
            **settings: Those of :meth:`settings`, or of :attr:`candidates`.

        Raises:
            UserError: A package is not installed.
        """
        with one_thread(len(points.labels_P) < THREADED_POINTS):
            self._fit(points, num_classes, *args, **settings)

    @abstractmethod
    def _fit(self, points: PointFeatures, num_classes: int, *args: Any, **settings: Any) -> None:
        """Fit to points; see :meth:`fit`."""

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
