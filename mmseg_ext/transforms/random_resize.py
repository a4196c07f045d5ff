"""mmcv's RandomResize, over the faster Resize."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from mmcv.transforms import BaseTransform
from mmcv.transforms import RandomResize as StockRandomResize

from mmseg_ext.arguments import PositiveFloat, PositiveInt, Rule
from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.transforms.resize import Resize


def is_transform(kind: str | type) -> bool:
    """Whether a class, or the class that a name stands for, is registered or can be."""
    found = TRANSFORMS.get(kind) if isinstance(kind, str) and kind else kind
    return isinstance(found, type) and issubclass(found, BaseTransform)


ResizeType = Annotated[str | type, Rule("a transform that resizes, by its name", is_transform)]


@TRANSFORMS.register_module()
class RandomResize(StockRandomResize):
    """mmcv's RandomResize: the same arguments, the same random numbers and, bit for bit, the same arrays.

    It resizes by ``mmseg_ext.Resize``, which keeps points where the dataset has a label budget, unless `resize_type`
    names another.
    """

    def __init__(
        self,
        scale: tuple[PositiveInt, PositiveInt] | Sequence[tuple[PositiveInt, PositiveInt]],
        ratio_range: tuple[PositiveFloat, PositiveFloat] | None = None,
        resize_type: ResizeType = Resize,  # the class, which is found in any scope
        **resize_kwargs: Any,
    ) -> None:
        super().__init__(scale, ratio_range, resize_type, **resize_kwargs)
