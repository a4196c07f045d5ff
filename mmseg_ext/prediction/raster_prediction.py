"""A raster of any size predicted window by window, into strips on disk.

Shape suffixes: N windows, H height, W width, C channels, 3 bands.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_ext.prediction.background import read_ahead, write_behind
from mmseg_ext.prediction.blending import WindowBlender, window_logits
from mmseg_ext.prediction.class_scores import classify, confidence, probabilities
from mmseg_ext.prediction.predictor import Predictor, class_map_dtype
from mmseg_ext.prediction.raster_source import RasterSettings, RasterSource
from mmseg_ext.prediction.strip_files import CLASSES, CONFIDENCE, PROBABILITIES, StripFiles
from mmseg_ext.prediction.window_grid import WindowAxis, anchor_of

CONFIDENCE_STEPS = 255
"""Confidences are kept as multiples of 1 / 255."""

PROBABILITY_STEPS = 254
"""Probabilities are kept as multiples of 1 / 254; 255 is no data."""


@dataclass(frozen=True)
class WindowOptions:
    """How rasters are predicted.

    Attributes:
        size: Height and width of a window as the network sees it.
        overlap: Pixels that neighbouring windows share.
        batch_size: Windows that the network sees at once.
        resize: Factor by which windows are enlarged for the network.
        with_confidence: Whether the probability of the chosen class is kept.
        with_probabilities: Whether those of all classes are.
    """

    size: tuple[int, int]
    overlap: tuple[int, int]
    batch_size: int = 1
    resize: float = 1.0
    with_confidence: bool = False
    with_probabilities: bool = False


_Block = tuple[int, str, np.ndarray]
"""Column of the window, what it is, and the values (H, W)."""


class _Window(NamedTuple):
    row: int
    column: int
    image_HW3: np.ndarray | None
    valid_HW: np.ndarray


def plan_windows(source: RasterSource, options: WindowOptions) -> tuple[WindowAxis, WindowAxis]:
    """Lay the windows over a raster, along the height and along the width.

    A raster that fits into one window is seen as it is. A larger one has the windows of the map's grid.
    """
    sizes = [max(1, round(size / options.resize)) for size in options.size]
    overlaps = [
        min(round(overlap / options.resize), size // 2) for overlap, size in zip(options.overlap, sizes, strict=True)
    ]
    is_one = all(length <= size for length, size in zip(source.shape, sizes, strict=True))
    origins = (0.0, 0.0) if is_one else source.map_origin
    rows, columns = (
        WindowAxis(length, size, overlap, anchor_of(origin, size - overlap))
        for length, size, overlap, origin in zip(source.shape, sizes, overlaps, origins, strict=True)
    )
    return rows, columns


def _read_windows(
    path: str | Path, settings: RasterSettings, rows: WindowAxis, columns: WindowAxis, first_row: int
) -> Iterator[_Window]:
    with RasterSource(path, settings) as source:
        for row in range(first_row, rows.count):
            for column in range(columns.count):
                yield _Window(row, column, *source.read(rows.range_of(row), columns.range_of(column)))


def _in_batches(windows: Iterator[_Window], batch_size: int) -> Iterator[list[_Window]]:
    """Group the windows of one row and size that have data; those without come alone."""
    batch: list[_Window] = []
    for window in windows:
        is_other = batch and (window.row != batch[0].row or window.valid_HW.shape != batch[0].valid_HW.shape)
        if batch and (is_other or window.image_HW3 is None or len(batch) == batch_size):
            yield batch
            batch = []
        if window.image_HW3 is None:
            yield [window]
        else:
            batch.append(window)
    if batch:
        yield batch


@torch.no_grad()
def batch_logits(predictor: Predictor, images_NHW3: np.ndarray, resize: float) -> Tensor:
    """Compute the logits of windows at their own size, (N, C, H, W), through a network that sees them enlarged."""
    if resize == 1:
        return window_logits(predictor, images_NHW3)
    shape = images_NHW3.shape[1:3]
    width, height = (max(1, round(size * resize)) for size in shape[::-1])
    method = cv2.INTER_AREA if resize < 1 else cv2.INTER_LINEAR
    resized = [cv2.resize(image, (width, height), interpolation=method) for image in images_NHW3]
    logits_NChw = window_logits(predictor, np.stack(resized))
    return F.interpolate(logits_NChw, shape, mode="bilinear", align_corners=False)


def predict_strips(
    predictor: Predictor,
    path: str | Path,
    settings: RasterSettings,
    options: WindowOptions,
    strips: StripFiles,
    progress: Callable[[int], object],
) -> None:
    """Predict what is missing of a raster's strips.

    Args:
        predictor: The model.
        path: The raster.
        settings: How its values are read.
        options: The windows.
        strips: Where the results go; those that are finished stay.
        progress: Called with the number of windows that are done.

    Raises:
        UserError: The raster cannot be read.
    """
    rows, columns = strips.rows, strips.columns
    finished = strips.count_finished()
    progress(finished * columns.count)
    if finished == rows.count:
        return
    # The rows of logits that are blended into the next strip are computed again.
    first_row = max(finished - 1, 0)
    windows = read_ahead(_read_windows(path, settings, rows, columns, first_row), 2 * options.batch_size)
    batches = _in_batches(windows, options.batch_size)
    blender = WindowBlender(rows, columns)
    try:
        with write_behind(partial(_write_strips, strips)) as hand_over:
            for row, batches_of_row in groupby(batches, key=lambda batch: batch[0].row):
                is_kept = row >= finished
                if is_kept:
                    hand_over((row, None))
                for batch in batches_of_row:
                    for block in _predict_batch(predictor, batch, blender, options):
                        if is_kept:
                            hand_over((row, block))
                    if is_kept:
                        progress(row * columns.count + batch[-1].column + 1)
    finally:
        windows.close()  # type: ignore[attr-defined]


def _write_strips(strips: StripFiles, blocks: Iterator[tuple[int, _Block | None]]) -> None:
    """Write the strips of (row, block), one row after the other; None begins a row, which may have no block."""
    for row, of_row in groupby(blocks, key=itemgetter(0)):
        strips.write(row, (block for _, block in of_row if block is not None))


def _predict_batch(
    predictor: Predictor, batch: list[_Window], blender: WindowBlender, options: WindowOptions
) -> Iterator[_Block]:
    """Yield the finished blocks of a batch."""
    images = [window.image_HW3 for window in batch if window.image_HW3 is not None]
    if not images:
        return
    logits_NCHW = batch_logits(predictor, np.stack(images), options.resize)
    for window, logits_CHW in zip(batch, logits_NCHW, strict=True):
        block_CHW = blender.add(window.row, window.column, logits_CHW)
        axes = ((blender.rows, window.row), (blender.columns, window.column))
        place = tuple(
            slice(axis.strip(index)[0] - axis.range_of(index)[0], axis.strip(index)[1] - axis.range_of(index)[0])
            for axis, index in axes
        )
        valid_HW = window.valid_HW[place]
        if valid_HW.any():
            for what, block in _blocks_of(block_CHW, valid_HW, predictor, options):
                yield window.column, what, block


def _blocks_of(
    logits_CHW: Tensor, valid_HW: np.ndarray, predictor: Predictor, options: WindowOptions
) -> Iterator[tuple[str, np.ndarray]]:
    dtype = class_map_dtype(len(predictor.names))
    classes_HW = classify(logits_CHW, predictor.threshold)
    block_HW = classes_HW.cpu().numpy().astype(dtype)
    block_HW[~valid_HW] = np.iinfo(dtype).max
    yield CLASSES, block_HW
    if options.with_confidence or options.with_probabilities:
        probabilities_CHW = probabilities(logits_CHW, predictor.threshold)
        if options.with_confidence:
            share_HW = confidence(probabilities_CHW, classes_HW)
            yield CONFIDENCE, (share_HW * CONFIDENCE_STEPS).round().to(torch.uint8).cpu().numpy()
        if options.with_probabilities:
            steps_CHW = (probabilities_CHW * PROBABILITY_STEPS).round().to(torch.uint8).cpu().numpy()
            steps_CHW[:, ~valid_HW] = 255
            for channel, steps_HW in enumerate(steps_CHW):
                yield f"{PROBABILITIES}/{channel}", steps_HW
