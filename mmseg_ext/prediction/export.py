"""What tools/export.py does: write a trained model as an ONNX file that gives the same classes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from mmseg_ext.errors import UserError
from mmseg_ext.files import refuse_other_file, replace_file
from mmseg_ext.points.label_budget import name_of
from mmseg_ext.prediction.checkpoint_predictor import CheckpointPredictor
from mmseg_ext.prediction.deepness_metadata import deepness_metadata
from mmseg_ext.prediction.exportable_network import ExportableNetwork
from mmseg_ext.prediction.image_pipelines import pipeline_of
from mmseg_ext.prediction.input_files import find_inputs
from mmseg_ext.prediction.model_files import find_model
from mmseg_ext.prediction.onnx_check import MIN_EQUAL, Agreement, check_graph
from mmseg_ext.prediction.onnx_graph import export_graph, to_file
from mmseg_ext.prediction.onnx_layers import first_difference
from mmseg_ext.prediction.onnx_predictor import OnnxPredictor, open_session, require_packages
from mmseg_ext.prediction.onnx_settings import KEY, RESIZE_STEPS, OnnxSettings
from mmseg_ext.prediction.predictor import WindowSettings

COMMAND = "tools/export.py"


class ExportOptions(NamedTuple):
    """What to export.

    Attributes:
        size: Height and width of the images that the graph takes; None for the config's windows or training crops.
        dynamic: Whether it takes images of any size.
        overlap_percent: Of neighbouring tiles, for QGIS.
        resolution_cm: Centimetres a pixel of the training images, for QGIS.
    """

    size: tuple[int, int] | None = None
    dynamic: bool = False
    overlap_percent: int = 15
    resolution_cm: float | None = None


def export(
    model: str | Path,
    path: str | Path,
    options: ExportOptions,
    checkpoint: str | Path | None = None,
    images: Sequence[str] = (),
    num_images: int = 4,
    cfg_options: Mapping[str, Any] | None = None,
) -> Agreement:
    """Export a trained model, check the graph on real images, and write it.

    Args:
        model: See :func:`~mmseg_ext.prediction.model_files.find_model`.
        path: The file to write; it is not touched where the graph is refused.
        options: What to export.
        checkpoint: The checkpoint of the config `model`.
        images: Files, folders and patterns of images to check the graph on; by default some that the config tests.
        num_images: How many of those.
        cfg_options: Changes to the config.

    Returns:
        How far the graph's classes are the checkpoint's.

    Raises:
        UserError: A package or a file is missing, the network cannot be exported, or too few classes are equal; then
            the message names the first layer that differs.
    """
    require_packages("onnx", "onnxscript", "onnxruntime")
    if Path(path).suffix.lower() != ".onnx":
        raise UserError(f"Expected the name of an .onnx file for --out, got {path}.")
    refuse_other_file(path, COMMAND, lambda: _is_exported(path))
    predictor = CheckpointPredictor(find_model(model, checkpoint), device="cpu", cfg_options=cfg_options)
    settings = settings_of(predictor, options)
    height, width = settings.window
    is_sigmoid = settings.threshold is not None
    tile = max(height, width)
    entries = deepness_metadata(settings.names, is_sigmoid, tile, options.overlap_percent, options.resolution_cm)
    network = ExportableNetwork(predictor.segmentor).eval()
    if images:
        checked_on: Sequence[str | Path] = [file.path for file in find_inputs(images)]
    else:
        checked_on = run_images(predictor.config, num_images)
    graph = export_graph(network, (height, width), options.dynamic)
    content = to_file(graph, {**entries, KEY: settings.to_json()})
    agreement = check_graph(predictor, OnnxPredictor(content, "cpu"), checked_on)
    if not agreement.is_enough:
        raise UserError(_refusal(network, graph, agreement, settings, options))
    replace_file(path, content)
    return agreement


def _is_exported(path: str | Path) -> bool:
    """Whether a file is one of ours."""
    try:
        return KEY in open_session(path, "cpu").get_modelmeta().custom_metadata_map
    except UserError:
        return False


def settings_of(predictor: CheckpointPredictor, options: ExportOptions) -> OnnxSettings:
    """Gather what the exported model needs beside its graph.

    Raises:
        UserError: A step of the test pipeline changes images in another way than by resizing, or no size is known.
    """
    test_cfg = predictor.segmentor.test_cfg
    slides = test_cfg.get("mode") == "slide"
    slide = {key: list(map(int, test_cfg[key])) for key in ("crop_size", "stride")} if slides else None
    window = list(options.size or default_size(predictor.config, predictor.window, options.dynamic))
    if slide is not None and not options.dynamic and window != slide["crop_size"]:
        slide = {"crop_size": window, "stride": [max(1, length - length // 4) for length in window]}
    overlap = [min(length // 2, round(length * options.overlap_percent / 100)) for length in window]
    return OnnxSettings(
        names=list(predictor.names),
        palette=predictor.palette.tolist(),
        threshold=predictor.threshold,
        window=window,
        overlap=overlap,
        is_fixed=not options.dynamic,
        fill=predictor.fill.tolist(),
        is_byte=predictor.is_byte,
        resize=resize_steps(predictor.config),
        slide=slide,
        align_corners=bool(predictor.segmentor.align_corners),
    )


def default_size(config: Config, window: WindowSettings, dynamic: bool) -> tuple[int, int]:
    """Choose the size of an image: that of the config's windows, else that of its training crops.

    Raises:
        UserError: The config has neither.
    """
    preprocessor = config.model.get("data_preprocessor") or {}
    size = preprocessor.get("size")
    if (config.model.get("test_cfg") or {}).get("mode") == "slide" or (dynamic and size is None):
        return window.size
    if size is None:
        raise UserError(
            "Expected the size of the training crops in model.data_preprocessor.size, found none. Name the size of the "
            "exported graph: --size HEIGHT WIDTH."
        )
    height, width = (size, size) if isinstance(size, int) else size
    return int(height), int(width)


def resize_steps(config: Config) -> list[dict]:
    """Return the steps of the test pipeline that resize images, as data.

    Raises:
        UserError: Another step changes the images.
    """
    found = []
    for step in pipeline_of(config):
        name = name_of(step)
        if name in RESIZE_STEPS:
            found.append({**{k: list(v) if isinstance(v, tuple) else v for k, v in step.items()}, "type": name})
        elif name.startswith("LoadImage"):
            if step.get("color_type", "color") != "color" or step.get("to_float32"):
                raise UserError(
                    f"Expected images of three channels and eight bits for an export, got {name}(color_type="
                    f"{step.get('color_type', 'color')!r}). Predict with the checkpoint: tools/predict.py WORK_DIR."
                )
        elif not name.endswith("Annotations") and name != "PackSegInputs":
            raise UserError(
                f"Expected a test pipeline that loads, resizes and packs images, got the step {name}, which is no part "
                "of an exported graph. Leave it out, or predict with the checkpoint: tools/predict.py WORK_DIR."
            )
    return found


def _refusal(
    network: ExportableNetwork, model: Any, agreement: Agreement, settings: OnnxSettings, options: ExportOptions
) -> str:
    """Say why a graph is refused, with the first layer that differs."""
    height, width = (length + 40 * options.dynamic for length in settings.window)
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, height, width, generator=generator)
    layer = first_difference(network, model, image)
    where = f"The first layer that differs is {layer}" if layer else "No layer differs by more than rounding"
    fix = " Export for one size, without --dynamic." if options.dynamic else ""
    return (
        f"Expected a graph that gives the checkpoint's class to {100 * MIN_EQUAL:.2f} % of the pixels, got one where "
        f"{agreement.describe()}. {where}. Nothing was written.{fix}"
    )


def run_images(config: Config, count: int) -> list[str]:
    """Choose images of a run: evenly spread over those that the config tests.

    Args:
        config: The run's.
        count: How many.

    Returns:
        Their paths.

    Raises:
        UserError: The config names no images, or they are not there.
    """
    settings = (config.get("test_dataloader") or {}).get("dataset")
    hint = "Name some images to check the exported graph on: --images FILE …"
    if settings is None:
        raise UserError(f"Expected the config to name images (test_dataloader.dataset), found none. {hint}")
    try:
        with DefaultScope.overwrite_default_scope(config.get("default_scope", "mmseg")):
            dataset = DATASETS.build({**settings, "pipeline": []})
        paths = [dataset.get_data_info(index)["img_path"] for index in range(len(dataset))]
    except (ValueError, OSError) as error:  # mmengine fails on an empty folder
        raise UserError(f"Expected the run's images for the check: {error} {hint}") from error
    found = [path for path in paths if Path(path).is_file()]
    if not found:
        raise UserError(f"Expected the run's images, such as {paths[0] if paths else 'none'}, found none. {hint}")
    chosen = np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int)
    return [found[index] for index in chosen]
