"""What a copy is: how its files are reduced, where it lies, and which part of it a machine makes."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mmseg_ext.downsampling.reduce import LABEL_FILTERS, LabelFilter
from mmseg_ext.errors import UserError
from mmseg_ext.masks.color_masks import parse_color


@dataclass(frozen=True)
class Filters:
    """How a copy is made.

    Attributes:
        labels: 'majority' or 'nearest'; see `reduce_labels`.
        ignored: Labels (numbers) or colours ('#RRGGBB') without a vote.
        image_format: 'same', or 'png' for images without loss.
        quality: Of JPEG and WebP images, 1 to 100.
        color_threshold: The lowest value that stands for 255 in masks whose colours are only nearly those of the
            classes; the copy holds the pure ones. None takes colours as they are.
    """

    labels: LabelFilter = "majority"
    ignored: tuple[int | str, ...] = ()
    image_format: str = "same"
    quality: int = 95
    color_threshold: int | None = None

    def __post_init__(self) -> None:
        if self.labels not in LABEL_FILTERS:
            raise UserError(
                f"Expected the labels' filter to be one of {', '.join(LABEL_FILTERS)}, got {self.labels!r}."
            )
        if self.image_format not in ("same", "png"):
            raise UserError(f"Expected the images' format to be 'same' or 'png', got {self.image_format!r}.")
        if not 1 <= self.quality <= 100:
            raise UserError(f"Expected a JPEG quality from 1 to 100, got {self.quality}.")
        for label in self.ignored:
            if isinstance(label, str):
                parse_color(label)

    def to_dict(self) -> dict[str, Any]:
        """Write the filters for the record."""
        purified = {} if self.color_threshold is None else {"color_threshold": self.color_threshold}
        return {
            **purified,
            "images": "area average",
            "labels": self.labels,
            "ignored": list(self.ignored),
            "image_format": self.image_format,
            "jpeg_quality": self.quality,
            "size": "nearest whole number, halves up, at least 1",
        }

    def copied_name(self, image: str) -> str:
        """Name an image in the copy."""
        return str(PurePosixPath(image).with_suffix(".png")) if self.image_format == "png" else image


@dataclass(frozen=True)
class Target:
    """One copy: its factor and its folder."""

    factor: int
    root: Path


@dataclass(frozen=True)
class Shard:
    """The part of the images that one of several machines does: number `index` of `count`, from 1."""

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise UserError(f"Expected a shard i/n with i from 1 to n, got {self.index}/{self.count}.")
