"""Images and label files: decoded without loss, encoded as the same kind of file.

Shape suffixes: H height, W width, C colour channels (BGR, as OpenCV has them).
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from mmseg_ext.masks.mask_meaning import FIX_BLURRED
from mmseg_ext.masks.orientation import decode_as_shown, open_as_shown
from mmseg_ext.masks.png_decoding import GRAY, RGB, decode_plain_png, read_png_header

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
LABEL_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif")
JPEG_SUFFIXES = (".jpg", ".jpeg")

_COLOR = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PILLOW_FORMATS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP", ".gif": "GIF"}
_PILLOW_OPTIONS: dict[str, dict[str, Any]] = {
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "GIF": {"optimize": False},  # or indices would be renumbered
}
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError, cv2.error)


class UnusableFileError(Exception):
    """A file that cannot be reduced; the text is the reason, and continues the path."""


@dataclass(frozen=True)
class LabelFile:
    """A decoded label file.

    Attributes:
        labels: (H, W), uint8, uint16 or bool: labels or palette indices; or colours (H, W, 3), uint8 BGR.
        palette: RGB bytes of a palette file, three an index; None for other files.
        by_opencv: Whether OpenCV writes this kind as it was; Pillow does the others.
    """

    labels: np.ndarray
    palette: bytes | None = None
    by_opencv: bool = True


def read_image(path: Path) -> np.ndarray:
    """Decode an image as training does: (H, W, 3), uint8 or uint16 BGR, turned by its EXIF orientation.

    Raises:
        UnusableFileError: It cannot be decoded, or is truncated.
    """
    data = _read(path)
    if data.startswith(_JPEG_START) and _JPEG_END not in data[-64:]:
        _judge_with_pillow(data)  # some versions of OpenCV fill the missing part with grey
    try:
        image = decode_as_shown(data, _COLOR)
    except cv2.error as error:
        raise UnusableFileError(f"cannot be decoded ({error})") from error
    if image is None:
        _judge_with_pillow(data)
        raise UnusableFileError("cannot be decoded by OpenCV")
    return np.asarray(image)


def encode_image(image: np.ndarray, suffix: str, quality: int) -> bytes:
    """Encode an image in the format of a file suffix.

    Args:
        image: (H, W, 3), uint8 or uint16 BGR.
        suffix: One of IMAGE_SUFFIXES.
        quality: Of JPEG and WebP, 1 to 100. Colours of JPEG are kept at the full resolution (4:4:4): the copy loses no
            more of them than its factor takes.
    """
    options: list[int] = []
    if suffix.lower() in JPEG_SUFFIXES:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    elif suffix.lower() == ".webp":
        options = [cv2.IMWRITE_WEBP_QUALITY, quality]
    return _encode(image, suffix, options)


def read_label_file(path: Path) -> LabelFile:
    """Decode a label file, turned by its EXIF orientation; palette files stay indices with their palette.

    Raises:
        UnusableFileError: It cannot be decoded, or is of a kind that cannot be written again as it was.
    """
    data = _read(path)
    if data.startswith(_JPEG_START):
        raise UnusableFileError(f"is a JPEG, which blurs labels; {FIX_BLURRED} --colors or --values")
    header = read_png_header(data)
    depth_and_kind = (header.bit_depth, header.color_type) if header else None
    if depth_and_kind in ((8, GRAY), (16, GRAY), (8, RGB)):
        plain = decode_plain_png(data, depth_and_kind[1])
        if plain is not None:
            return LabelFile(plain if plain.ndim == 2 else np.asarray(cv2.cvtColor(plain, cv2.COLOR_RGB2BGR)))
        try:
            labels = decode_as_shown(data, cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            raise UnusableFileError(f"cannot be decoded ({error})") from error
        # A single transparent colour, which PNG supports, becomes a fourth channel.
        if labels is not None and (labels.ndim == 2 or labels.shape[2] == 3):
            return LabelFile(np.asarray(labels))
    try:
        mask = open_as_shown(data)
        if mask.mode == "P":
            return LabelFile(np.asarray(mask), bytes(mask.getpalette("RGB") or b""), by_opencv=False)
        if mask.mode == "RGB":
            return LabelFile(np.ascontiguousarray(np.asarray(mask)[..., ::-1]), by_opencv=False)
        if mask.mode in ("1", "L", "I;16"):
            return LabelFile(np.asarray(mask), by_opencv=False)
        raise UnusableFileError(f"holds pixels of mode {mask.mode}; labels are indices or RGB colours")
    except _DECODE_ERRORS as error:
        raise UnusableFileError(f"cannot be decoded ({error})") from error


def encode_label_file(file: LabelFile, labels: np.ndarray, suffix: str) -> bytes:
    """Encode reduced labels as the kind that the original was.

    Args:
        file: The original.
        labels: (h, w) or (h, w, 3), of its dtype.
        suffix: One of LABEL_SUFFIXES.
    """
    if file.by_opencv:
        return _encode(labels, suffix, [])
    image = Image.fromarray(labels[..., ::-1] if labels.ndim == 3 else labels)
    if file.palette is not None:
        image = Image.frombytes("P", image.size, labels.tobytes())
        image.putpalette(file.palette)
    buffer = io.BytesIO()
    kind = _PILLOW_FORMATS[suffix.lower()]
    image.save(buffer, kind, **_PILLOW_OPTIONS.get(kind, {}))
    return buffer.getvalue()


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnusableFileError(f"cannot be read ({error.strerror})") from error
    if not data:
        raise UnusableFileError("is empty")
    return data


def _encode(pixels: np.ndarray, suffix: str, options: list[int]) -> bytes:
    done, data = cv2.imencode(suffix.lower(), pixels, options)
    if not done:
        raise UnusableFileError(f"cannot be written as {suffix}")
    return data.tobytes()


def _judge_with_pillow(data: bytes) -> None:
    """Raise, with Pillow's reason, if Pillow cannot decode the file either."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except _DECODE_ERRORS as error:
        text = "is no image" if "cannot identify" in str(error) else f"cannot be decoded ({error})"
        raise UnusableFileError(text) from error
