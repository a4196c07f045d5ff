"""Labels weighted by the areas that they represent."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmseg_ext.arguments import FilePath, StrPath
from mmseg_ext.data_check import Problem
from mmseg_ext.errors import UserError
from mmseg_ext.image_names import image_name
from mmseg_ext.points.areas import read_areas
from mmseg_ext.registry import TRANSFORMS


@TRANSFORMS.register_module()
class WeighLabels(BaseTransform):
    """Let each label count for the area that it stands for.

    With so many points a class, the points of an image are spread over its classes evenly, its pixels are not: a
    network that learns from them finds small classes everywhere. Here each label weighs as many pixels as its class
    covers in this image, shared among the labels of the class. The areas are those in a file of
    tools/estimate_areas.py, which estimates them from image and points.

    Place it behind the loading of the labels, before anything that changes the image's size. The weights travel in the
    sample's metainfo (``mmseg_ext.PackSegInputs`` packs them); the ``Point…`` heads of this package weigh their losses
    by them.

    Required keys: gt_seg_map; img_name (our datasets give it) or img_path. Added key: label_weights, float32 (C,).

    Args:
        areas: The file.
        data_root: Where the data lies, for datasets that give no img_name; the name is img_path relative to it.
        ignore_index: Marks pixels without a label.

    Raises:
        UserError: The file is missing or wrong, an image is not in it, or a label is of a class that is not in it.
    """

    gives_label_weights = True
    """Heads have to take them, or they would have no effect."""

    def __init__(self, areas: FilePath, data_root: StrPath | None = None, ignore_index: int = 255) -> None:
        self.areas = str(areas)
        self.data_root = data_root
        self.ignore_index = ignore_index

    @cached_property
    def areas_of(self) -> dict[str, np.ndarray]:
        """Share of each class, (C,), by the image's name. Read at first use, so that a config can be tested without."""
        return read_areas(self.areas)

    def transform(self, results: dict) -> dict:
        """Write ``results['label_weights']``: pixels that a label of each class stands for."""
        area_C = self._area_of(results)
        labels_HW = results["gt_seg_map"]
        labels_P = labels_HW[labels_HW != self.ignore_index]
        if labels_P.max(initial=0) >= len(area_C):
            raise UserError(
                f"{self.areas}: Expected the area of class {labels_P.max()} in {results['img_path']}, got those of "
                f"{len(area_C)} classes."
            )
        counts_C = np.bincount(labels_P, minlength=len(area_C))
        results["label_weights"] = (labels_HW.size * area_C / np.maximum(counts_C, 1)).astype(np.float32)
        return results

    def check_entries(self, entries: Sequence[Mapping[str, Any]]) -> list[Problem]:
        """Find images whose areas are not in the file, for the check before training."""
        problems = []
        for entry in entries:
            try:
                self._area_of(entry)
            except UserError as error:
                problems.append(Problem(entry["img_path"], str(error).rstrip("."), kind="areas"))
                if "areas_of" not in vars(self):  # the file itself cannot be read
                    break
        return problems

    def _area_of(self, results: Mapping[str, Any]) -> np.ndarray:
        name = image_name(results, self.data_root, type(self).__name__)
        if name not in self.areas_of:
            raise UserError(
                f"Expected the areas of {name!r} in {self.areas}, got those of {len(self.areas_of)} other images. "
                "Write the file anew with tools/estimate_areas.py, from the dataset that is trained on."
            )
        return self.areas_of[name]

    def __repr__(self) -> str:
        """Show the settings."""
        return f"{type(self).__name__}(areas={self.areas!r})"
