"""From the files of a trained model to a segmentor that predicts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from mmengine.utils import import_modules_from_strings
from mmseg.registry import DATASETS, MODELS
from torch import nn

from mmseg_ext.engine.checkpoint_fit import check_fit
from mmseg_ext.engine.config_faults import explain_config_faults
from mmseg_ext.engine.hooks.binary_threshold_hook import META_KEY, binary_heads
from mmseg_ext.engine.launch import load_config, replace_sync_batchnorm
from mmseg_ext.engine.testing_options import use_tta
from mmseg_ext.errors import UserError
from mmseg_ext.prediction.model_files import ModelFiles
from mmseg_ext.stack import read_dumped_config


class LoadedModel(NamedTuple):
    """A segmentor with its weights, ready to predict.

    Attributes:
        config: The config; its model is the segmentor's.
        segmentor: In evaluation mode, on the device, with the threshold of the checkpoint; with test-time augmentation
            the model around the segmentor.
        names: The names of the classes.
        palette: uint8 (K, 3), RGB.
    """

    config: Config
    segmentor: nn.Module
    names: tuple[str, ...]
    palette: np.ndarray


def choose_device(device: str | None) -> torch.device:
    """Return the device that is named, else the GPU where there is one.

    Raises:
        UserError: There is no such device.
    """
    try:
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"Expected a device such as cpu or cuda:0, got {device}: {error}") from error
    return chosen


def read_model_config(files: ModelFiles, cfg_options: Mapping[str, Any] | None = None) -> Config:
    """Read the config of a trained model; one that a run has left beside its checkpoints is data, not code.

    Raises:
        UserError: The config cannot be loaded, or it holds no model.
    """
    if files.is_dumped:
        config = read_dumped_config(files.config)
        if cfg_options:
            with explain_config_faults(f"{files.config} with --cfg-options {' '.join(cfg_options)}"):
                config.merge_from_dict(dict(cfg_options))
        if config.get("custom_imports"):
            import_modules_from_strings(**config.custom_imports)
    else:
        config = load_config(str(files.config), cfg_options=cfg_options)
    if "model" not in config:
        raise UserError(f"Expected a config with a `model`, got {files.config}.")
    return config


def build_model(
    files: ModelFiles,
    device: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    tta: bool = False,
    keep_logits: bool = False,
) -> LoadedModel:
    """Build a trained model, as tools/test.py does: nothing is downloaded that its weights replace.

    Args:
        files: From :func:`~mmseg_ext.prediction.model_files.find_model`.
        device: Such as 'cpu' or 'cuda:0'; None takes the GPU where there is one.
        cfg_options: Changes to the config.
        tta: Whether to predict with the config's test-time augmentation.
        keep_logits: Whether the samples keep their logits.

    Raises:
        UserError: A file cannot be used, the weights are not those of the config's model, or there is no such device.
    """
    chosen = choose_device(device)
    config = read_model_config(files, cfg_options)
    if chosen.type == "cpu":
        replace_sync_batchnorm(config)
    if tta:
        use_tta(config)
    with DefaultScope.overwrite_default_scope(config.get("default_scope", "mmseg")):
        settings = config.model.module if tta else config.model
        if config.get("data_preprocessor") is not None:
            settings.setdefault("data_preprocessor", config.data_preprocessor)
        segmentor = MODELS.build(config.model)
    inner = segmentor.module if tta else segmentor
    if keep_logits and hasattr(inner, "keep_logits"):
        inner.keep_logits = True
    checkpoint = CheckpointLoader.load_checkpoint(str(files.checkpoint), map_location="cpu", logger="silent")
    if not isinstance(checkpoint, dict):
        raise UserError(f"Expected a checkpoint of a segmentor in {files.checkpoint}, got {type(checkpoint).__name__}.")
    check_fit(inner, checkpoint, str(files.checkpoint))
    meta = checkpoint.get("meta") or {}
    if meta.get(META_KEY) is not None:
        for head in binary_heads(inner):
            head.threshold = float(meta[META_KEY])
    names, palette = _classes_of(meta, config, inner)
    return LoadedModel(config, segmentor.to(chosen).eval(), names, palette)


def last_head(segmentor: Any) -> Any:
    """Return the decode head that predicts, the last one of a cascade."""
    head = segmentor.decode_head
    return head[-1] if isinstance(head, nn.ModuleList) else head


def _classes_of(meta: Mapping[str, Any], config: Config, segmentor: Any) -> tuple[tuple[str, ...], np.ndarray]:
    """Name and colour the classes: by the checkpoint, else by the dataset's class, else by their numbers."""
    num_classes = last_head(segmentor).num_classes
    found = meta.get("dataset_meta") or {"classes": meta.get("CLASSES"), "palette": meta.get("PALETTE")}
    if not found.get("classes"):
        found = _metainfo_of_dataset(config)
    names = tuple(map(str, found.get("classes") or ()))
    if len(names) != num_classes:
        names = tuple(f"class {index}" for index in range(num_classes))
    palette = np.asarray(found.get("palette") or (), np.int64).reshape(-1, 3)
    return names, (palette if len(palette) == len(names) else distinct_colors(len(names))).astype(np.uint8)


def _metainfo_of_dataset(config: Config) -> dict[str, Any]:
    settings = (config.get("test_dataloader") or {}).get("dataset") or {}
    with DefaultScope.overwrite_default_scope(config.get("default_scope", "mmseg")):
        kind = DATASETS.get(settings.get("type", "")) if settings else None
    return {**getattr(kind, "METAINFO", {}), **(settings.get("metainfo") or {})}


def distinct_colors(count: int) -> np.ndarray:
    """Return colours that tell classes apart, uint8 (count, 3): evenly spread hues, in two shades."""
    from colorsys import hsv_to_rgb

    hues: Sequence[float] = [(index * 0.61803398875) % 1 for index in range(count)]
    colors = [hsv_to_rgb(hue, 0.75, 0.95 if index % 2 else 0.65) for index, hue in enumerate(hues)]
    return (np.array(colors).reshape(-1, 3) * 255).round().astype(np.uint8)
