"""What the values of a mask mean: a label each.

A meaning maps values to labels. The transform that loads masks applies it to pixels, the check before training applies
it to counted values: so both see the same labels and refuse the same files.

Shape suffixes: H height, W width.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mmseg_ext.errors import MAX_LISTED, UserError
from mmseg_ext.masks.mask_facts import MaskFacts


class Refusal(NamedTuple):
    """Why a mask cannot be read.

    Attributes:
        expected: The values that it may hold.
        found: The values that it holds and may not hold.
        fix: What to do about it, whole sentences.
        kind: A few words under which equal refusals are counted.
    """

    expected: str
    found: str
    fix: str
    kind: str


class MaskMeaning(ABC):
    """A label for each value that a mask may hold.

    Attributes:
        ignore_index: The label of all other values.
        ignores_unknown: Whether other values are ignored; else a mask that holds them is refused.
    """

    ignore_index: int = 255
    ignores_unknown: bool = False

    @property
    @abstractmethod
    def label_of(self) -> Mapping[int, int]:
        """The label of each value."""

    @abstractmethod
    def count_values(self, facts: MaskFacts) -> dict[int, int]:
        """Count the pixels of each value, in the form that `label_of` has."""

    @abstractmethod
    def name_value(self, value: float) -> str:
        """Write a value for messages."""

    @abstractmethod
    def refuse(self, counts: Mapping[int, int]) -> Refusal:
        """Say why a mask is refused, by the pixels of each value that `label_of` lacks."""

    def label_pixels(self, values_HW: np.ndarray, path: Any) -> np.ndarray:
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
            refusal = self.refuse(dict(zip(values.tolist(), counts.tolist(), strict=True)))
            raise UserError(f"Expected only {refusal.expected} in {path}, got {refusal.found}. {refusal.fix}")
        return labels_HW

    def list_values(self, counts: Mapping[int, int]) -> str:
        """List values with their pixels, for messages."""
        return list_counts({self.name_value(value): count for value, count in counts.items()})


def list_counts(counts: Mapping[Any, int]) -> str:
    """List the first few names with their pixels, for messages.

    Example:
        >>> list_counts({"7": 1, "#FF0000": 302})
        '7 (1 pixel), #FF0000 (302 pixels)'
    """
    shown = [f"{name} ({n} pixel{'' if n == 1 else 's'})" for name, n in list(counts.items())[:MAX_LISTED]]
    more = f" and {len(counts) - MAX_LISTED} more" if len(counts) > MAX_LISTED else ""
    return ", ".join(shown) + more
