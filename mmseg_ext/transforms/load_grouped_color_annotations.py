"""Colour masks, several colours of which are one class."""

from collections.abc import Sequence
from typing import Literal

from mmseg_ext.arguments import LabelValue
from mmseg_ext.errors import UserError
from mmseg_ext.masks.color_masks import ColorLike
from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.transforms.load_color_annotations import LoadColorAnnotations


@TRANSFORMS.register_module()
class LoadGroupedColorAnnotations(LoadColorAnnotations):
    """Load a colour mask as class indices, several colours being one class: one class against the rest, for example.

    Keys, and what the other arguments mean, are those of `LoadColorAnnotations`.

    Args:
        groups: The colours of each class of the dataset, in the order of its classes.
        ignore_index: What pixels without a class become.
        ignore_colors: Colours that mean "not labelled".
        unknown: What happens to pixels of any other colour: 'error' or 'ignore'.

    Raises:
        UserError: As for `LoadColorAnnotations`; or a group is empty, or the groups do not fit the dataset's label map.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[ColorLike]],
        ignore_index: LabelValue = 255,
        ignore_colors: Sequence[ColorLike] = (),
        unknown: Literal["error", "ignore"] = "error",
    ) -> None:
        if not len(groups) or not all(map(len, groups)):
            raise UserError(f"Expected `groups` to list the colours of every class, got {groups!r}.")
        super().__init__([color for group in groups for color in group], ignore_index, ignore_colors, unknown)
        self.class_of = [index for index, group in enumerate(groups) for _ in group]
