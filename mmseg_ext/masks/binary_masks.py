"""Masks of one class and its background: 0 and 255, or 0 and 1.

Shape suffixes: H height, W width.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.masks.color_masks import pack_colors
from mmseg_ext.masks.mask_facts import MaskFacts
from mmseg_ext.masks.mask_meaning import MaskMeaning, Refusal

BinaryKind = Literal["0/255", "0/1"]

LABELS_OF_KIND: dict[str, dict[int, int]] = {"0/255": {0: 0, 255: 1}, "0/1": {0: 0, 1: 1, 255: 255}}
"""The label of each value of a mask: 0 background, 1 foreground, 255 not labelled."""

NO_GREY = 1 << 24

DESCRIPTIONS = {
    "0/255": "0 (background) and 255 (foreground)",
    "0/1": "0 (background), 1 (foreground) and 255 (not labelled)",
}


@dataclass(frozen=True)
class BinaryMeaning(MaskMeaning):
    """What the values of a mask of one class and its background mean; no other value is allowed.

    Values are greys; a colour that is no grey is 0x1RRGGBB.

    Attributes:
        kind: '0/255', or '0/1' where 255 means "not labelled".

    Raises:
        UserError: The kind is not known.
    """

    kind: BinaryKind = "0/255"

    def __post_init__(self) -> None:
        if self.kind not in LABELS_OF_KIND:
            raise UserError(f"Expected `kind` to be one of {', '.join(map(repr, LABELS_OF_KIND))}, got {self.kind!r}.")

    @property
    def label_of(self) -> Mapping[int, int]:
        """The label of each value."""
        return LABELS_OF_KIND[self.kind]

    def reads_colors(self, mode: str) -> bool:
        """Whether the colours of a mask count, by Pillow's mode, and not its numbers."""
        return not (mode in ("1", "L", "I", "F") or mode.startswith("I;") or (mode, self.kind) == ("P", "0/1"))

    def count_values(self, facts: MaskFacts) -> dict[int, int]:
        """Count the pixels of each value."""
        counts: Counter[int] = Counter()
        if self.reads_colors(facts.mode):
            colors = facts.colors()
            values = greys_of(np.array(list(colors), dtype=np.int32)).tolist()
            for value, count in zip(values, colors.values(), strict=True):
                counts[value] += count
            return counts
        unit = 255 if (facts.mode, self.kind) == ("1", "0/255") else 1
        return {value * unit: count for value, count in zip(facts.values, facts.counts, strict=True)}

    def name_value(self, value: float) -> str:
        """Write a grey as a number, another colour as '#RRGGBB'."""
        return f"#{int(value) - NO_GREY:06X}" if is_no_grey(value) else f"{value:g}"

    def refuse(self, counts: Mapping[int, int]) -> Refusal:
        """Say why a mask is refused."""
        if any(map(is_no_grey, counts)):
            fix = "Read masks of colours with mmseg_ext.LoadColorAnnotations."
        elif self.kind == "0/255" and 1 in counts:
            fix = "If its foreground is 1, set kind='0/1'."
        elif len(counts) > 2:
            fix = "It seems to be a grey picture or a mask saved as JPEG: save it as PNG with two values."
        else:
            fix = "Correct the mask."
        return Refusal(DESCRIPTIONS[self.kind], self.list_values(counts), fix, "values of a binary mask")


def greys_of(colors: np.ndarray) -> np.ndarray:
    """Turn colours 0xRRGGBB into greys; a colour that is no grey becomes 0x1RRGGBB.

    Example:
        >>> [hex(value) for value in greys_of(np.array([0x070707, 0xFF0000]))]
        ['0x7', '0x1ff0000']
    """
    greys = colors & 255
    return np.where(colors == greys * 0x010101, greys, colors + NO_GREY)


def is_no_grey(value: float) -> bool:
    """Whether :func:`greys_of` has found a colour that is no grey."""
    return NO_GREY <= value < 2 * NO_GREY


def read_binary_mask(path: str | Path, kind: BinaryKind = "0/255") -> np.ndarray:
    """Read a mask of one class and its background.

    One channel of any depth, one bit a pixel, palette PNGs and colour masks that hold greys alone are read;
    transparency is left out. With '0/255' a palette PNG means its colours, with '0/1' its indices.

    Args:
        path: The mask.
        kind: '0/255', or '0/1' where 255 means "not labelled".

    Returns:
        uint8 (H, W): 0 background, 1 foreground, 255 not labelled.

    Raises:
        UserError: The file cannot be read, or holds other values than its kind allows.
    """
    meaning = BinaryMeaning(kind)
    try:
        with Image.open(path) as mask:
            if meaning.reads_colors(mask.mode):
                values_HW = greys_of(pack_colors(np.asarray(mask.convert("RGB"))))
            else:
                values_HW = np.asarray(mask.convert("L") if (mask.mode, kind) == ("1", "0/255") else mask)
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"Cannot read the mask {path}: {error}. Replace the file or remove its image.") from error
    return meaning.label_pixels(values_HW, path)
