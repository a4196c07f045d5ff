"""mmseg's own Python API (`inference_model`, `MMSegInferencer`) on pipelines with steps of this package."""

from typing import Any

from mmseg_ext.stack.replacement import is_ours, replace_everywhere


def _name_of(step: Any) -> str:
    kind = step["type"]
    return kind.__name__ if isinstance(kind, type) else str(kind).rpartition(".")[2]


def keep_image_steps(pipeline: list) -> None:
    """Take the steps that load labels out of a test pipeline, in place, whatever their package."""
    pipeline[:] = [step for step in pipeline if not _name_of(step).endswith("Annotations")]


def accept_own_pipelines() -> None:
    """Let mmseg's API predict with pipelines of this package. A second call changes nothing.

    mmseg compares the names of the steps with its own, without a scope: it would look for the labels of an image that
    has none, and would not find the step that loads the image.
    """
    from mmseg.apis import MMSegInferencer, utils

    prepare_data: Any = utils._preprare_data
    if is_ours(prepare_data):
        return
    init_pipeline: Any = MMSegInferencer._init_pipeline

    def prepare_images(imgs: Any, model: Any) -> Any:
        keep_image_steps(model.cfg.test_pipeline)
        return prepare_data(imgs, model)

    def init_image_pipeline(self: Any, cfg: Any) -> Any:
        pipeline = cfg.test_dataloader.dataset.pipeline
        keep_image_steps(pipeline)
        for step in pipeline:
            if step["type"] == "mmseg_ext.LoadImageFromFile":
                step["type"] = "LoadImageFromFile"  # mmseg replaces it by a step that takes arrays too
        return init_pipeline(self, cfg)

    replace_everywhere("_preprare_data", prepare_data, prepare_images)
    MMSegInferencer._init_pipeline = init_image_pipeline
