"""From the options of tools/predict.py to a run of a predictor."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmengine.logging import print_log

from mmseg_ext.errors import UserError
from mmseg_ext.points.label_budget import flat_steps, name_of
from mmseg_ext.prediction.geo_packages import load_pyogrio, load_rasterio
from mmseg_ext.prediction.image_pipelines import pipeline_of, resizes_to_size
from mmseg_ext.prediction.input_files import find_inputs, take_shard
from mmseg_ext.prediction.loading import load_model
from mmseg_ext.prediction.map_clean_up import build_steps, configured_steps, parse_steps
from mmseg_ext.prediction.output_folder import OutputFolder
from mmseg_ext.prediction.polygon_files import PolygonOptions
from mmseg_ext.prediction.prediction_run import (
    PredictionRun,
    Summary,
    digest_of_model,
    settings_of,
    shared_value_range,
)
from mmseg_ext.prediction.predictor import Predictor
from mmseg_ext.prediction.raster_prediction import WindowOptions
from mmseg_ext.prediction.raster_source import RasterSettings, is_raster
from mmseg_ext.prediction.results import ResultOptions
from mmseg_ext.prediction.value_scaling import AUTO, ValueRange, parse_value_range
from mmseg_ext.progress import ProgressDisplay

RASTER_KEY = "raster"
"""Key of a config: how rasters are read, ``raster=dict(bands=('red', 'green', 'blue'), value_range=(0, 3000))``."""


@dataclass(frozen=True)
class PredictOptions:
    """The options of tools/predict.py; see there."""

    model: str
    inputs: Sequence[str]
    out: str
    checkpoint: str | None = None
    device: str | None = None
    tta: bool = False
    cfg_options: Mapping[str, Any] | None = None
    trust_checkpoint: bool = False
    overlay: bool = False
    probabilities: bool = False
    polygons: str | None = None
    simplify: float = 0.0
    min_area: float = 0.0
    clean_up: Sequence[str] | None = None
    window: int | None = None
    overlap: int | None = None
    resize: float = 1.0
    bands: Sequence[str] | None = None
    value_range: Sequence[str] | None = None
    batch_size: int | None = None
    shard: str | None = None
    resume: bool = True


def predict(options: PredictOptions) -> Summary:
    """Apply a model to files; see tools/predict.py.

    Raises:
        UserError: An option is wrong, there is no model or no input, or the folder holds other results.
    """
    check_options(options)
    files = find_inputs(options.inputs, left_out=options.out)
    own = take_shard(files, options.shard)
    predictor = load_model(
        options.model,
        options.checkpoint,
        device=options.device,
        tta=options.tta,
        cfg_options=options.cfg_options,
        trust_checkpoint=options.trust_checkpoint,
    )
    config = getattr(predictor, "config", {})
    results = _result_options(options, config, predictor)
    windows = _window_options(options, predictor, results)
    of_config = config.get(RASTER_KEY) or {}
    value_range = parse_value_range(options.value_range or of_config.get("value_range"))
    rasters = RasterSettings(options.bands or of_config.get("bands"), None, predictor.fill, predictor.is_byte)
    if value_range == AUTO:
        found = shared_value_range(files, rasters)
        print_log(f"values of rasters from {found.low:g} to {found.high:g} become 0 to 255", "current")
        rasters = rasters._replace(value_range=found)
    elif isinstance(value_range, ValueRange):
        rasters = rasters._replace(value_range=value_range)
    folder = OutputFolder(
        options.out,
        settings_of(_digest(predictor, options), predictor, results, windows, rasters),
        options.resume,
        (options.shard or "1/1").replace("/", "-"),
    )
    _warn_of_resizing(config, options, [file.path for file in own])
    image_batch = options.batch_size or (config.get("test_dataloader") or {}).get("batch_size", 1)
    with ProgressDisplay("Predicting") as display:
        return PredictionRun(predictor, folder, results, windows, rasters, image_batch, display).run(own, files)


def check_options(options: PredictOptions) -> None:
    """Refuse options that do not go together, before the model is loaded.

    Raises:
        UserError: A number is out of range, or a package is missing.
    """
    for name, at_least in (("window", 1), ("overlap", 0), ("batch_size", 1), ("simplify", 0), ("min_area", 0)):
        value = getattr(options, name)
        if value is not None and value < at_least:
            raise UserError(f"Expected --{name.replace('_', '-')} to be at least {at_least}, got {value}.")
    if not 0 < options.resize < float("inf"):
        raise UserError(f"Expected --resize to be a positive factor, got {options.resize}.")
    if options.polygons is None and (options.simplify or options.min_area):
        raise UserError("Expected --polygons gpkg or geojson with --simplify and --min-area, got none.")
    if options.polygons is not None:
        load_rasterio()
    if options.polygons == "gpkg":
        load_pyogrio()


def _result_options(options: PredictOptions, config: Mapping[str, Any], predictor: Predictor) -> ResultOptions:
    steps: list[dict] = []
    if options.clean_up is not None:
        steps = parse_steps(options.clean_up) if options.clean_up else configured_steps(config)
        if not steps:
            raise UserError(
                "Expected the steps of the config's mmseg_ext.CleanUp for --clean-up, found none. Name them for all "
                "classes: --clean-up max_hole=50 min_area=50."
            )
    polygons = None
    if options.polygons is not None:
        polygons = PolygonOptions(options.polygons, options.simplify, options.min_area)
    clean_up = tuple(build_steps(steps, predictor.names)) if steps else ()
    return ResultOptions(options.overlay, options.probabilities, polygons, clean_up)


def _window_options(options: PredictOptions, predictor: Predictor, results: ResultOptions) -> WindowOptions:
    size, overlap, is_fixed = predictor.window
    if options.window is not None:
        if is_fixed and (options.window, options.window) != size:
            raise UserError(f"Expected windows of {size[0]} × {size[1]}, which the model takes, got {options.window}.")
        size = (options.window, options.window)
        overlap = (min(overlap[0], options.window // 2), min(overlap[1], options.window // 2))
    if options.overlap is not None:
        if options.overlap > min(size) // 2:
            raise UserError(
                f"Expected --overlap to be at most {min(size) // 2}, half of the window, got {options.overlap}."
            )
        overlap = (options.overlap, options.overlap)
    return WindowOptions(
        size,
        overlap,
        options.batch_size or predictor.batch_size,
        options.resize,
        with_confidence=results.polygons is not None,
        with_probabilities=results.probabilities,
    )


def _digest(predictor: Predictor, options: PredictOptions) -> str:
    files = getattr(predictor, "files", None)
    if files is None:
        return digest_of_model([options.model])
    return digest_of_model([files.checkpoint], f"{predictor.config.model}{pipeline_of(predictor.config)}{options.tta}")  # type: ignore[attr-defined]


def _warn_of_resizing(config: Mapping[str, Any], options: PredictOptions, paths: Sequence[Any]) -> None:
    """Say that rasters keep their pixels where the test pipeline brings images to a size."""
    if options.resize != 1 or not config or not any(path.suffix.lower() in (".tif", ".tiff", ".vrt") for path in paths):
        return
    steps = [step for step in flat_steps(pipeline_of(config)) if resizes_to_size(step)]
    if steps and any(_is_readable_raster(path) for path in paths):
        print_log(
            f"rasters keep their pixels: {name_of(steps[0])}(scale={steps[0].get('scale')}) of the test pipeline is "
            "for images. Where it enlarged the training images by another factor than 1, name it: --resize FACTOR",
            "current",
            logging.WARNING,
        )


def _is_readable_raster(path: Any) -> bool:
    try:
        return is_raster(path)
    except Exception:  # the run lists it
        return False
