"""The areas of the classes in every image of a config's dataset, estimated from its points."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mmseg_ext.engine.loaded_samples import Progress, build_loading_dataset, map_samples
from mmseg_ext.errors import UserError
from mmseg_ext.escaping import escape_markdown
from mmseg_ext.points.areas import AreaEvidence, estimate_areas, gather_evidence


class EstimatedAreas(NamedTuple):
    """Areas of a dataset.

    Attributes:
        classes: Their names.
        areas_of: Share of each class, float64 (C,), by the image's name.
        num_points_C: Points of each class in all images.
    """

    classes: list[str]
    areas_of: dict[str, np.ndarray]
    num_points_C: np.ndarray

    def table(self) -> str:
        """Lay out the classes as a Markdown table: share of the points, and mean share of the area."""
        points_C = 100 * self.num_points_C / max(self.num_points_C.sum(), 1)
        areas_C = 100 * np.mean(list(self.areas_of.values()), axis=0)
        lines = ["| class | % of points | % of area, estimated |", "|---|---:|---:|"]
        rows = zip(map(escape_markdown, self.classes), points_C, areas_C, strict=True)
        return "\n".join([*lines, *(f"| {name} | {points:.1f} | {area:.1f} |" for name, points, area in rows)])


def estimate_dataset_areas(
    dataset: Mapping[str, Any], progress: Progress | None = None, num_workers: int | None = None
) -> EstimatedAreas:
    """Read all images and points of a dataset and estimate the areas.

    Of the pipeline only the loading is run, and of the label budget the points alone.

    Args:
        dataset: Config of a dataset with a label budget.
        progress: Called with (done, total) after every image.
        num_workers: Threads that read; None is one a core, eight at most.

    Raises:
        UserError: The dataset is a wrapper, has no image, loads no labels or has no class names; or an image or a label
            of it cannot be used; the message names the file.
    """
    built = build_loading_dataset(dataset)
    classes = list(built.metainfo["classes"])

    def look(sample: dict) -> AreaEvidence:
        try:
            return gather_evidence(sample["img"], sample["gt_seg_map"], len(classes))
        except UserError as error:
            raise UserError(f"{sample['img_path']}: {error}") from error

    evidence = map_samples(built, look, progress, num_workers)
    if not evidence:
        raise UserError(f"Expected images in {type(built).__name__}, got none.")
    areas_NC = estimate_areas(list(evidence.values()))
    num_points_C = np.sum([e.num_points_C for e in evidence.values()], axis=0).astype(np.int64)
    return EstimatedAreas(classes, dict(zip(evidence, areas_NC, strict=True)), num_points_C)
