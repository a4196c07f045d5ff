"""mmseg's LoadAnnotations, faster."""

from __future__ import annotations

import cv2
import numpy as np
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations as StockLoadAnnotations

from mmseg_ext.errors import UserError
from mmseg_ext.masks.decoded_cache import KEY, cached
from mmseg_ext.masks.index_masks import decode_mask, label_table
from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.stack.freed_memory import keep_freed_memory


@TRANSFORMS.register_module()
class LoadAnnotations(StockLoadAnnotations):
    """mmseg's LoadAnnotations: the same arguments and, bit for bit, the same arrays.

    Masks are decoded several times as fast; ``reduce_zero_label`` and the dataset's label map are one look-up; a
    dataset's ``cache_dir`` is used. A mask that stock would garble silently is refused; one with an EXIF orientation is
    turned by it, as images are.

    Raises:
        UserError: A mask holds colours, values beyond 255 or fractions; ``reduce_zero_label`` contradicts the
            dataset's.
    """

    turns_by_exif = True
    """For the check before training: the EXIF orientation is followed in all formats."""

    reduce_zero_label: bool | None

    def _load_seg_map(self, results: dict) -> None:
        """Load ``results['seg_map_path']``."""
        keep_freed_memory()
        path = results["seg_map_path"]
        local = results if self.backend_args is None else {}
        mask_HW = cached(local, path, f"mask {self.imdecode_backend}", lambda: self._load(path))
        if self.reduce_zero_label is None:
            self.reduce_zero_label = results["reduce_zero_label"]
        if self.reduce_zero_label != results["reduce_zero_label"]:
            raise UserError(
                f"Expected LoadAnnotations(reduce_zero_label={results['reduce_zero_label']}), as the dataset says, got "
                f"{self.reduce_zero_label} at {path}. Leave the argument out."
            )
        table = label_table(bool(self.reduce_zero_label), tuple((results.get("label_map") or {}).items()))
        if table is not None:
            # In place, but not in a cached array: each page of it that is written to would be copied first.
            mask_HW = cv2.LUT(mask_HW, table, dst=None if results.get(KEY) else mask_HW)
        results["gt_seg_map"] = mask_HW
        results["seg_fields"].append("gt_seg_map")

    def _load(self, path: str) -> np.ndarray:
        return decode_mask(fileio.get(path, backend_args=self.backend_args), path, self.imdecode_backend)
