"""Masks of one class and its background: 0 and 255, or 0 and 1.

Shape suffixes: H height, W width.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mmseg_ext.errors import UserError
from mmseg_ext.masks.color_masks import pack_colors
from mmseg_ext.masks.mask_facts import MaskFacts
from mmseg_ext.masks.mask_meaning import FIX_BLURRED, MaskMeaning
from mmseg_ext.masks.orientation import open_as_shown

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

    @property
    def expected(self) -> str:  # type: ignore[override]
        """The values that a mask may hold."""
        return DESCRIPTIONS[self.kind]

    def read_mask(self, path: str | Path) -> np.ndarray:
        """Read a mask.

        One channel of any depth, one bit a pixel, palette PNGs and colour masks that hold greys alone are read;
        transparency is left out. With '0/255' a palette PNG means its colours, with '0/1' its indices.

        Returns:
            uint8 (H, W): 0 background, 1 foreground, 255 not labelled.

        Raises:
            UserError: The file cannot be read, or holds other values than its kind allows.
        """
        try:
            mask = open_as_shown(path)
            if self._reads_colors(mask.mode):
                values_HW = greys_of(pack_colors(np.asarray(mask.convert("RGB"))))
            else:
                values_HW = np.asarray(mask if self._unit(mask.mode) == 1 else mask.convert("L"))
        except (OSError, SyntaxError, ValueError) as error:
            raise UserError(f"Cannot read the mask {path}: {error}. Replace the file or remove its image.") from error
        return self.label_pixels(values_HW, path)

    def values_in(self, facts: MaskFacts) -> Sequence[int]:
        """List the distinct values of a mask."""
        if self._reads_colors(facts.mode):
            return greys_of(np.array(facts.colors(), dtype=np.int32)).tolist()
        return [value * self._unit(facts.mode) for value in facts.values]

    def _reads_colors(self, mode: str) -> bool:
        """Whether a mask of one of Pillow's modes is read as colours, not as numbers."""
        return not (mode in ("1", "L", "I", "F") or mode.startswith("I;") or (mode, self.kind) == ("P", "0/1"))

    def _unit(self, mode: str) -> int:
        """What 1 stands for: masks of one bit a pixel hold 0 and 1."""
        return 255 if (mode, self.kind) == ("1", "0/255") else 1

    def name_value(self, value: float) -> str:
        """Write a grey as a number, another colour as '#RRGGBB'."""
        return f"#{int(value) - NO_GREY:06X}" if is_no_grey(value) else f"{value:g}"

    def suggest_fix(self, unknown: Collection[int]) -> str:
        """Say what to do about a mask with other values."""
        if any(map(is_no_grey, unknown)):
            return "Read masks of colours with mmseg_ext.LoadColorAnnotations."
        if len(unknown) > 2:
            values = " ".join(str(value) for value in self.label_of)
            return f"It seems to be a grey picture or a mask saved as JPEG: {FIX_BLURRED} --values {values}."
        if self.kind == "0/255" and 1 in unknown:
            return "If its foreground is 1, set kind='0/1'."
        return "Correct the mask."


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
