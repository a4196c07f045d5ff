"""Masks whose classes are colours, saved so that the colours are only nearly those of the classes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmseg_ext.data_check import LabelFileReport, LabelSpec, MaskFacts, judge_mask
from mmseg_ext.errors import UserError
from mmseg_ext.masks.color_masks import COLOR_THRESHOLD, binarize_colors
from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.transforms.load_color_annotations import LoadColorAnnotations


def binarize_facts(facts: MaskFacts, threshold: int = COLOR_THRESHOLD) -> MaskFacts:
    """Do to the colours of a mask what :func:`~mmseg_ext.masks.color_masks.binarize_colors` does to its pixels."""
    counts: dict[int, int] = {}
    for packed, count in facts.colors().items():
        channels = (packed >> 16, packed >> 8 & 255, packed & 255)
        red, green, blue = (255 * (channel >= threshold) for channel in channels)
        key = red << 16 | green << 8 | blue
        counts[key] = counts.get(key, 0) + count
    return replace(facts, kind="color", values=list(counts), counts=list(counts.values()), palette=[])


@TRANSFORMS.register_module()
class LoadBinarizedColorAnnotations(LoadColorAnnotations):
    """Load a colour mask as class indices, each channel set to 0 or 255 first.

    Keys, and what the other arguments mean, are those of `LoadColorAnnotations`.

    Args:
        palette: The colour of each class; each of its channels 0 or 255.
        ignore_index: What pixels without a class become.
        ignore_colors: Colours that mean "not labelled"; likewise of 0 and 255.
        unknown: What happens to pixels of any other colour: 'error' or 'ignore'.
        threshold: The lowest value, 1 to 255, that becomes 255.

    Raises:
        UserError: As for `LoadColorAnnotations`; or a colour holds other values than 0 and 255, or the threshold is out
            of range.
    """

    def __init__(
        self,
        palette: Sequence[str | Sequence[int]],
        ignore_index: int = 255,
        ignore_colors: Sequence[str | Sequence[int]] = (),
        unknown: str = "error",
        threshold: int = COLOR_THRESHOLD,
    ) -> None:
        super().__init__(palette, ignore_index, ignore_colors, unknown)
        if not 1 <= threshold <= 255:
            raise UserError(f"Expected `threshold` in 1..255, got {threshold}.")
        mixed = [color for color in (*self.palette, *self.ignore_colors) if not set(color) <= {0, 255}]
        if mixed:
            raise UserError(f"Expected colours of 0 and 255 alone, as thresholding leaves them, got {mixed[0]}.")
        self.threshold = threshold

    def read_mask(self, path: str) -> np.ndarray:
        """Read the mask's colours, (H, W, 3) uint8 RGB, and binarise them."""
        return binarize_colors(super().read_mask(path), self.threshold)

    def judge_mask(self, path: str, facts: MaskFacts, spec: LabelSpec) -> LabelFileReport:
        """Judge a mask before training, by what was read of it."""
        return judge_mask(path, binarize_facts(facts, self.threshold) if facts.values else facts, self.color_spec(spec))
