"""Clean-up of class maps that are too large to be held: block by block, with what lies around each block.

Shape suffixes: H height, W width.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.clean_up import CleanUp
from mmseg_ext.evaluation.morphology import CleanUpStep, clean_up_map
from mmseg_ext.points.label_budget import name_of
from mmseg_ext.prediction.geo_packages import load_rasterio

BLOCK = 2048
MAX_REACH = 2048
"""Pixels around a block that are looked at, at most."""


def configured_steps(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the clean-up steps of a config's evaluators; empty where it has none."""
    for key in ("test_evaluator", "val_evaluator"):
        evaluators = config.get(key) or []
        for evaluator in [evaluators] if isinstance(evaluators, Mapping) else evaluators:
            if name_of(evaluator) == "CleanUp":
                return [dict(step) for step in evaluator["steps"]]
    return []


def parse_steps(settings: Sequence[str]) -> list[dict[str, Any]]:
    """Read clean-up steps for all classes, such as ``['max_hole=50', 'min_area=20']``.

    Raises:
        UserError: A setting is not of this form.
    """
    step: dict[str, Any] = {"classes": "all"}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in ("opening", "closing", "max_hole", "min_area") or not value.isdecimal():
            raise UserError(f"Expected opening=, closing=, max_hole= or min_area= and pixels, got {setting!r}.")
        step[name] = int(value)
    return [step]


def build_steps(steps: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[CleanUpStep]:
    """Make the steps of each class, as the metric CleanUp does.

    Raises:
        UserError: A step is not valid, or names a class that there is not.
    """
    metric = CleanUp([dict(step) for step in steps], [])
    metric.dataset_meta = {"classes": tuple(names)}
    return metric.steps


def reach_of(steps: Sequence[CleanUpStep]) -> int:
    """Return how far a pixel can lie from what decides on it: a group of n pixels is less than n pixels long."""
    return sum(2 * (step.opening + step.closing) + step.max_hole + step.min_area for step in steps)


def clean_up_blocks(path: Path, steps: Sequence[CleanUpStep], nodata: int) -> Iterator[tuple[int, np.ndarray]]:
    """Clean up a class map on disk; what has no data stays so.

    Args:
        path: A raster whose first band holds classes.
        steps: The clean-up.
        nodata: The value of pixels without data.

    Yields:
        (first row, classes (H, W)) from the top, of the raster's width.

    Raises:
        UserError: The steps reach too far.
    """
    reach = reach_of(steps)
    if reach > MAX_REACH:
        raise UserError(
            f"Expected a clean-up of a raster whose areas and radii, twice, add up to at most {MAX_REACH} pixels over "
            f"all steps and classes, got {reach}. Use smaller ones."
        )
    rasterio = load_rasterio()
    with rasterio.open(path) as raster:
        for top in range(0, raster.height, BLOCK):
            bottom = min(top + BLOCK, raster.height)
            rows_HW = np.empty((bottom - top, raster.width), raster.dtypes[0])
            for left in range(0, raster.width, BLOCK):
                right = min(left + BLOCK, raster.width)
                around = (
                    (max(top - reach, 0), min(bottom + reach, raster.height)),
                    (max(left - reach, 0), min(right + reach, raster.width)),
                )
                before_HW = raster.read(1, window=around)
                after_HW = clean_up_map(before_HW, steps)
                # The nearest class of a removed group may be "no data", and a class may grow over it.
                kept_HW = (before_HW == nodata) | (after_HW == nodata)
                after_HW = np.where(kept_HW, before_HW, after_HW)
                y, x = top - around[0][0], left - around[1][0]
                rows_HW[:, left:right] = after_HW[y : y + bottom - top, x : x + right - left]
            yield top, rows_HW
