"""Masks whose classes are colours."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmseg_ext.data_check import LabelSpec
from mmseg_ext.errors import UserError
from mmseg_ext.masks.color_masks import Color, colors_to_indices, format_color, parse_color, read_rgb_mask
from mmseg_ext.masks.decoded_cache import cached
from mmseg_ext.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadColorAnnotations(BaseTransform):
    """Load a colour mask as class indices. Palette PNGs are converted to RGB by their own palette first.

    Required keys: seg_map_path. Added keys: gt_seg_map (uint8 (H, W)); 'gt_seg_map' joins seg_fields.

    Args:
        palette: The colour of each class, as '#RRGGBB' or three integers, in the order of the dataset's own classes:
            where `metainfo` chooses some of them, the label map of the sample is applied afterwards, as stock does.
        ignore_index: What pixels without a class become.
        ignore_colors: Colours that mean "not labelled".
        unknown: What happens to pixels of any other colour: 'error' refuses the file; 'ignore' makes them
            `ignore_index` (the check before training counts them).

    Raises:
        UserError: A mask cannot be read, or holds an unknown colour; two classes share a colour; the palette does not
            fit the dataset's label map.
    """

    def __init__(
        self,
        palette: Sequence[str | Sequence[int]],
        ignore_index: int = 255,
        ignore_colors: Sequence[str | Sequence[int]] = (),
        unknown: str = "error",
    ) -> None:
        if unknown not in ("error", "ignore"):
            raise UserError(f"Expected `unknown` to be 'error' or 'ignore', got {unknown!r}.")
        self.palette: list[Color] = [parse_color(c) for c in palette]
        self.ignore_colors: list[Color] = [parse_color(c) for c in ignore_colors]
        self.ignore_index = ignore_index
        self.unknown = unknown
        every_color = self.palette + self.ignore_colors
        twice = sorted({format_color(c) for c in every_color if every_color.count(c) > 1})
        if twice:
            raise UserError(
                f"Expected distinct colours in `palette` and `ignore_colors`, got {', '.join(twice)} twice."
            )

    def transform(self, results: dict) -> dict:
        """Load ``results['seg_map_path']``."""
        path = results["seg_map_path"]
        settings = f"{type(self).__name__} {sorted(vars(self).items())}"  # those of subclasses, too
        labels_HW = cached(results, path, settings, lambda: self._load(path))
        label_map = results.get("label_map")
        if label_map:
            if len(label_map) != len(self.palette):
                raise UserError(
                    f"Expected `palette` to hold a colour for each of the dataset's own {len(label_map)} classes, "
                    f"got {len(self.palette)}. Those that `metainfo` leaves out are ignored by themselves."
                )
            new_index = np.arange(256, dtype=np.uint8)
            new_index[list(label_map)] = list(label_map.values())
            labels_HW = cv2.LUT(labels_HW, new_index)
        results["gt_seg_map"] = labels_HW
        results["seg_fields"].append("gt_seg_map")
        return results

    def _load(self, path: str) -> np.ndarray:
        labels_HW, unknown = colors_to_indices(
            self.read_mask(path), self.palette, self.ignore_colors, self.ignore_index
        )
        if unknown and self.unknown == "error":
            found = ", ".join(f"{format_color(c)} ({n} pixels)" for c, n in sorted(unknown.items())[:5])
            raise UserError(
                f"Expected only colours of `palette` and `ignore_colors` in {path}, got {found}. "
                "Name them in `ignore_colors`, or set unknown='ignore'."
            )
        return labels_HW

    def read_mask(self, path: str) -> np.ndarray:
        """Read the mask's colours, (H, W, 3) uint8 RGB."""
        return read_rgb_mask(path)

    def color_spec(self, spec: LabelSpec) -> LabelSpec:
        """Tell the check before training how the colours are read."""
        return replace(
            spec,
            reader="color",
            palette=self.palette,
            ignore_colors=self.ignore_colors,
            unknown="ignore" if self.unknown == "ignore" else "error",
        )

    def __repr__(self) -> str:
        colors = [format_color(c) for c in self.palette]
        ignored = [format_color(c) for c in self.ignore_colors]
        return (
            f"{type(self).__name__}(palette={colors}, ignore_colors={ignored}, unknown={self.unknown!r}, "
            f"ignore_index={self.ignore_index})"
        )
