"""What the values of a mask mean: a label each.

A meaning maps values to labels. The transform that loads masks applies it to pixels, the check before training applies
it to counted values: so both see the same labels and refuse the same files.

Shape suffixes: H height, W width.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmseg_ext.errors import MAX_LISTED, UserError
from mmseg_ext.masks.mask_facts import MaskFacts

FIX_BLURRED = "fix masks that were saved as JPEG with: python tools/fix_masks.py MASKS --out FIXED"
"""What to do about a mask with many values that are no labels."""


class MaskMeaning(ABC):
    """A label for each value that a mask may hold.

    Attributes:
        expected: The values that a mask may hold, for messages.
        ignore_index: The label of all other values.
        ignores_unknown: Whether other values are ignored; else a mask that holds them is refused.
    """

    expected: str
    ignore_index: int = 255
    ignores_unknown: bool = False

    @property
    @abstractmethod
    def label_of(self) -> Mapping[int, int]:
        """The label of each value."""

    @abstractmethod
    def values_in(self, facts: MaskFacts) -> Sequence[int]:
        """List the distinct values of a mask in the form that `label_of` has, one for each of ``facts.values``."""

    @abstractmethod
    def suggest_fix(self, unknown: Collection[int]) -> str:
        """Say what to do about a mask with values that `label_of` lacks."""

    def name_value(self, value: float) -> str:
        """Write a value for messages."""
        return f"{value:g}"

    def label_pixels(self, values_HW: np.ndarray, path: str | Path) -> np.ndarray:
        """Turn the values of pixels into labels.

        Args:
            values_HW: Numbers, in the form that `label_of` has.
            path: The mask, for messages.

        Returns:
            uint8 (H, W).

        Raises:
            UserError: The mask is refused.
        """
        labels_HW = np.full(values_HW.shape, self.ignore_index, dtype=np.uint8)
        known_HW = np.zeros(values_HW.shape, dtype=bool)
        for value, label in self.label_of.items():
            match_HW = values_HW == value
            # Sets the label: no pixel matches two values. Several times as fast as an assignment under a mask.
            labels_HW ^= match_HW.view(np.uint8) * np.uint8(label ^ self.ignore_index)
            known_HW |= match_HW
        if not self.ignores_unknown and not known_HW.all():
            values, counts = np.unique(values_HW[~known_HW], return_counts=True)
            unknown = dict(zip(values.tolist(), counts.tolist(), strict=True))
            found = self.list_values(unknown)
            raise UserError(f"Expected only {self.expected} in {path}, got {found}. {self.suggest_fix(unknown)}")
        return labels_HW

    def list_values(self, counts: Mapping[int, int]) -> str:
        """List the first values with their pixels, for messages."""
        shown = [f"{self.name_value(v)} ({n} pixel{'' if n == 1 else 's'})" for v, n in [*counts.items()][:MAX_LISTED]]
        return ", ".join(shown) + (f" and {len(counts) - MAX_LISTED} more" if len(counts) > MAX_LISTED else "")
