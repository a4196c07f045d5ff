"""mmcv's RandomResize, over the faster Resize."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcv.transforms import RandomResize as StockRandomResize

from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.transforms.resize import Resize


@TRANSFORMS.register_module()
class RandomResize(StockRandomResize):
    """mmcv's RandomResize: the same arguments, the same random numbers and, bit for bit, the same arrays.

    It resizes by ``mmseg_ext.Resize``, which keeps points where the dataset has a label budget, unless `resize_type`
    names another.
    """

    def __init__(
        self,
        scale: tuple[int, int] | Sequence[tuple[int, int]],
        ratio_range: tuple[float, float] | None = None,
        resize_type: str | type = Resize,  # the class, which is found in any scope
        **resize_kwargs: Any,
    ) -> None:
        super().__init__(scale, ratio_range, resize_type, **resize_kwargs)
