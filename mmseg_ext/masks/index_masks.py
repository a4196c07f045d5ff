"""Masks whose values are class indices.

Shape suffixes: H height, W width.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np

from mmseg_ext.errors import UserError
from mmseg_ext.masks.mask_facts import MaskFacts, has_fractions
from mmseg_ext.masks.mask_meaning import MaskMeaning
from mmseg_ext.masks.orientation import decode_as_shown
from mmseg_ext.masks.png_decoding import GRAY, decode_plain_png

LARGEST = 255
"""The largest class index of a mask: labels have eight bits."""


@lru_cache(maxsize=64)
def label_table(reduce_zero_label: bool, label_map: tuple[tuple[int, int], ...] = ()) -> np.ndarray | None:
    """Compute the label of each value of a mask, as stock's LoadAnnotations does.

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
        UserError: The mask is not one 8-bit value a pixel: colours, values beyond 0..255, fractions.
    """
    plain_HW = decode_plain_png(content, GRAY) if backend in ("pillow", "cv2") else None
    if plain_HW is not None:
        return plain_HW
    try:
        mask = decode_as_shown(content, "unchanged", backend)
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
    if has_fractions(mask):
        raise UserError(f"Expected integers in the mask {path}, got {mask.dtype}. Write it as an 8-bit PNG.")
    if mask.dtype.itemsize > 1 and mask.size and not 0 <= mask.min() <= mask.max() <= LARGEST:
        raise UserError(
            f"Expected class indices in 0..255 in the mask {path}, got {mask.min()}..{mask.max()} ({mask.dtype}), "
            "which would wrap around. Write its classes as 0..255."
        )
    return mask.astype(np.uint8)


@dataclass(frozen=True)
class IndexMeaning(MaskMeaning):
    """What the values of an index mask mean: :func:`label_table`; values beyond 0..255 are refused.

    Attributes:
        reduce_zero_label: As for :func:`label_table`.
        label_map: Likewise.
    """

    expected = f"class indices 0..{LARGEST}"

    reduce_zero_label: bool = False
    label_map: tuple[tuple[int, int], ...] = ()

    @cached_property
    def label_of(self) -> Mapping[int, int]:
        """The label of each value."""
        table = label_table(self.reduce_zero_label, self.label_map)
        return dict(enumerate(range(LARGEST + 1) if table is None else table.tolist()))

    def values_in(self, facts: MaskFacts) -> Sequence[int]:
        """List the distinct values of a mask."""
        return facts.values

    def suggest_fix(self, unknown: Collection[int]) -> str:
        """Say what to do about a mask with values beyond 0..255."""
        return f"Save the mask with 8 bits: mmseg's loading would wrap {max(unknown)} to {max(unknown) % 256}."
