"""The config's test pipeline for images without labels: whole images as in a test, windows of rasters as they are."""

from collections.abc import Mapping
from typing import Any

from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmseg_ext.datasets.label_steps import select_steps, without_label_loading
from mmseg_ext.errors import UserError
from mmseg_ext.points.label_budget import name_of


def _loads_image(step: Mapping[str, Any]) -> bool:
    return name_of(step).startswith("LoadImage")


def resizes_to_size(step: Mapping[str, Any]) -> bool:
    """Whether a step brings images to a size of its own: windows of a raster keep theirs."""
    return "Resize" in name_of(step) and step.get("scale_factor") is None


def pipeline_of(config: Config) -> list[Any]:
    """Return the test pipeline of a config.

    Raises:
        UserError: It has none.
    """
    dataset = (config.get("test_dataloader") or {}).get("dataset") or {}
    found = dataset.get("pipeline") or config.get("test_pipeline")
    if not found:
        raise UserError(
            "Expected a test pipeline in the config (test_dataloader.dataset.pipeline, or test_pipeline), found none."
        )
    return list(found)


def build_pipelines(config: Config) -> tuple[Compose, Compose, Compose]:
    """Build the steps for files, for arrays, and for windows of rasters.

    Returns:
        All steps but those that load labels; those without the step that loads the image; and those without the ones
        that resize images to a size.

    Raises:
        UserError: The pipeline does not begin by loading the image.
    """
    whole = without_label_loading(pipeline_of(config))
    if not whole or not isinstance(whole[0], Mapping) or not _loads_image(whole[0]):
        raise UserError("Expected a test pipeline that begins by loading the image, such as LoadImageFromFile.")
    windows = select_steps(whole[1:], lambda step: not resizes_to_size(step))
    with DefaultScope.overwrite_default_scope(config.get("default_scope", "mmseg")):
        return Compose(whole), Compose(whole[1:]), Compose(windows)
