"""The confusion matrices of single images, as one file.

Shape suffixes: N images, C classes, M cells that are not 0; 3 is true positives, truth, found.
"""

import io
import os
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mmseg_ext.errors import UserError

MAX_BYTES = 1 << 30
"""A larger file, unpacked, is refused, in bytes."""

Cells = tuple[np.ndarray, np.ndarray]
"""The places of a matrix that are not 0, as indices of the flat matrix, and their pixels."""


def cells_of(matrix: np.ndarray) -> Cells:
    """Return the cells of an array that are not 0: what is kept of an image."""
    flat = matrix.ravel()
    places = np.flatnonzero(flat)
    small = np.uint32 if flat.size < 1 << 32 and flat.max(initial=0) < 1 << 32 else np.int64
    return places.astype(small), flat[places].astype(small)


@dataclass(frozen=True)
class ImageMatrices:
    """The confusion matrices of the images of one evaluation.

    Attributes:
        names: Of the images, each once: paths below the data root, with forward slashes.
        classes: Their names.
        image_M: Index of the image of each cell, ascending.
        truth_M: True class of each cell.
        found_M: Predicted class.
        pixels_M: int64, more than 0.
        iteration: Iterations that were trained; None where that is not known.
        prefix: Stands before the names of the scores in the log, as in ``original/mIoU``; empty for none.
        is_test: The evaluation was a test.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...]
    image_M: np.ndarray
    truth_M: np.ndarray
    found_M: np.ndarray
    pixels_M: np.ndarray
    iteration: int | None = None
    prefix: str = ""
    is_test: bool = False

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        cells: Iterable[Cells],
        classes: Sequence[str],
        iteration: int | None = None,
        prefix: str = "",
        is_test: bool = False,
    ) -> "ImageMatrices":
        """Put the cells of single images together; names that repeat get a number.

        Args:
            names: Of the images.
            cells: Of each image, as :func:`cells_of` returns them.
            classes: Their names.
            iteration: See the attributes.
            prefix: Likewise.
            is_test: Likewise.
        """
        places, pixels = zip(*cells, strict=True) if names else ((), ())
        lengths = [len(item) for item in places]
        place_M = np.concatenate([*places, np.zeros(0, np.int64)]).astype(np.int64)
        pixels_M = np.concatenate([*pixels, np.zeros(0, np.int64)]).astype(np.int64)
        truth_M, found_M = np.divmod(place_M, len(classes))
        image_M = np.repeat(np.arange(len(names)), lengths)
        arrays = image_M, truth_M, found_M, pixels_M
        return cls(_each_once(names), tuple(classes), *arrays, iteration, prefix, is_test)

    @classmethod
    def of_matrices(
        cls, names: Sequence[str], matrices_NCC: np.ndarray, classes: Sequence[str], iteration: int | None = None
    ) -> "ImageMatrices":
        """Take whole matrices (N, C, C), truth in rows."""
        return cls.of(names, map(cells_of, matrices_NCC), classes, iteration)

    @cached_property
    def counts_N3C(self) -> np.ndarray:
        """True positives, truth and found of each image and class, float64 (N, 3, C)."""
        num_images, num_classes = len(self.names), len(self.classes)
        row_M = self.image_M * num_classes
        is_right_M = self.truth_M == self.found_M
        parts = [
            np.bincount(row_M + place_M, weights_M, minlength=num_images * num_classes)
            for place_M, weights_M in (
                (self.truth_M, self.pixels_M * is_right_M),
                (self.truth_M, self.pixels_M),
                (self.found_M, self.pixels_M),
            )
        ]
        return np.stack([part.reshape(num_images, num_classes) for part in parts], axis=1)

    def matrices(self) -> np.ndarray:
        """Return whole matrices, int64 (N, C, C); 8 bytes a cell."""
        shape = len(self.names), len(self.classes), len(self.classes)
        matrices_NCC = np.zeros(shape, np.int64)
        np.add.at(matrices_NCC, (self.image_M, self.truth_M, self.found_M), self.pixels_M)
        return matrices_NCC


def _each_once(names: Sequence[str]) -> tuple[str, ...]:
    if len(set(names)) == len(names):
        return tuple(names)
    seen: dict[str, int] = {}
    numbered = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        numbered.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(numbered)


def below_common_folder(paths: Sequence[str]) -> list[str]:
    """Return paths relative to the folder that all of them share, but for its last part where all lie in one folder.

    Example:
        >>> below_common_folder(["data/val/a.png", "data/val/b.png"])
        ['val/a.png', 'val/b.png']
    """
    whole = [os.path.abspath(path) for path in paths]
    folders = {os.path.dirname(path) for path in whole}
    if not folders:
        return []
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # several drives
        return [path.replace("\\", "/") for path in whole]
    root = os.path.dirname(common) if len(folders) == 1 else common
    return [os.path.relpath(path, root).replace("\\", "/") for path in whole]


def pack_image_matrices(matrices: ImageMatrices) -> bytes:
    """Return the content of an .npz file.

    It holds ``names``, ``classes``, and of each cell ``image``, ``truth``, ``prediction`` (indices) and ``pixels``;
    also ``iteration`` (-1 where it is not known), ``prefix`` and ``is_test``.
    """
    index = np.uint16 if len(matrices.classes) <= 1 << 16 else np.uint32
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        names=np.array(matrices.names, dtype=np.str_),
        classes=np.array(matrices.classes, dtype=np.str_),
        image=matrices.image_M.astype(np.uint32),
        truth=matrices.truth_M.astype(index),
        prediction=matrices.found_M.astype(index),
        pixels=matrices.pixels_M,
        iteration=np.array(-1 if matrices.iteration is None else matrices.iteration),
        prefix=np.array(matrices.prefix),
        is_test=np.array(matrices.is_test),
    )
    return buffer.getvalue()


def read_image_matrices(path: str | Path) -> ImageMatrices:
    """Read a file with the content of :func:`pack_image_matrices`.

    Raises:
        UserError: The file is another one, or damaged; names it.
        OSError: The file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(item.file_size for item in archive.infolist()) > MAX_BYTES:
                raise ValueError(f"more than {MAX_BYTES} bytes")
        with np.load(path, allow_pickle=False) as arrays:
            names, classes = (tuple(map(str, arrays[key].tolist())) for key in ("names", "classes"))
            image_M, truth_M, found_M, pixels_M = (
                arrays[key].astype(np.int64) for key in ("image", "truth", "prediction", "pixels")
            )
            iteration = int(arrays["iteration"])
            matrices = ImageMatrices(
                names,
                classes,
                image_M,
                truth_M,
                found_M,
                pixels_M,
                iteration=None if iteration < 0 else iteration,
                prefix=str(arrays["prefix"]),
                is_test=bool(arrays["is_test"]),
            )
        _check(matrices)
    except (ValueError, KeyError, TypeError, EOFError, OverflowError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(
            f"Expected the confusion matrices of an evaluation's images in {path}, got something else ({error}). "
            "Remove the file: the next evaluation writes it again."
        ) from None
    return matrices


def _check(matrices: ImageMatrices) -> None:
    num_classes, cells = len(matrices.classes), matrices.pixels_M
    if len(set(matrices.names)) != len(matrices.names):
        raise ValueError("a name stands there twice")
    for values_M, limit in (
        (matrices.image_M, len(matrices.names)),
        (matrices.truth_M, num_classes),
        (matrices.found_M, num_classes),
        (cells, np.iinfo(np.int64).max),
    ):
        if values_M.shape != cells.shape or cells.ndim != 1:
            raise ValueError("the arrays are not of one length")
        if values_M.size and not 0 <= values_M.min() <= values_M.max() < limit:
            raise ValueError("an index or a number of pixels is out of range")
