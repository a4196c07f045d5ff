"""What the flags of tools/test.py change in a config."""

from collections.abc import Sequence

from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_ext.errors import UserError
from mmseg_ext.models.segmentors import BlockwisePrediction
from mmseg_ext.points.label_budget import name_of


def draw_predictions(config: Config, show: bool, show_dir: str | None, wait_time: float) -> None:
    """Let mmseg's visualization hook draw every prediction of a test, in place.

    Raises:
        UserError: The config has no such hook.
    """
    hook = config.get("default_hooks", {}).get("visualization")
    if hook is None:
        raise UserError(
            "Expected a `visualization` hook in `default_hooks` for --show and --show-dir, found none. "
            "Add visualization=dict(type='SegVisualizationHook')."
        )
    hook.update(draw=True, show=show, wait_time=wait_time)
    if show_dir:
        config.visualizer.save_dir = show_dir


def mirror_pipeline(pipeline: Sequence[dict]) -> list[dict]:
    """Turn a test pipeline into one that gives each image twice, the second time mirrored left to right.

    The image is mirrored right after it is loaded, before the labels are, which stay as they are.

    Raises:
        UserError: The pipeline does not begin by loading the image.
    """
    first, *others = pipeline
    if not name_of(first).startswith("Load"):
        raise UserError(
            f"Expected a test pipeline that begins by loading the image for --tta, got {first['type']}. "
            "Write a `tta_pipeline` into the config."
        )
    flips = [{"type": "RandomFlip", "prob": prob, "direction": "horizontal"} for prob in (0.0, 1.0)]
    return [first, {"type": "TestTimeAug", "transforms": [flips, *([step] for step in others)]}]


def use_tta(config: Config) -> None:
    """Test with the config's ``tta_pipeline`` and ``tta_model``, in place.

    The segmentor keeps its logits, which every TTA model merges. A config without a ``tta_pipeline`` gets each image
    and its mirror image; see :func:`mirror_pipeline`.

    Raises:
        UserError: The config has no ``tta_model``.
    """
    if "tta_model" not in config:
        raise UserError("Expected `tta_model` in the config for --tta, found none.")
    pipeline = config.get("tta_pipeline") or mirror_pipeline(config.test_dataloader.dataset.pipeline)
    config.test_dataloader.dataset.pipeline = pipeline
    kind = MODELS.get(config.model.type) if isinstance(config.model.type, str) else config.model.type
    if isinstance(kind, type) and issubclass(kind, BlockwisePrediction):
        config.model.keep_logits = True
    config.tta_model.module = config.model
    config.model = config.tta_model


def keep_predictions(config: Config, folder: str, mask_values: bool = False) -> None:
    """Write every prediction of a test into a folder, in place.

    Args:
        config: Is changed.
        folder: Where the files go.
        mask_values: As mmseg's ``--out``: the values of the mask files, in files named as the images. Otherwise class
            indices from 0, in the folders of the images below the dataset's ``data_root``.
    """
    evaluators = config.test_evaluator
    if not isinstance(evaluators, (list, tuple)):
        evaluators = [evaluators]
    writer = {
        "type": "mmseg_ext.PredictionWriter",
        "output_dir": folder,
        "data_root": None if mask_values else config.test_dataloader.dataset.get("data_root"),
        "mask_values": mask_values,
    }
    config.test_evaluator = [*evaluators, writer]
