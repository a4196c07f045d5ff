"""mmseg's RandomCrop, faster."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets.transforms import RandomCrop as StockRandomCrop

from mmseg_ext.arguments import PositiveFloat, PositiveInt
from mmseg_ext.points.label_budget import SPARSE_LABELS
from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.transforms.label_counts import is_mixed
from mmseg_ext.transforms.labelled_crops import MAX_TRIES, draw_labelled_crop


@TRANSFORMS.register_module()
class RandomCrop(StockRandomCrop):
    """mmseg's RandomCrop: the same arguments, the same random numbers and, bit for bit, the same arrays.

    Where the dataset has a label budget (``labels=``), it draws among the crops that hold labels instead:
    :func:`draw_labelled_crop`.

    The classes of a crop are counted by a histogram, once for each place. `crop_size` may also be a list, which is what
    the command line gives.
    """

    def __init__(
        self,
        crop_size: PositiveInt | tuple[PositiveInt, PositiveInt],
        cat_max_ratio: PositiveFloat = 1.0,
        ignore_index: int = 255,
    ) -> None:
        size: Any = crop_size  # stock takes none but Python's own numbers, and a tuple of them
        size = int(size) if isinstance(size, Integral) else tuple(map(int, size))
        super().__init__(crop_size=size, cat_max_ratio=cat_max_ratio, ignore_index=ignore_index)

    @cache_randomness
    def crop_bbox(self, results: dict) -> tuple[int, int, int, int]:
        """Draw a crop.

        Returns:
            Top, bottom, left, right in pixels, bottom and right exclusive.
        """
        if results.get(SPARSE_LABELS):
            return draw_labelled_crop(results["gt_seg_map"], self.crop_size, self.cat_max_ratio, self.ignore_index)
        shape = results["img"].shape[:2]
        box = self._draw(shape)
        if self.cat_max_ratio >= 1.0:
            return box
        turned_away: set[tuple[int, int, int, int]] = set()
        for _ in range(MAX_TRIES):
            if box not in turned_away:
                if is_mixed(self.crop(results["gt_seg_map"], box), self.cat_max_ratio, self.ignore_index):
                    break
                turned_away.add(box)
            box = self._draw(shape)
        return box

    def _draw(self, shape: tuple[int, int]) -> tuple[int, int, int, int]:
        height, width = self.crop_size
        top = np.random.randint(0, max(shape[0] - height, 0) + 1)
        left = np.random.randint(0, max(shape[1] - width, 0) + 1)
        return top, top + height, left, left + width
