"""What a reader of a foreign format returns: marked places, as the other program wrote them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from mmseg_ext.errors import UserError
from mmseg_ext.points.coordinates import CoordinateReader


class ImageFrames(Protocol):
    """The images that points are of; ``prediction.image_frames.FolderFrames`` finds those of a folder."""

    @property
    def names(self) -> Sequence[str]:
        """Paths relative to the folder of the images, with forward slashes."""
        ...  # pragma: no cover

    def size(self, name: str) -> tuple[int, int]:
        """Return the height and width of an image as viewers show it, in pixels."""
        ...  # pragma: no cover

    def turn(self, name: str, x: int, y: int) -> tuple[int, int]:
        """Turn a pixel as stored, (column, row), into that of the image as viewers show it, by its EXIF orientation."""
        ...  # pragma: no cover

    def locate(self, places: Sequence[tuple[float, float]], crs: str | None) -> list[tuple[str, float, float] | None]:
        """Find the image and the pixel of places on the map.

        Args:
            places: (x, y), as (longitude, latitude) or (easting, northing).
            crs: Their coordinate reference system; None takes that of each image.

        Returns:
            The image, column and row of each place; None where no image has it.
        """
        ...  # pragma: no cover


class Mark(NamedTuple):
    """A labelled place.

    Attributes:
        image: The image as the file names it.
        x: From the left edge of the image, in `unit`; the first pixel is 0 to 1.
        y: From the top, likewise.
        label: Name of the class.
        where: Its place in the file, for messages.
        unit: 'pixel', or 'percent' of the width and height.
    """

    image: str
    x: float
    y: float
    label: str
    where: str
    unit: Literal["pixel", "percent"] = "pixel"


@dataclass
class Marks:
    """What a file holds.

    Attributes:
        marks: In the order of the file.
        left_out: What is in it that is no point, by its kind in the words of the format.
        notes: What should be said of how it was read, in sentences.
    """

    marks: list[Mark] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


_numbers = CoordinateReader()


def read_number(value: Any, path: Any, where: str, name: str) -> float:
    """Read a coordinate of a foreign format, which has decimal points.

    Raises:
        UserError: It is no finite number.
    """
    if _numbers.read(value) is None or (isinstance(value, str) and "," in value):
        raise mark_error(path, where, f"`{name}` to be a number", repr(value))
    return float(value)


def mark_error(path: Any, where: str, expected: str, got: str, fix: str = "") -> UserError:
    """Make the error for a place in a file."""
    return UserError(f"{path}, {where}: expected {expected}, got {got[:60]}.{' ' + fix if fix else ''}")


def only_label(labels: Any, path: Any, where: str) -> str:
    """Return the one label of a place.

    Raises:
        UserError: There is none, or several.
    """
    labels = labels if isinstance(labels, list) else [labels]
    if len(labels) != 1 or not isinstance(labels[0], str | int) or str(labels[0]).strip() == "":
        raise mark_error(path, where, "one label", repr(labels), "Correct it in the program that wrote the file.")
    return str(labels[0]).strip()
