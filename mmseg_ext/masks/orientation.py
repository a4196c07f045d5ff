"""The EXIF orientation of image files, and the one frame of images, masks and points: as viewers show them.

A camera stores its pixels unturned and notes in EXIF how to turn them. Some decoders turn them, others do not. All of
this package reads images and masks by :func:`decode_as_shown` or :func:`open_as_shown`, or by a decoder that turns.
Orientations are EXIF's: 1 as stored, 2 mirrored, 3 turned by 180°, 4 upside down, 5 transposed, 6 turned clockwise, 7
transposed along the other diagonal, 8 turned counter-clockwise.

Shape suffixes: H height, W width.
"""

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WEBP_SIGNATURE = b"RIFF"
_TAG = 0x0112
FIX_UNTURNED = "Turn such masks with: python tools/fix_masks.py MASKS --turn-like IMAGES --out FIXED"
"""What to do about masks that were drawn on the stored pixels of images with an EXIF orientation."""

IGNORING = "_ignore_orientation"  # what flags of mmcv end in that ask for the stored frame
_IGNORANT = ("turbojpeg", "tifffile")  # decoders that never turn

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_orientation(file: bytes | str | Path) -> int:
    """Read the EXIF orientation from the header of an image.

    Args:
        file: The content of the file, or its path.

    Returns:
        1 to 8; 1 where the file has none, or is no image.
    """
    try:
        with io.BytesIO(file) if isinstance(file, bytes) else open(file, "rb") as stream:
            start = stream.read(8)
            if start.startswith(TIFF_SIGNATURES):  # Pillow does not open those of more than four bands
                tags = TiffImagePlugin.ImageFileDirectory_v2(start)
                stream.seek(tags.next)
                tags.load(stream)
                return _valid(tags.get(_TAG))
            with Image.open(stream) as image:
                return orientation_of(image)
    except Exception:  # a damaged header may raise anything; the decoder that reads the pixels names the file
        return 1


def orientation_of(image: Image.Image) -> int:
    """Read the EXIF orientation of an image that Pillow has opened, without decoding it."""
    tags: Any = getattr(image, "tag_v2", None)
    if tags is None:
        # Not `getexif`: it decodes every PNG without EXIF, and follows XMP, which OpenCV does not.
        tags = Image.Exif()
        tags.load(image.info.get("exif", b""))
    return _valid(tags.get(_TAG))


def _valid(value: Any) -> int:
    return value if value in _TRANSPOSE else 1


def swap_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Turn the height and width as stored into those as shown, or back."""
    return (size[1], size[0]) if orientation >= 5 else size


def turn(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn pixels as stored into the frame that viewers show: (H, W) or (H, W, C); a copy, unless nothing turns.

    Example:
        >>> turn(np.array([[1, 2, 3], [4, 5, 6]]), 6).tolist()
        [[4, 1], [5, 2], [6, 3]]
    """
    if orientation == 1:
        return image
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    flip_rows, flip_columns = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(image[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])


def turn_point(x: int, y: int, size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Turn the place of a pixel as stored into that in the frame that viewers show.

    Args:
        x: Column, from the left of the stored image.
        y: Row, from its top.
        size: Height and width of the image as shown.
        orientation: 1 to 8.

    Returns:
        Column and row. A place outside the stored image stays outside.

    Example:
        >>> turn_point(0, 1, (3, 2), 6)
        (0, 0)
    """
    if orientation >= 5:
        x, y = y, x
    if orientation in (3, 4, 7, 8):
        y = size[0] - 1 - y
    if orientation in (2, 3, 6, 7):
        x = size[1] - 1 - x
    return x, y


def turns_by_exif(image_format: str, flag: str, backend: str) -> bool:
    """Whether a decoder of mmcv hands over an image with an EXIF orientation as viewers show it.

    Args:
        image_format: Pillow's name of the format.
        flag: mmcv's: 'color', 'unchanged' …
        backend: mmcv's: 'cv2', 'pillow' …
    """
    if backend in _IGNORANT or image_format == "TIFF":  # cv2 and Pillow turn a TIFF under every flag
        return backend not in _IGNORANT
    if flag not in ("color", "grayscale"):
        return False
    return backend == "pillow" or image_format != "WEBP"


def ignores_orientation(loader: Any) -> bool:
    """Whether a loading transform leaves photographs as they are stored, by its `color_type`.

    Args:
        loader: A transform; one without `color_type` loads no images.
    """
    flag = getattr(loader, "color_type", None)
    turns = getattr(loader, "turns_by_exif", False)
    return flag is not None and (flag.endswith(IGNORING) or (flag == "unchanged" and not turns))


def decode_as_shown(content: bytes, flag: str | int = "color", backend: str = "cv2") -> Any:
    """Decode an image as ``mmcv.imfrombytes`` does, turned by its EXIF orientation under every flag and decoder.

    Nothing is read twice where the decoder turns by itself.

    Args:
        content: The file.
        flag: mmcv's, or OpenCV's as a number for its own decoder. One that ends in '_ignore_orientation' leaves the
            image as it is stored.
        backend: The decoder, of mmcv.

    Returns:
        What mmcv returns: (H, W) or (H, W, C), BGR; None where OpenCV cannot decode the file.
    """
    ignores = isinstance(flag, str) and flag.endswith(IGNORING)
    leaves = backend in _IGNORANT or flag in ("unchanged", cv2.IMREAD_UNCHANGED)
    if backend == "cv2" and not (leaves or ignores) and content.startswith(_WEBP_SIGNATURE):
        # OpenCV does not turn a WebP; a release that learns it must not turn it once more.
        flag = f"{flag}{IGNORING}" if isinstance(flag, str) else flag | cv2.IMREAD_IGNORE_ORIENTATION
        leaves = True
    if isinstance(flag, int):
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flag)
    else:
        import mmcv  # costly, and not needed by all that import this module

        image = mmcv.imfrombytes(content, flag=flag, backend=backend)
    if image is None or ignores or not leaves:
        return image
    if backend not in _IGNORANT and content.startswith(TIFF_SIGNATURES):
        return image
    return turn(image, read_orientation(content))


def open_as_shown(file: bytes | str | Path) -> Image.Image:
    """Decode an image with Pillow, turned by its EXIF orientation; its mode and palette stay.

    Args:
        file: The content of the file, or its path.

    Raises:
        OSError: The file cannot be read or decoded; as ``Image.open``, also SyntaxError, ValueError.
    """
    content = file if isinstance(file, bytes) else Path(file).read_bytes()
    try:
        # By its path, Pillow maps an uncompressed TIFF into memory and scrambles it where it has to be turned.
        image = Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        name = "" if isinstance(file, bytes) else f" {str(file)!r}"
        raise UnidentifiedImageError(f"cannot identify image file{name}") from None
    image.load()
    method = None if image.format == "TIFF" else _TRANSPOSE.get(orientation_of(image))
    return image if method is None else image.transpose(method)
