"""Masks whose classes are colours, saved so that the colours are only nearly those of the classes."""

from collections.abc import Sequence
from typing import Annotated, Literal

from mmseg_ext.arguments import LabelValue, Rule
from mmseg_ext.errors import UserError
from mmseg_ext.masks.color_masks import COLOR_THRESHOLD, ColorLike
from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.transforms.load_color_annotations import LoadColorAnnotations

Threshold = Annotated[int, Rule("an int in 1..255", lambda value: 1 <= value <= 255)]


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
        palette: Sequence[ColorLike],
        ignore_index: LabelValue = 255,
        ignore_colors: Sequence[ColorLike] = (),
        unknown: Literal["error", "ignore"] = "error",
        threshold: Threshold = COLOR_THRESHOLD,
    ) -> None:
        super().__init__(palette, ignore_index, ignore_colors, unknown)
        mixed = [color for color in (*self.palette, *self.ignore_colors) if not set(color) <= {0, 255}]
        if mixed:
            raise UserError(f"Expected colours of 0 and 255 alone, as thresholding leaves them, got {mixed[0]}.")
        self.threshold = threshold
