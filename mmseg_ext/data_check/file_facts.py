"""The facts of one image file and of one mask file. Each file is decoded in full, so truncation is found.

Facts do not depend on classes or palettes: they stay valid for as long as the file does not change.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from mmseg_ext.masks.color_masks import pack_color, pack_colors
from mmseg_ext.masks.mask_facts import MaskFacts, has_fractions
from mmseg_ext.masks.orientation import decode_as_shown, open_as_shown, orientation_of, read_orientation, swap_size
from mmseg_ext.masks.png_decoding import has_plain_chunks

MAX_COLORS = 65536
"""A mask with more colours than this is no label map; its colours are not listed."""

_AGAIN = "Copy or download the file again, or remove it from the list"
# What Pillow raises for a file that it cannot decode; struct.error and EOFError come from broken headers.
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
_TIFF_SAMPLES_PER_PIXEL, _TIFF_EXTRA_SAMPLES = 277, 338


class UnreadableFileError(Exception):
    """A file that cannot be decoded: `what` is wrong, and the `fix`."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.what, self.fix = what, fix


@dataclass(frozen=True)
class ImageFacts:
    """An image.

    Attributes:
        height: In pixels, as viewers show it: turned by its EXIF orientation.
        width: Likewise.
        mode: Pillow's mode, or numpy's dtype where Pillow cannot read the file.
        bits: Bits a channel.
        bands: Channels that are not transparency; 3 for CMYK, which every decoder turns into three.
        orientation: EXIF orientation, 1 if there is none.
        format: Pillow's name of the format; '' where it is not known.
    """

    height: int
    width: int
    mode: str
    bits: int
    bands: int
    orientation: int = 1
    format: str = ""

    @property
    def stored_size(self) -> tuple[int, int]:
        """Height and width before the image is turned by its EXIF orientation."""
        return swap_size((self.height, self.width), self.orientation)


@contextmanager
def strict_pillow() -> Iterator[None]:
    """Let Pillow report truncated files, regardless of what other code has set."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def read_image_facts(path: str, backend: str = "cv2") -> ImageFacts:
    """Decode an image and describe it.

    Args:
        path: The file.
        backend: The decoder that training uses. Instead of 'cv2' and 'turbojpeg' Pillow decodes the file, because cv2
            decodes truncated files without an error.

    Raises:
        UnreadableFileError: The file cannot be decoded.
    """
    if backend not in ("cv2", "pillow", "turbojpeg"):
        return _describe_array(_decode_with_mmcv(path, backend), path)
    try:
        with Image.open(path) as image:
            facts = _describe_image(image)
            # JPEG only: decodes at an eighth of the size. All of the compressed data is still read.
            image.draft(image.mode, (1, 1))
            image.load()
            trusted = backend == "pillow" or image.format in ("JPEG", "BMP") or _is_whole_png(path, image.format)
    except UnidentifiedImageError:
        bands = _tiff_bands(path)
        if bands > 4:
            fix = "Save three of them as RGB, or read all with LoadImageFromFile(imdecode_backend='tifffile')"
            raise UnreadableFileError(f"holds {bands} bands, more than {backend} can decode", fix) from None
        facts = _describe_array(_decode_with_cv2(path, cv2.IMREAD_UNCHANGED), path)
        return replace(facts, bands=max(facts.bands, bands))
    except _DECODE_ERRORS as error:
        raise unreadable(path, error) from error
    if not trusted and max(facts.bits, 8) == 8:
        _decode_with_cv2(path, cv2.IMREAD_COLOR)
    return facts


def read_mask_facts(path: str, backend: str = "pillow") -> MaskFacts:
    """Decode a mask and count the pixels of each of its labels or colours.

    Raises:
        UnreadableFileError: The file cannot be decoded.
    """
    if backend != "pillow":
        return replace(_count_array(_decode_with_mmcv(path, backend)), orientation=read_orientation(path))
    try:
        content = Path(path).read_bytes()
        return replace(_count_mask(open_as_shown(content)), orientation=read_orientation(content))
    except _DECODE_ERRORS as error:
        raise unreadable(path, error) from error


def _describe_image(image: Image.Image) -> ImageFacts:
    mode = image.mode
    bits = {"1": 1, "I": 32, "F": 32}.get(mode, 16 if ";16" in mode else 8)
    # Pillow reads a 16-bit RGB PNG as mode RGB; only the way it unpacks the data differs.
    if any(";16" in str(tile[3]) for tile in getattr(image, "tile", ())):
        bits = 16
    bands = len([band for band in image.getbands() if band not in "AaX"])
    tags: Any = getattr(image, "tag_v2", None)
    if tags is not None:  # TIFF: Pillow drops the bands that its mode does not have
        alpha = set(tags.get(_TIFF_EXTRA_SAMPLES, ())) & {1, 2, 999}
        bands = int(tags.get(_TIFF_SAMPLES_PER_PIXEL, bands)) - bool(alpha)
    if mode == "CMYK":
        bands = 3
    orientation = orientation_of(image)
    height, width = image.height, image.width
    if image.format != "TIFF":  # Pillow gives the size of a TIFF as shown
        height, width = swap_size((height, width), orientation)
    return ImageFacts(height, width, mode, bits, bands, orientation, image.format or "")


def _is_whole_png(path: str, image_format: str | None) -> bool:
    """Whether OpenCV decodes a PNG that Pillow has decoded. Pillow stops reading at the last pixel."""
    return image_format == "PNG" and has_plain_chunks(Path(path).read_bytes(), check=True)


def _tiff_bands(path: str) -> int:
    """Number of bands of a TIFF that Pillow does not take; 0 if it is none."""
    try:
        with open(path, "rb") as file:
            tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
            file.seek(tags.next)
            tags.load(file)
            bands: Any = tags.get(_TIFF_SAMPLES_PER_PIXEL, 1)
            return int(bands)
    except Exception:  # a file that is no TIFF may raise anything
        return 0


def _describe_array(array: np.ndarray, path: str) -> ImageFacts:
    bands = 1 if array.ndim == 2 else array.shape[2]
    bits, image_format = array.dtype.itemsize * 8, "TIFF" if _tiff_bands(path) else ""
    height, width = array.shape[:2]
    return ImageFacts(height, width, str(array.dtype), bits, bands, read_orientation(path), image_format)


def _count_mask(mask: Image.Image) -> MaskFacts:
    height, width, mode = mask.height, mask.width, mask.mode
    if mode in ("1", "L", "P"):
        histogram = mask.histogram()
        values = [v for v in range(256) if histogram[v]]
        counts = [histogram[v] for v in values]
        palette: list[int] = []
        if mode == "1":
            values = [min(v, 1) for v in values]
        if mode == "P":
            flat = list(mask.getpalette("RGB") or []) + [0] * 768
            palette = [pack_color(flat[3 * v : 3 * v + 3]) for v in values]
        return MaskFacts(height, width, mode, "index", values, counts, palette)
    if mode.startswith("I") or mode == "F":
        return _count_array(np.asarray(mask), mode)
    found: Any = (mask if mode == "RGB" else mask.convert("RGB")).getcolors(MAX_COLORS) or []
    packed = sorted((pack_color(color), count) for count, color in found)
    return MaskFacts(height, width, mode, "color", [c for c, _ in packed], [n for _, n in packed], [])


def _count_array(array: np.ndarray, mode: str | None = None) -> MaskFacts:
    kind: Literal["index", "color"] = "index"
    if has_fractions(array):
        what = f"holds fractions ({array.min():g} to {array.max():g})"
        raise UnreadableFileError(what, "Save labels as integers")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    height, width = array.shape[:2]
    flat = array
    if array.ndim == 3:
        kind = "color"
        bgr = array[..., :3].astype(np.uint8)
        flat = pack_colors(bgr[..., ::-1]) if bgr.shape[2] == 3 else bgr[..., 0].astype(np.int32) * 0x010101
    values, counts = np.unique(flat, return_counts=True)
    if len(values) > MAX_COLORS:
        values = counts = np.zeros(0, dtype=np.int64)
    return MaskFacts(height, width, mode or str(array.dtype), kind, values.astype(int).tolist(), counts.tolist(), [])


def _decode_with_cv2(path: str, flag: int) -> np.ndarray:
    try:
        with open(path, "rb") as file:
            array = decode_as_shown(file.read(), flag)
    except (OSError, cv2.error) as error:
        raise unreadable(path, error) from error
    if array is None:
        raise UnreadableFileError("is no image that OpenCV can decode", "Save it as JPEG, PNG or TIFF")
    return array


def _decode_with_mmcv(path: str, backend: str) -> np.ndarray:
    try:
        with open(path, "rb") as file:
            array = decode_as_shown(file.read(), "unchanged", backend)
    except Exception as error:  # each decoder has its own exceptions
        raise unreadable(path, error) from error
    if array is None:
        raise UnreadableFileError(f"is no image that {backend} can decode", _AGAIN)
    return array


def unreadable(path: str, error: Exception) -> UnreadableFileError:
    """Explain what a decoder or the system has raised about a file."""
    text = str(error).replace(f" '{path}'", "")
    if isinstance(error, Image.DecompressionBombError):
        return UnreadableFileError(f"is too large: {text}", "Cut it into tiles")
    if isinstance(error, PermissionError):
        return UnreadableFileError("may not be read (permission denied)", "Give yourself the right: chmod u+r")
    if "truncated" in text:
        return UnreadableFileError(f"is truncated ({text})", _AGAIN)
    return UnreadableFileError(f"cannot be decoded ({text})", _AGAIN)
