"""Colour masks, several colours of which are one class."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mmseg_ext.data_check import LabelFileReport, LabelSpec, MaskFacts, judge_mask
from mmseg_ext.errors import UserError
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
        groups: Sequence[Sequence[str | Sequence[int]]],
        ignore_index: int = 255,
        ignore_colors: Sequence[str | Sequence[int]] = (),
        unknown: str = "error",
    ) -> None:
        if not groups or not all(groups):
            raise UserError(f"Expected `groups` to list the colours of every class, got {groups!r}.")
        super().__init__([color for group in groups for color in group], ignore_index, ignore_colors, unknown)
        self.class_of = [index for index, group in enumerate(groups) for _ in group]

    def transform(self, results: dict) -> dict:
        """Load ``results['seg_map_path']``."""
        loaded = super().transform({**results, "label_map": None})
        class_of_label = np.arange(256, dtype=np.uint8)
        class_of_label[: len(self.class_of)] = self._chosen(results.get("label_map"))
        results["gt_seg_map"] = class_of_label[loaded["gt_seg_map"]]
        return results

    def _chosen(self, label_map: Mapping[int, int] | None) -> list[int]:
        """Return the class of each colour; `label_map` chooses some of the dataset's own classes, as in stock."""
        if not label_map:
            return self.class_of
        num_groups = self.class_of[-1] + 1
        if len(label_map) != num_groups:
            raise UserError(
                f"Expected `groups` to hold the colours of each of the dataset's own {len(label_map)} classes, got "
                f"{num_groups}. Those that `metainfo` leaves out are ignored by themselves."
            )
        return [label_map[index] for index in self.class_of]

    def judge_mask(self, path: str, facts: MaskFacts, spec: LabelSpec) -> LabelFileReport:
        """Judge a mask before training, by what was read of it."""
        of_colors = replace(self.color_spec(spec), label_map=dict(enumerate(self._chosen(spec.label_map))))
        return judge_mask(path, facts, of_colors)
