"""`load_model`: a trained model in one line of Python."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmseg_ext.prediction.predictor import Predictor


def load_model(
    model: str | Path,
    checkpoint: str | Path | None = None,
    *,
    device: str | None = None,
    tta: bool = False,
    cfg_options: Mapping[str, Any] | None = None,
    trust_checkpoint: bool = False,
) -> Predictor:
    """Load a trained model to predict with.

    Args:
        model: A work dir (its best checkpoint, else its last), a checkpoint beside its config, or an .onnx file that
            tools/export.py wrote. With `checkpoint`: a config file.
        checkpoint: The checkpoint of the config `model`.
        device: Such as 'cpu' or 'cuda:0'; None takes the GPU where there is one.
        tta: Whether to predict with the config's test-time augmentation.
        cfg_options: Changes to the config, such as ``{"model.test_cfg.mode": "whole"}``.
        trust_checkpoint: Load a checkpoint that can run code.

    Raises:
        UserError: There is no such model, or it cannot be loaded.

    Example:
        from mmseg_ext import load_model

        model = load_model("work_dirs/my_run")
        result = model.predict("image.jpg")
        result.classes_HW, result.names, result.overlay()
    """
    if Path(model).suffix.lower() == ".onnx":
        return _load_onnx(model, checkpoint, tta, cfg_options, device)
    # Only here: importing them takes seconds, and the stack has to be prepared before.
    import_module("mmseg_ext.stack").prepare(trust_checkpoint=trust_checkpoint)
    files = import_module("mmseg_ext.prediction.model_files").find_model(model, checkpoint)
    predictor = import_module("mmseg_ext.prediction.checkpoint_predictor").CheckpointPredictor
    return predictor(files, device=device, tta=tta, cfg_options=cfg_options)


def _load_onnx(model: str | Path, *settings: Any) -> Predictor:
    from mmseg_ext.errors import UserError

    *of_checkpoints, device = settings
    if any(of_checkpoints):
        raise UserError(
            f"Expected {model} alone, got options that an ONNX file does not take: it has one graph, without a config "
            "and without test-time augmentation."
        )
    if not Path(model).is_file():
        raise UserError(f"Expected an ONNX file, found none at {model}.")
    import_module("mmseg_ext.stack").prepare()
    return import_module("mmseg_ext.prediction.onnx_predictor").OnnxPredictor(model, device=device)
