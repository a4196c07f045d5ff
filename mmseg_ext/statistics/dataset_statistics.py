"""What a labelled dataset holds: pixels and images of each class, colours, sizes, and the class weights that follow.

Pure functions on arrays and numbers. The record is a JSON-ready dict, written by tools/dataset_stats.py and read by the
losses' ``class_weight='FILE:FORMULA'`` and by `RareClassSampler`.

Shape suffixes: H height, W width, C classes, K colour channels, N images.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmseg_ext.errors import UserError, out_of_range
from mmseg_ext.files import read_json
from mmseg_ext.statistics.class_weights import (
    EFFECTIVE_NUMBER_BETA,
    effective_number,
    inverse_square_root,
    median_frequency,
)

FORMAT = 1


@dataclass(frozen=True)
class ImageStatistics:
    """One image and its labels.

    Attributes:
        height: In pixels.
        width: In pixels.
        class_pixels_C: Pixels of each class.
        channel_sums_K: Sum of each colour channel over the pixels, RGB; None where only labels were read.
        channel_squares_K: Sum of its squares.
    """

    height: int
    width: int
    class_pixels_C: np.ndarray
    channel_sums_K: np.ndarray | None = None
    channel_squares_K: np.ndarray | None = None


def measure_image(
    labels_HW: np.ndarray, num_classes: int, image_HWK: np.ndarray | None = None, ignore_index: int = 255
) -> ImageStatistics:
    """Count the labels and add up the colours of one image.

    Args:
        labels_HW: Class indices, uint8; `ignore_index` where there is no label.
        num_classes: C.
        image_HWK: BGR as mmseg loads it, or any other number of channels.
        ignore_index: Marks pixels without a label.

    Raises:
        UserError: A label names no class.
    """
    counts = np.bincount(labels_HW.ravel(), minlength=num_classes)
    beyond = [label for label in np.flatnonzero(counts).tolist() if label >= num_classes and label != ignore_index]
    if beyond:
        raise UserError(out_of_range("labels", beyond, num_classes, ignore_index))
    height, width = labels_HW.shape
    if image_HWK is None:
        return ImageStatistics(height, width, counts[:num_classes])
    mean, std = (value.ravel() for value in cv2.meanStdDev(image_HWK))
    size = image_HWK.shape[0] * image_HWK.shape[1]
    sums_K, squares_K = mean * size, (std**2 + mean**2) * size
    if len(mean) == 3:
        sums_K, squares_K = sums_K[::-1], squares_K[::-1]
    return ImageStatistics(height, width, counts[:num_classes], sums_K, squares_K)


def summarize(
    images: dict[str, ImageStatistics],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]] | None = None,
    dataset: str = "",
) -> dict[str, Any]:
    """Add up the images of a dataset.

    Args:
        images: By the image's name.
        classes: Names of the classes.
        palette: Their colours, for the plots.
        dataset: Name of the dataset, for the title.

    Returns:
        The record, JSON-ready. docs/imbalance.md says what each entry means.

    Raises:
        UserError: There are no images.
    """
    if not images:
        raise UserError("Expected at least one image to make statistics of, got none.")
    pixels_NC = np.array([image.class_pixels_C for image in images.values()], dtype=np.int64)
    shown_NC = (pixels_NC > 0).astype(np.int64)
    labelled_N = pixels_NC.sum(1)
    class_pixels_C, class_images_C = pixels_NC.sum(0), shown_NC.sum(0)
    pixels_where_shown_C = labelled_N @ shown_NC
    sizes = Counter(f"{image.height}x{image.width}" for image in images.values())
    return {
        "format": FORMAT,
        "dataset": dataset,
        "classes": list(classes),
        "palette": [list(map(int, color)) for color in palette or ()],
        "num_images": len(images),
        "num_pixels": sum(image.height * image.width for image in images.values()),
        "num_labelled_pixels": int(labelled_N.sum()),
        "class_pixels": class_pixels_C.tolist(),
        "class_images": class_images_C.tolist(),
        "pixels_where_shown": pixels_where_shown_C.tolist(),
        "co_occurrence": (shown_NC.T @ shown_NC).tolist(),
        **_color_statistics(list(images.values())),
        "sizes": dict(sorted(sizes.items())),
        "weights": {
            "median_frequency": median_frequency(class_pixels_C, pixels_where_shown_C).tolist(),
            "inverse_square_root": inverse_square_root(class_pixels_C).tolist(),
            "effective_number": effective_number(class_images_C).tolist(),
        },
        "effective_number_beta": EFFECTIVE_NUMBER_BETA,
        "images": {name: row.tolist() for name, row in zip(images, pixels_NC, strict=True)},
    }


def _color_statistics(images: Sequence[ImageStatistics]) -> dict[str, list[float] | None]:
    """Mean and standard deviation of each channel over all pixels; None where the images differ in channels."""
    sums = [image.channel_sums_K for image in images if image.channel_sums_K is not None]
    squares = [image.channel_squares_K for image in images if image.channel_squares_K is not None]
    if len(sums) < len(images) or len({len(row) for row in sums}) != 1:
        return {"image_mean": None, "image_std": None}
    size = sum(image.height * image.width for image in images)
    mean_K = np.sum(sums, axis=0) / size
    variance_K = np.maximum(np.sum(squares, axis=0) / size - mean_K**2, 0.0)
    return {"image_mean": mean_K.tolist(), "image_std": np.sqrt(variance_K).tolist()}


def read_statistics(path: str | Path) -> dict[str, Any]:
    """Read a record that tools/dataset_stats.py has written.

    Raises:
        UserError: The file is missing, or something else.
    """
    path = Path(path)
    hint = f"Write it with: python tools/dataset_stats.py CONFIG --out {path}"
    if not path.is_file():
        raise UserError(f"Expected the statistics of the training images in {path}, found no file. {hint}")
    try:
        record = read_json(path)
        num_classes = len(record["classes"])
        rows_NC = np.array([*record["images"].values()], dtype=np.int64)
        fits = record["format"] == FORMAT and rows_NC.shape[1:] == (num_classes,) and rows_NC.min() >= 0
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(
            f"Expected the statistics of a dataset in {path}, got something else ({error!r}). {hint}"
        ) from error
    if not fits:
        raise UserError(f"Expected statistics of format {FORMAT} in {path}, got others. {hint}")
    return dict(record)


def rare_class_probabilities(class_pixels_C: np.ndarray, temperature: float = 0.01) -> np.ndarray:
    """Compute how often each class is drawn: P(c) ∝ exp((1 − f_c) / T), with f_c its share of the labelled pixels.

    At a high temperature all classes are drawn equally often, at a low one almost only the rarest. A class without a
    pixel is never drawn.

    Args:
        class_pixels_C: Pixels of each class.
        temperature: T, positive.

    Returns:
        float64 (C,), sums to one.

    Raises:
        UserError: No class has a pixel.

    Reference:
        Hoyer et al., DAFormer, CVPR 2022, equation 7; their f_c is over the source images, T = 0.01.

    Example:
        >>> rare_class_probabilities(np.array([75, 25, 0]), temperature=0.5).round(3).tolist()
        [0.269, 0.731, 0.0]
    """
    shown_C = class_pixels_C > 0
    if not shown_C.any():
        raise UserError("Expected labelled pixels to draw classes by, got none.")
    exponents_C = (1 - class_pixels_C / class_pixels_C.sum()) / temperature
    terms_C = np.exp(np.where(shown_C, exponents_C - exponents_C[shown_C].max(), -np.inf))
    return terms_C / terms_C.sum()
