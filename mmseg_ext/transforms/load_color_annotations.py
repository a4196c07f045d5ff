"""Masks whose classes are colours."""

from collections.abc import Sequence

from mmcv.transforms import BaseTransform

from mmseg_ext.errors import UserError
from mmseg_ext.labels import Color, colors_to_indices, format_color, parse_color, read_rgb_mask
from mmseg_ext.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadColorAnnotations(BaseTransform):
    """Load a colour mask as class indices. Palette PNGs are converted to RGB by their own palette first.

    Required keys: seg_map_path. Added keys: gt_seg_map (uint8 (H, W)); 'gt_seg_map' joins seg_fields.

    Args:
        palette: The colour of each class in the order of the classes, as '#RRGGBB' or three integers.
        ignore_index: What pixels without a class become.
        ignore_colors: Colours that mean "not labelled".
        unknown: What happens to pixels of any other colour: 'error' refuses the file; 'ignore' makes them
            `ignore_index` (the check before training counts them).

    Raises:
        UserError: A mask cannot be read, or holds an unknown colour; two classes share a colour.
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
        labels_HW, unknown = colors_to_indices(read_rgb_mask(path), self.palette, self.ignore_colors, self.ignore_index)
        if unknown and self.unknown == "error":
            found = ", ".join(f"{format_color(c)} ({n} pixels)" for c, n in sorted(unknown.items())[:5])
            raise UserError(
                f"Expected only colours of `palette` and `ignore_colors` in {path}, got {found}. "
                "Name them in `ignore_colors`, or set unknown='ignore'."
            )
        results["gt_seg_map"] = labels_HW
        results["seg_fields"].append("gt_seg_map")
        return results

    def __repr__(self) -> str:
        colors = [format_color(c) for c in self.palette]
        return f"{type(self).__name__}(palette={colors}, unknown={self.unknown!r}, ignore_index={self.ignore_index})"
