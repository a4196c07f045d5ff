"""The statistics of a config's dataset."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from mmseg_ext.dataset_statistics import ImageStatistics, measure_image, summarize
from mmseg_ext.errors import UserError
from mmseg_ext.points import image_name


def _is_kept(step: Mapping[str, Any]) -> bool:
    """Whether a step of a pipeline decides what the labels are, not where they come to lie."""
    name = str(step.get("type", "")).rpartition(".")[2]
    return (name.startswith("Load") and ("Image" in name or "Annotations" in name)) or name == "SamplePoints"


def collect_statistics(
    dataset: Mapping[str, Any],
    progress: Callable[[int, int], object] | None = None,
    num_workers: int | None = None,
) -> dict[str, Any]:
    """Read all images and labels of a dataset and add them up.

    Of the pipeline only the loading is run, and `SamplePoints`: a run that trains on points gets the statistics of its
    points. Images are counted at the size that their files have.

    Args:
        dataset: Config of a dataset.
        progress: Called with (done, total) after every image.
        num_workers: Threads that read; None is one a core, eight at most.

    Returns:
        The record of :func:`mmseg_ext.dataset_statistics.summarize`.

    Raises:
        UserError: The dataset is a wrapper, its pipeline loads no labels, it has no class names, or a label names none.
    """
    if "pipeline" not in dataset:
        raise UserError(
            f"Expected a dataset with a `pipeline`, got {dataset.get('type')}. Name the dataset inside the wrapper."
        )
    steps = [step for step in dataset["pipeline"] if _is_kept(step)]
    if not any(str(step["type"]).endswith("Annotations") for step in steps):
        raise UserError("Expected a pipeline that loads labels, got none of whose steps is named …Annotations.")
    with DefaultScope.overwrite_default_scope("mmseg"):
        built = DATASETS.build({**dataset, "pipeline": steps})
    classes = built.metainfo.get("classes")
    if not classes:
        raise UserError(f"Expected {type(built).__name__} to name its classes. Set metainfo=dict(classes=(…)).")

    def measure(index: int) -> tuple[str, ImageStatistics]:
        sample = built[index]
        name = image_name(sample, built.data_root, "collect_statistics")
        try:
            return name, measure_image(sample["gt_seg_map"], len(classes), sample.get("img"))
        except UserError as error:
            raise UserError(f"{sample['seg_map_path']}: {error}") from error

    images: dict[str, ImageStatistics] = {}
    pool = ThreadPoolExecutor(num_workers or min(8, os.cpu_count() or 1), thread_name_prefix="dataset_stats")
    try:
        for name, image in pool.map(measure, range(len(built))):
            images[name] = image
            if progress is not None:
                progress(len(images), len(built))
    finally:
        pool.shutdown(cancel_futures=True)
    described = ", ".join(str(dataset[key]) for key in ("type", "split") if key in dataset)
    return summarize(images, classes, built.metainfo.get("palette"), described)
