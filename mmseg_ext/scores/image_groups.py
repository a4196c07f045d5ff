"""Groups of images that are alike, such as the tiles of one scene: what is resampled is the group, not the image."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from mmseg_ext.errors import UserError

MIN_FOLDERS = 5
"""With fewer folders than this the default resamples images: so few groups say nearly nothing of their spread."""

Groups = str | Callable[[str], str] | Sequence[str]
"""``folder``, ``image``, a regular expression whose first match in an image's name is its group, a function from the
name to the group, or a list with a group for each image."""


@dataclass(frozen=True)
class Units:
    """What is resampled.

    Attributes:
        index_N: The unit of each image, int.
        names: The names of the units.
        is_grouped: Whether a unit may be several images.
        note: What a reader has to know; empty for nothing.
    """

    index_N: np.ndarray = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    is_grouped: bool
    note: str = ""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def words(self) -> str:
        """How many units of what kind, such as ``54 images`` or ``6 groups of images``."""
        kind = "image" if not self.is_grouped else "group"
        return f"{len(self)} {kind}{'s' if len(self) != 1 else ''}{' of images' if self.is_grouped else ''}"


def group_images(names: Sequence[str], groups: Groups = "folder") -> Units:
    r"""Divide images into the units that are resampled.

    By folder, images are the units where there is one folder alone, and where there are fewer than
    :data:`MIN_FOLDERS`; a note says so then.

    Args:
        names: The names of the images, with forward slashes.
        groups: See :data:`Groups`.

    Raises:
        UserError: A regular expression is faulty or does not match a name, or a list is not as long as `names`.

    Example:
        >>> group_images(["tile_1/a.png", "tile_1/b.png", "tile_2/a.png"], r"tile_\d+").names
        ('tile_1', 'tile_2')
    """
    if groups == "image":
        return _units(list(names), is_grouped=False)
    if groups == "folder":
        folders = [str(PurePosixPath(name).parent) for name in names]
        count = len(set(folders))
        if MIN_FOLDERS <= count < len(names):
            return _units(folders, is_grouped=True)
        note = ""
        if 1 < count < min(MIN_FOLDERS, len(names)):
            note = (
                f"The images are of {count} folders, too few to resample: each image is taken for itself. Where the "
                "images of a folder are alike, the intervals are too narrow."
            )
        return _units(list(names), is_grouped=False, note=note)
    if isinstance(groups, str):
        return _units([_match(groups, name) for name in names], is_grouped=True)
    of_images = [groups(name) for name in names] if callable(groups) else list(groups)
    if len(of_images) != len(names):
        raise UserError(f"Expected a group for each of {len(names)} images, got {len(of_images)}.")
    return _units(list(map(str, of_images)), is_grouped=True)


def _match(pattern: str, name: str) -> str:
    try:
        match = re.search(pattern, name)
    except re.error as error:
        raise UserError(
            f"Expected groups to be 'folder', 'image' or a regular expression, got {pattern!r}: {error}."
        ) from None
    if match is None:
        raise UserError(f"Expected {pattern!r} to match the name of every image, it does not match {name!r}.")
    return match[0]


def _units(of_images: list[str], is_grouped: bool, note: str = "") -> Units:
    place: dict[str, int] = {}
    index = np.array([place.setdefault(name, len(place)) for name in of_images], dtype=np.intp)
    return Units(index, tuple(place), is_grouped, note)
