"""Completed labels as files: for each image a mask of class indices and, beside it, how probable they are.

A folder of them holds ``labels/NAME.png`` and ``confidence/NAME.png`` (0 … 255 for 0 … 1), and ``completed.json`` once
all are there. Each file says in a text chunk what it was made from.

Shape suffixes: H height, W width.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from mmseg_ext.errors import UserError
from mmseg_ext.files import join_below, replacing_file

FOLDER_KEY = "completed_labels"
"""Key of a sample whose dataset has completed labels: the folder that holds them."""

RECORD = "completed.json"
_CHUNK = "mmseg_ext completed from"
_FIX = "Complete the labels again: python tools/complete_labels.py CONFIG."


def completed_paths(folder: str | Path, image_name: str) -> tuple[Path, Path]:
    """Name the files of an image: labels and confidence.

    Args:
        folder: Of completed labels.
        image_name: Path of the image relative to the data root.

    Raises:
        UserError: The name leads out of the folder.
    """
    name = Path(image_name).with_suffix(".png")
    return join_below(Path(folder) / "labels", name), join_below(Path(folder) / "confidence", name)


def made_from(path: Path) -> str | None:
    """Read what a file was made from; None for a file of another origin.

    Raises:
        OSError: There is no such file, or it cannot be read.
    """
    with open(path, "rb") as file:
        try:
            with Image.open(file) as image:
                image.load()  # all of it: a file that is cut off was not written by us
                return getattr(image, "text", {}).get(_CHUNK)
        except (OSError, SyntaxError, ValueError):
            return None


def is_completed(folder: str | Path, image_name: str, digest: str) -> bool:
    """Whether the files of an image are there, and made from this.

    Raises:
        UserError: A file of another origin is in their place.
    """
    states = []
    for path in completed_paths(folder, image_name):
        try:
            found = made_from(path)
        except FileNotFoundError:
            found = ""
        if found is None:
            raise UserError(
                f"Expected no file at {path}, or one that tools/complete_labels.py wrote, found another. Name another "
                "folder with --out, or remove it."
            )
        states.append(found)
    return states == [digest, digest]


def write_completed(
    folder: str | Path, image_name: str, labels_HW: np.ndarray, confidence_HW: np.ndarray, digest: str
) -> None:
    """Write the files of an image.

    Args:
        folder: Of completed labels.
        image_name: Path of the image relative to the data root.
        labels_HW: uint8 class indices, 255 for none.
        confidence_HW: uint8, 255 for certain.
        digest: Says what they were made from.
    """
    # The labels last: where they are, the confidence is.
    for path, values_HW in zip(reversed(completed_paths(folder, image_name)), (confidence_HW, labels_HW), strict=True):
        chunks = PngImagePlugin.PngInfo()
        chunks.add_text(_CHUNK, digest)
        buffer = io.BytesIO()
        Image.fromarray(values_HW).save(buffer, format="PNG", pnginfo=chunks, compress_level=1)
        with replacing_file(path, sync=False) as file:
            file.write(buffer.getbuffer())


def read_completed(
    folder: str | Path, image_name: str, with_confidence: bool = True
) -> tuple[np.ndarray, np.ndarray | None]:
    """Read the files of an image.

    Returns:
        uint8 labels (H, W), and uint8 confidence (H, W) where it is asked for.

    Raises:
        UserError: A file is missing or damaged.
    """
    arrays = []
    for path in completed_paths(folder, image_name)[: 1 + with_confidence]:
        try:
            with Image.open(path) as image:
                arrays.append(np.array(image))
        except (OSError, SyntaxError, ValueError) as error:
            raise UserError(f"Cannot read the completed labels {path}: {error}. {_FIX}") from error
        if arrays[-1].dtype != np.uint8 or arrays[-1].ndim != 2 or arrays[-1].shape != arrays[0].shape:
            raise UserError(f"Expected completed labels in {path}, got something else. {_FIX}")
    return arrays[0], arrays[1] if with_confidence else None
