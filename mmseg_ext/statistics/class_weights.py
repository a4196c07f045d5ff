"""Weights of classes by how rare they are: named formulas over counts, and where a loss reads them.

Pure functions on numbers and on the JSON file of tools/dataset_stats.py.

Shape suffixes: C classes.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmseg_ext.errors import UserError
from mmseg_ext.files import read_json

FORMULAS = ("median_frequency", "inverse_square_root", "effective_number")
EFFECTIVE_NUMBER_BETA = 0.999


def median_frequency(class_pixels_C: np.ndarray, pixels_where_shown_C: np.ndarray) -> np.ndarray:
    """Weigh a class by median(f) / f, with f its share of the labelled pixels of the images that show it.

    Args:
        class_pixels_C: Pixels of each class.
        pixels_where_shown_C: Labelled pixels of all images that show the class.

    Returns:
        float64 (C,); 0 for a class without a pixel. The median is over the classes that occur.

    Reference:
        Eigen and Fergus, Predicting Depth, Surface Normals and Semantic Labels, ICCV 2015, section 4.3.2.
    """
    shown_C = class_pixels_C > 0
    frequency_C = class_pixels_C / np.maximum(pixels_where_shown_C, 1)
    return np.divide(
        np.median(frequency_C[shown_C]) if shown_C.any() else 0.0,
        frequency_C,
        out=np.zeros(len(frequency_C)),
        where=shown_C,
    )


def inverse_square_root(class_pixels_C: np.ndarray) -> np.ndarray:
    """Weigh a class by 1 / √(its pixels), scaled so that the classes that occur weigh 1 on average.

    Returns:
        float64 (C,); 0 for a class without a pixel.
    """
    weights_C = np.zeros(len(class_pixels_C))
    np.divide(1.0, np.sqrt(class_pixels_C), out=weights_C, where=class_pixels_C > 0)
    return _mean_one(weights_C)


def effective_number(class_images_C: np.ndarray, beta: float = EFFECTIVE_NUMBER_BETA) -> np.ndarray:
    """Weigh a class by (1 − β) / (1 − βⁿ), n the images that show it; classes that occur weigh 1 on average.

    Images are counted, not pixels: the formula's samples are drawn one by one, and with the millions of pixels of a
    class all weights would be equal.

    Returns:
        float64 (C,); 0 for a class without an image.

    Reference:
        Cui et al., Class-Balanced Loss Based on Effective Number of Samples, CVPR 2019, equation 2.
    """
    shown_C = class_images_C > 0
    weights_C = np.zeros(len(class_images_C))
    np.divide(1 - beta, 1 - beta**class_images_C, out=weights_C, where=shown_C)
    return _mean_one(weights_C)


def _mean_one(weights_C: np.ndarray) -> np.ndarray:
    """Scale the weights above zero to a mean of one."""
    total = weights_C.sum()
    return weights_C * np.count_nonzero(weights_C) / total if total > 0 else weights_C


def parse_weights_file(text: str) -> tuple[Path, str]:
    """Split ``'statistics.json:median_frequency'`` into the file and the formula.

    Raises:
        UserError: There is no formula, or none of that name.

    Example:
        >>> parse_weights_file('work_dirs/statistics.json:effective_number')[1]
        'effective_number'
    """
    file, _, formula = text.rpartition(":")
    if not file or formula not in FORMULAS:
        raise UserError(
            f"Expected class weights as 'FILE:FORMULA' with one of {', '.join(FORMULAS)}, got {text!r}. "
            "tools/dataset_stats.py writes the file."
        )
    return Path(file), formula


def read_class_weights(text: str) -> list[float]:
    """Read the weights that ``'FILE:FORMULA'`` names.

    Returns:
        One weight a class, in the order of the file's classes.

    Raises:
        UserError: The file is missing or no statistics file.
    """
    path, formula = parse_weights_file(text)
    hint = f"Write it with: python tools/dataset_stats.py CONFIG --out {path}"
    if not path.is_file():
        raise UserError(f"Expected the statistics of the training images in {path}, found no file. {hint}")
    try:
        weights = [float(weight) for weight in read_json(path)["weights"][formula]]
        if not weights or not all(map(math.isfinite, weights)):
            raise ValueError("weights that are no numbers")
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise UserError(
            f"Expected the statistics of a dataset in {path}, got something else ({error!r}). {hint}"
        ) from error
    return weights


def pos_weight_of(weights: Sequence[float]) -> float:
    """Turn the weights of background and foreground into the factor on the foreground's loss.

    Raises:
        UserError: There are other than two weights, or one is zero: no image shows that class.

    Example:
        >>> pos_weight_of([0.5, 2.0])
        4.0
    """
    if len(weights) != 2 or not min(weights) > 0:
        raise UserError(f"Expected weights of two classes, both above zero, got {list(weights)}.")
    return weights[1] / weights[0]
