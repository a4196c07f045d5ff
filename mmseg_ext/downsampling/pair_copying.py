"""Copying one image with its mask."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from mmseg_ext.downsampling.copies import Filters, Target
from mmseg_ext.downsampling.image_files import (
    UnusableFileError,
    encode_image,
    encode_label_file,
    read_image,
    read_label_file,
)
from mmseg_ext.downsampling.layouts import Failure, Pair
from mmseg_ext.downsampling.reduce import reduce_image, reduce_labels
from mmseg_ext.files import replace_file
from mmseg_ext.masks.color_masks import binarize_colors, parse_color
from mmseg_ext.masks.orientation import FIX_UNTURNED, read_orientation, swap_size

Job = tuple[Pair, tuple[Target, ...]]
Done = tuple[list[Failure], int, int]


@dataclass(frozen=True)
class PairCopier:
    """Makes the copies of single images and masks; travels to the workers."""

    source: Path
    filters: Filters

    def __call__(self, jobs: Sequence[Job]) -> Done:
        """Do some jobs: what failed, how many there were, and how many images were turned unlike their masks."""
        failures, num_turned = [], 0
        for pair, targets in jobs:
            try:
                num_turned += self._reduce(pair, targets)
            except _PairError as error:
                failures.append(error.failure)
        return failures, len(jobs), num_turned

    def _reduce(self, pair: Pair, targets: Sequence[Target]) -> bool:
        """Copy an image and its mask; returns whether only the image has an EXIF orientation that sizes do not show."""
        is_turned = False
        image = _or_fail(pair.image, read_image, self.source / pair.image)
        name = self.filters.copied_name(pair.image)
        if pair.mask is not None:
            file = _or_fail(pair.mask, read_label_file, self.source / pair.mask)
            size, mask_size = image.shape[:2], file.labels.shape[:2]
            orientation = read_orientation(self.source / pair.image)
            stored_size = swap_size((size[0], size[1]), orientation)
            if mask_size != size:
                sizes = [f"{height}x{width}" for height, width in (mask_size, size)]
                reason = f"is {sizes[0]}, its image {pair.image} is {sizes[1]} (height x width)"
                if mask_size == stored_size:
                    reason += f" when turned by its EXIF orientation ({orientation}). {FIX_UNTURNED}"
                raise _PairError(Failure(pair.mask, reason))
            if orientation != 1 and stored_size == size:
                is_turned = read_orientation(self.source / pair.mask) != orientation
            labels = file.labels
            if labels.ndim == 3 and self.filters.color_threshold is not None:
                labels = binarize_colors(labels, self.filters.color_threshold)
            labels, ignored = _prepare_labels(labels, file.palette, self.filters.ignored)
            suffix = PurePosixPath(pair.mask).suffix
            for target in targets:
                reduced = reduce_labels(labels, target.factor, ignored, self.filters.labels)
                content = _or_fail(pair.mask, encode_label_file, file, reduced.astype(file.labels.dtype), suffix)
                replace_file(target.root / pair.mask, content, sync=False)
        for target in targets:
            reduced = reduce_image(image, target.factor)
            suffix = PurePosixPath(name).suffix
            content = _or_fail(pair.image, encode_image, reduced, suffix, self.filters.quality)
            replace_file(target.root / name, content, sync=False)
        return is_turned


class _PairError(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


def _or_fail(path: str, function: Callable, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except UnusableFileError as error:
        raise _PairError(Failure(path, str(error))) from error


def _prepare_labels(
    labels: np.ndarray, palette: bytes | None, ignored: Sequence[int | str]
) -> tuple[np.ndarray, list[Any]]:
    """Convert labels, and the ignored ones, to the form that `reduce_labels` takes.

    Returns:
        uint8, uint16 or colours as they were; where a palette shows one colour under two indices and colours are
        ignored, the first index stands for both. The ignored labels, or BGR colours.
    """
    numbers = [label for label in ignored if isinstance(label, int)]
    colors = [parse_color(label) for label in ignored if isinstance(label, str)]
    if labels.ndim == 3:
        return labels, [color[::-1] for color in colors]
    if labels.dtype == bool:
        labels = labels.astype(np.uint8)
    if palette is None:
        return labels, numbers + [color[0] for color in colors if len(set(color)) == 1]
    if colors:
        entries = [tuple(palette[i : i + 3]) for i in range(0, len(palette), 3)]
        first_of: dict[tuple[int, ...], int] = {}
        table = np.arange(256, dtype=np.uint8)
        for index, color in enumerate(entries[:256]):
            table[index] = first_of.setdefault(color, index)
        labels = np.asarray(cv2.LUT(labels, table))
        numbers += [first_of[color] for color in colors if color in first_of]
    return labels, numbers
