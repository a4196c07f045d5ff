"""The statistics of a config's dataset."""

from collections.abc import Mapping
from typing import Any

from mmseg_ext.engine.loaded_samples import Progress, build_loading_dataset, map_samples
from mmseg_ext.errors import UserError
from mmseg_ext.escaping import escape_markdown
from mmseg_ext.statistics.dataset_statistics import ImageStatistics, measure_image, summarize


def collect_statistics(
    dataset: Mapping[str, Any], progress: Progress | None = None, num_workers: int | None = None
) -> dict[str, Any]:
    """Read all images and labels of a dataset and add them up.

    Of the pipeline only the loading is run, with the points of a label budget: a run that trains on points gets the
    statistics of its points. Images are counted at the size that their files have.

    Args:
        dataset: Config of a dataset.
        progress: Called with (done, total) after every image.
        num_workers: Threads that read; None is one a core, eight at most.

    Returns:
        The record of :func:`mmseg_ext.statistics.dataset_statistics.summarize`.

    Raises:
        UserError: The dataset is a wrapper, its pipeline loads no labels, it has no class names, or a label names none.
    """
    built = build_loading_dataset(dataset)
    classes = built.metainfo["classes"]

    def measure(sample: dict) -> ImageStatistics:
        try:
            return measure_image(sample["gt_seg_map"], len(classes), sample.get("img"))
        except UserError as error:
            raise UserError(f"{sample.get('seg_map_path', sample['img_path'])}: {error}") from error

    images = map_samples(built, measure, progress, num_workers)
    described = ", ".join(str(dataset[key]) for key in ("type", "split") if key in dataset)
    return summarize(images, classes, built.metainfo.get("palette"), described)


def format_class_weights(record: Mapping[str, Any]) -> str:
    """Lay out the classes of a record as a Markdown table: share of pixels, images, and the weight by each formula."""
    formulas = list(record["weights"])
    lines = ["| class | % of pixels | images | " + " | ".join(formulas) + " |", "|---" * (3 + len(formulas)) + "|"]
    for index, name in enumerate(record["classes"]):
        share = 100 * record["class_pixels"][index] / max(record["num_labelled_pixels"], 1)
        weights = " | ".join(f"{record['weights'][formula][index]:.3f}" for formula in formulas)
        lines.append(f"| {escape_markdown(name)} | {share:.2f} | {record['class_images'][index]} | {weights} |")
    return "\n".join(lines)
