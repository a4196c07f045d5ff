"""Images at half, a quarter, … of their size, cut into tiles: what the page shows of large images.

Shape suffixes: H W height and width, h w at a reduced size.
"""

import threading
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np

from mmseg_ext.annotation.image_folder import ImageFolder
from mmseg_ext.downsampling.image_files import JPEG_SUFFIXES, UnusableFileError, encode_image, read_image
from mmseg_ext.errors import UserError
from mmseg_ext.masks.orientation import decode_as_shown

TILE = 512
"""Height and width of a tile."""
KEPT_BYTES = 600_000_000
"""Most that decoded images take in memory; an image of 100 megapixels takes half of it."""
JPEG_QUALITY = 93
_REDUCED = {1: cv2.IMREAD_REDUCED_COLOR_2, 2: cv2.IMREAD_REDUCED_COLOR_4, 3: cv2.IMREAD_REDUCED_COLOR_8}


def level_size(image_size: tuple[int, int], level: int) -> tuple[int, int]:
    """Return the height and width at a level: 0 is the image itself, each next one half of the last.

    Example:
        >>> level_size((1001, 3), 1), level_size((1001, 3), 4)
        ((501, 2), (63, 1))
    """
    return -(-image_size[0] >> level), -(-image_size[1] >> level)


def num_levels(image_size: tuple[int, int]) -> int:
    """Return how many levels there are until an image fits in one tile."""
    level = 0
    while max(level_size(image_size, level)) > TILE:
        level += 1
    return level + 1


def level_for(image_size: tuple[int, int], least_size: tuple[int, int]) -> int:
    """Return the smallest picture that is still of a size at least."""
    level = 0
    while level + 1 < num_levels(image_size) and all(
        n >= m for n, m in zip(level_size(image_size, level + 1), least_size, strict=True)
    ):
        level += 1
    return level


def decode_level(path: Path, image_size: tuple[int, int], level: int) -> np.ndarray:
    """Decode an image at a level; a JPEG is decoded at a reduced size at once.

    Args:
        path: The file.
        image_size: Height and width of the image as viewers show it.
        level: See :func:`level_size`.

    Returns:
        uint8 (h, w, 3), BGR.

    Raises:
        UserError: The file cannot be decoded, or holds more than eight bits a value.
    """
    image_HWC = None
    try:
        if level and path.suffix.lower() in JPEG_SUFFIXES:
            image_HWC = decode_as_shown(path.read_bytes(), _REDUCED[min(level, 3)])
        if image_HWC is None:
            image_HWC = read_image(path)
    except (UnusableFileError, OSError, cv2.error) as error:
        raise UserError(f"{path.name} {error}. Replace the file.") from error
    if image_HWC.dtype != np.uint8:
        raise UserError(f"{path.name} holds {image_HWC.dtype} values, expected eight bits. Convert the file.")
    return reduce_to(image_HWC, level_size(image_size, level))


def reduce_to(image_HWC: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Average pixels of an image to a smaller height and width."""
    if image_HWC.shape[:2] == size:
        return image_HWC
    return np.asarray(cv2.resize(image_HWC, size[::-1], interpolation=cv2.INTER_AREA))


class PictureLevels:
    """Tiles of images at all levels, made when they are asked for.

    Args:
        folder: The images.
    """

    def __init__(self, folder: ImageFolder) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def tile(self, number: int, level: int, row: int, column: int) -> bytes:
        """Return a tile as JPEG.

        Args:
            number: Of the image.
            level: See :func:`level_size`.
            row: Of the tile, from the top.
            column: Of the tile, from the left.

        Raises:
            UserError: There is no such tile, or the image cannot be decoded.
        """
        size = self.folder.size(number)
        if not 0 <= level < num_levels(size):
            raise UserError(f"Expected a level in 0..{num_levels(size) - 1}, got {level}.")
        rows, columns = (-(-length // TILE) for length in level_size(size, level))
        if not (0 <= row < rows and 0 <= column < columns):
            raise UserError(f"Expected a tile of {rows} rows and {columns} columns, got {row}, {column}.")
        picture_hwC = self._picture(number, level)
        part = picture_hwC[row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
        return encode_image(np.ascontiguousarray(part), ".jpg", JPEG_QUALITY)

    def _picture(self, number: int, level: int) -> np.ndarray:
        with self._lock:  # neighbouring tiles are asked for at the same time
            finer = next((self._kept[number, n] for n in range(level, -1, -1) if (number, n) in self._kept), None)
            size = self.folder.size(number)
            if finer is None:
                path = self.folder.path(number)
                if level and path.suffix.lower() not in JPEG_SUFFIXES:  # it is decoded whole in any case
                    finer = self._keep(number, 0, decode_level(path, size, 0))
                else:
                    finer = decode_level(path, size, level)
            return self._keep(number, level, reduce_to(finer, level_size(size, level)))

    def _keep(self, number: int, level: int, picture: np.ndarray) -> np.ndarray:
        self._kept[number, level] = picture
        self._kept.move_to_end((number, level))
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return picture
