"""mmseg's LoadAnnotations, faster."""

from __future__ import annotations

from functools import lru_cache

import cv2
import mmcv
import numpy as np
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations as StockLoadAnnotations

from mmseg_ext.errors import UserError
from mmseg_ext.masks.decoded_cache import KEY, cached
from mmseg_ext.masks.png_decoding import GRAY, decode_plain_png
from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.stack.freed_memory import keep_freed_memory


@lru_cache(maxsize=64)
def label_table(reduce_zero_label: bool, label_map: tuple[tuple[int, int], ...] = ()) -> np.ndarray | None:
    """Say what stock makes of each value of a mask.

    Args:
        reduce_zero_label: Whether 0 is ignored and the other classes move down by one. Both 0 and 255 become 255.
        label_map: Pairs of old and new class index, applied after the reduction, all at once.

    Returns:
        uint8 (256,); None where every value stays.

    Example:
        >>> label_table(True, ((1, 7),))[[0, 1, 2, 3, 255]].tolist()
        [255, 0, 7, 2, 255]
    """
    values = np.arange(256, dtype=np.uint8)
    reduced = values.copy()
    if reduce_zero_label:
        reduced -= 1
        reduced[255] = 255
    table = reduced.copy()
    for old, new in label_map:
        table[reduced == old] = new
    if np.array_equal(table, values):
        return None
    table.setflags(write=False)  # it is shared
    return table


def decode_mask(content: bytes, path: str, backend: str = "pillow") -> np.ndarray:
    """Decode a mask whose values are class indices.

    Args:
        content: The file.
        path: Its name, for messages.
        backend: The decoder of mmcv to use where the fast one does not apply.

    Returns:
        uint8 (H, W).

    Raises:
        UserError: The mask is not one 8-bit value a pixel: colours, more than eight bits that are used, fractions.
    """
    plain_HW = decode_plain_png(content, GRAY) if backend in ("pillow", "cv2") else None
    if plain_HW is not None:
        return plain_HW
    try:
        mask = mmcv.imfrombytes(content, flag="unchanged", backend=backend)
    except (OSError, SyntaxError, ValueError, cv2.error) as error:
        raise UserError(f"Cannot load the mask {path}: {error}. Replace the file.") from error
    if mask is None:
        raise UserError(f"Expected a mask in {path}, got something that cannot be decoded. Replace the file.")
    if mask.ndim == 3 and mask.shape[2] == 1:
        mask = mask[..., 0]
    if mask.ndim != 2:
        raise UserError(
            f"Expected class indices in the mask {path}, one value a pixel, got an array of shape {mask.shape}. Masks "
            "whose classes are colours are loaded by mmseg_ext.LoadColorAnnotations; palette PNGs whose indices are "
            "the classes by imdecode_backend='pillow'."
        )
    if mask.dtype.kind not in "bui":
        raise UserError(f"Expected integers in the mask {path}, got {mask.dtype}. Write it as an 8-bit PNG.")
    if mask.dtype.itemsize > 1 and mask.size and not 0 <= mask.min() <= mask.max() <= 255:
        raise UserError(
            f"Expected class indices in 0..255 in the mask {path}, got {mask.min()}..{mask.max()} ({mask.dtype}), "
            "which would wrap around. Write its classes as 0..255."
        )
    return mask.astype(np.uint8)


@TRANSFORMS.register_module()
class LoadAnnotations(StockLoadAnnotations):
    """mmseg's LoadAnnotations: the same arguments and, bit for bit, the same arrays.

    Masks are decoded several times as fast; ``reduce_zero_label`` and the dataset's label map are one look-up; a
    dataset's ``cache_dir`` is used. A mask that stock would garble silently is refused.

    Raises:
        UserError: A mask holds colours, values beyond 255 or fractions; ``reduce_zero_label`` contradicts the
            dataset's.
    """

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
