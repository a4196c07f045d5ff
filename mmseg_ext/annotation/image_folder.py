"""The images of a folder and of those below it, known to the page by numbers alone."""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from mmseg_ext.downsampling.image_files import IMAGE_SUFFIXES
from mmseg_ext.errors import UserError
from mmseg_ext.points.images_below import images_by_bare_name
from mmseg_ext.prediction.image_frames import read_frame


class ImageFolder:
    """Images below a folder, sorted by their names.

    Hidden ones, those in folders of masks, and links to files outside of the folder are left out.

    Args:
        root: The folder.

    Attributes:
        names: Path of each image relative to the folder, with forward slashes.
        number_of: The index of each name.

    Raises:
        UserError: There is no such folder, or no image in it.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise UserError(f"Expected a folder of images, found none at {root}.")
        inside = os.path.realpath(root) + os.sep
        found = (name for names in images_by_bare_name(str(root)).values() for name in names)
        self.names: Sequence[str] = sorted(
            name
            for name in found
            if name.lower().endswith(IMAGE_SUFFIXES)
            and not name.rpartition("/")[2].startswith(".")
            and os.path.realpath(self.root / name).startswith(inside)
        )
        if not self.names:
            raise UserError(f"Expected images ({', '.join(IMAGE_SUFFIXES)}) in the folder {root}, found none.")
        self.number_of = {name: number for number, name in enumerate(self.names)}
        self.size = lru_cache(maxsize=None)(self._read_size)

    def __len__(self) -> int:
        return len(self.names)

    def path(self, number: int) -> Path:
        """Return the path of an image."""
        return self.root / self.names[number]

    def state(self, number: int) -> str:
        """Name an image and the state of its file."""
        status = os.stat(self.path(number))
        return f"{os.path.realpath(self.path(number))}\0{status.st_size}\0{status.st_mtime_ns}"

    def _read_size(self, number: int) -> tuple[int, int]:
        """Read the height and width of an image as viewers show it, from the file's header.

        Raises:
            UserError: The file is no image.
        """
        return read_frame(self.path(number))[0]

    def neighbours(self, number: int, most: int | None = None) -> list[int]:
        """List all images, or the `most` nearest, the nearest to one first, itself before them."""
        reach = len(self) if most is None else most
        near = range(max(0, number - reach), min(len(self), number + reach + 1))
        return sorted(near, key=lambda other: (abs(other - number), other < number))[:most]
