"""The images and labels of a config's dataset as they are on disk, for commands that read all of them."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from mmseg_ext.datasets.label_steps import loading_steps, loads_labels
from mmseg_ext.errors import UserError
from mmseg_ext.image_names import image_name
from mmseg_ext.points.label_budget import budget_of

Result = TypeVar("Result")
Progress = Callable[[int, int], object]


def build_loading_dataset(dataset: Mapping[str, Any], labels_only: bool = False) -> Any:
    """Build a dataset whose pipeline only loads: images and labels, of the label budget's points where it has one.

    Areas, growing and completion are left out of the budget: they do not change where its points are.

    Args:
        dataset: Config of a dataset.
        labels_only: Whether to load the labels alone, all of them.

    Returns:
        The dataset; its metainfo names the classes.

    Raises:
        UserError: The dataset is a wrapper, its pipeline loads no labels, or it has no class names.
    """
    if "pipeline" not in dataset:
        raise UserError(
            f"Expected a dataset with a `pipeline`, got {dataset.get('type')}. Name the dataset inside the wrapper."
        )
    if labels_only:
        steps = [step for step in dataset["pipeline"] if loads_labels(step)][:1]
    else:
        steps = loading_steps(dataset["pipeline"])
    if not any(map(loads_labels, steps)):
        raise UserError("Expected a pipeline that loads labels, got none of whose steps is named …Annotations.")
    built_of = {**dataset, "pipeline": steps}
    labels = built_of.pop("labels", None)
    if labels is not None and not labels_only:
        budget_of(dataset)  # refuses what is wrong, of areas and grow too
        built_of["labels"] = {**labels, "areas": None, "grow": None, "complete": None}
    with DefaultScope.overwrite_default_scope("mmseg"):
        built = DATASETS.build(built_of)
    if not built.metainfo.get("classes"):
        raise UserError(f"Expected {type(built).__name__} to name its classes. Set metainfo=dict(classes=(…)).")
    return built


def map_samples(
    dataset: Any,
    look: Callable[[dict], Result],
    progress: Progress | None = None,
    num_workers: int | None = None,
) -> dict[str, Result]:
    """Call a function on every sample, in threads.

    Args:
        dataset: As :func:`build_loading_dataset` builds it.
        look: Called with each sample; what it raises is raised again.
        progress: Called with (done, total) after every image.
        num_workers: Threads; None is one a core, eight at most.

    Returns:
        What `look` returned, by the image's name, in the dataset's order.
    """

    def look_at(index: int) -> tuple[str, Result]:
        sample = dataset[index]
        return image_name(sample, dataset.data_root, "map_samples"), look(sample)

    results: dict[str, Result] = {}
    pool = ThreadPoolExecutor(num_workers or min(8, os.cpu_count() or 1), thread_name_prefix="map_samples")
    try:
        for name, result in pool.map(look_at, range(len(dataset))):
            results[name] = result
            if progress is not None:
                progress(len(results), len(dataset))
    finally:
        pool.shutdown(cancel_futures=True)
    return results
