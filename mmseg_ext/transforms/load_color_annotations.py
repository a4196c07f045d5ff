"""Masks whose classes are colours."""

from collections.abc import Mapping, Sequence
from typing import Literal

from mmcv.transforms import BaseTransform

from mmseg_ext.arguments import LabelValue
from mmseg_ext.errors import UserError
from mmseg_ext.masks.color_masks import Color, ColorLike, ColorMeaning, format_color, parse_color
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
        palette: Sequence[ColorLike],
        ignore_index: LabelValue = 255,
        ignore_colors: Sequence[ColorLike] = (),
        unknown: Literal["error", "ignore"] = "error",
    ) -> None:
        self.palette: list[Color] = [parse_color(c) for c in palette]
        self.class_of = list(range(len(self.palette)))
        self.ignore_colors: list[Color] = [parse_color(c) for c in ignore_colors]
        self.ignore_index = ignore_index
        self.unknown = unknown
        self.threshold: int | None = None
        every_color = self.palette + self.ignore_colors
        twice = sorted({format_color(c) for c in every_color if every_color.count(c) > 1})
        if twice:
            raise UserError(
                f"Expected distinct colours in `palette` and `ignore_colors`, got {', '.join(twice)} twice."
            )

    def transform(self, results: dict) -> dict:
        """Load ``results['seg_map_path']``."""
        path = results["seg_map_path"]
        label_map = results.get("label_map")
        settings = f"{type(self).__name__} {sorted(vars(self).items())} {label_map}"  # those of subclasses, too
        results["gt_seg_map"] = cached(results, path, settings, lambda: self.mask_meaning(label_map).read_mask(path))
        results["seg_fields"].append("gt_seg_map")
        return results

    @property
    def num_classes(self) -> int:
        """Number of classes that have a colour."""
        return len(set(self.class_of))

    def mask_meaning(self, label_map: Mapping[int, int] | None) -> ColorMeaning:
        """Say what the colours mean.

        Args:
            label_map: Of the dataset: old to new class index.

        Raises:
            UserError: The colours do not fit the label map.
        """
        if label_map and len(label_map) != self.num_classes:
            raise UserError(
                f"Expected the colours of each of the dataset's own {len(label_map)} classes, got {self.num_classes}. "
                "Those that `metainfo` leaves out are ignored by themselves."
            )
        labels = [(label_map or {}).get(index, index) for index in self.class_of]
        ignores_unknown = self.unknown == "ignore"
        return ColorMeaning(
            self.palette, labels, self.ignore_colors, self.ignore_index, ignores_unknown, self.threshold
        )

    def __repr__(self) -> str:
        colors = [format_color(c) for c in self.palette]
        ignored = [format_color(c) for c in self.ignore_colors]
        return (
            f"{type(self).__name__}(palette={colors}, ignore_colors={ignored}, unknown={self.unknown!r}, "
            f"ignore_index={self.ignore_index})"
        )
