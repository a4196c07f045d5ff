"""Masks that were saved with loss, or in another frame than their images: fixed copies of them.

A JPEG blurs labels. Each pixel is set to the nearest of the values that a mask may hold. Where that is a guess, the
pixel is counted as doubtful: the second nearest value is less than twice as far away as the nearest.

Shape suffixes: V values that occur, A allowed values, D numbers a value (1 for labels, 3 for colours), H height, W
width.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mmseg_ext.errors import MAX_LISTED, UserError
from mmseg_ext.files import replace_file
from mmseg_ext.masks.orientation import open_as_shown, read_orientation, swap_size, turn

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp")
_VALUES_AT_ONCE = 1 << 14


class FixedMask(NamedTuple):
    """What was done to a mask.

    Attributes:
        name: Its path below the folder.
        num_pixels: All of its pixels.
        num_changed: Pixels that held no allowed value.
        num_doubtful: Pixels whose second nearest value is less than twice as far away as the nearest.
        is_turned: Whether it was turned by the EXIF orientation of its image.
        error: Why there is no fixed copy; '' where there is one.
    """

    name: str
    num_pixels: int = 0
    num_changed: int = 0
    num_doubtful: int = 0
    is_turned: bool = False
    error: str = ""


def find_nearest(values_VD: np.ndarray, allowed_AD: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest allowed value of each value, by Euclidean distance; the first of several that are equally near.

    Args:
        values_VD: Integers.
        allowed_AD: Integers.

    Returns:
        Indices of the allowed values (V,), and which of them are doubtful, bool (V,).

    Example:
        >>> nearest, doubtful = find_nearest(np.array([[0], [80], [90], [127]]), np.array([[0], [255]]))
        >>> nearest.tolist(), doubtful.tolist()
        ([0, 0, 0, 0], [False, False, True, True])
    """
    nearest_V = np.zeros(len(values_VD), dtype=np.int64)
    doubtful_V = np.zeros(len(values_VD), dtype=bool)
    for start in range(0, len(values_VD), _VALUES_AT_ONCE):
        some = slice(start, start + _VALUES_AT_ONCE)
        squares_VA = ((values_VD[some, None].astype(np.int64) - allowed_AD[None]) ** 2).sum(-1)
        nearest_V[some] = squares_VA.argmin(1)
        if len(allowed_AD) > 1:
            ordered_VA = np.partition(squares_VA, 1, axis=1)
            doubtful_V[some] = 4 * ordered_VA[:, 0] > ordered_VA[:, 1]
    return nearest_V, doubtful_V


def fix_masks(
    source: Path,
    target: Path,
    allowed: Sequence[int] | Sequence[tuple[int, int, int]] = (),
    images: Path | None = None,
) -> Iterator[FixedMask]:
    """Write fixed copies, as PNG, of all masks in a folder and the folders inside it.

    Args:
        source: The folder.
        target: An empty or new folder, outside of `source`; the copies have the same names there, but for the suffix.
        allowed: The labels, or the colours as RGB, that a mask may hold; none leaves the values as they are.
        images: The folder of the images, of the same names but for the suffix: a mask that was drawn on the stored
            pixels of an image is turned by the image's EXIF orientation. One with an orientation of its own, or of the
            size that only the shown image has, is not.

    Yields:
        What was done to each mask, in the order of their names.

    Raises:
        UserError: A folder is missing, empty or not as it should be; two masks would have one name; a mask has no
            image. No copy has been written then.
    """
    if not source.is_dir():
        raise UserError(f"Expected masks in the folder {source}, found no such folder.")
    inside, outside = target.resolve(), source.resolve()
    if inside == outside or outside in inside.parents or (target.exists() and any(target.iterdir())):
        raise UserError(f"Expected --out to be an empty or new folder outside of {source}, got {target}.")
    path_of = _list_by_stem(source)
    if not path_of:
        raise UserError(f"Expected masks ({', '.join(SUFFIXES)}) in {source}, found none.")
    image_of = {} if images is None else _list_by_stem(images)
    lacking = [] if images is None else sorted(path_of.keys() - image_of.keys())
    if lacking:
        raise UserError(
            f"Expected in {images} an image for each mask, of the same name but for the suffix; {len(lacking)} of "
            f"{len(path_of)} have none: {', '.join(lacking[:MAX_LISTED])}."
        )
    for stem, path in sorted(path_of.items()):
        name = path.relative_to(source).as_posix()
        try:
            png, done = fix_mask(path, allowed, image_of.get(stem))
            replace_file(target / f"{stem}.png", png, sync=False)
            yield done._replace(name=name)
        except (OSError, SyntaxError, ValueError) as error:
            yield FixedMask(name, error=str(error))


def fix_mask(
    path: Path,
    allowed: Sequence[int] | Sequence[tuple[int, int, int]] = (),
    image: Path | None = None,
) -> tuple[bytes, FixedMask]:
    """Fix one mask; see :func:`fix_masks`.

    Returns:
        The PNG, and what was done.

    Raises:
        OSError: The mask cannot be read; as ``Image.open``, also SyntaxError, ValueError.
    """
    content = path.read_bytes()
    mask = open_as_shown(content)
    values: list[Any] = list(dict.fromkeys(allowed))  # a value that is named twice would be doubtful
    orientation = 1
    if image is not None and read_orientation(content) == 1:
        orientation = _missing_orientation(mask, image)
    if not values:
        pixels, changed, doubtful = np.asarray(mask), 0, 0
    elif isinstance(values[0], int):
        has_numbers = mask.mode in ("L", "P") or mask.mode.startswith("I")
        labels_HW = np.asarray(mask if has_numbers else mask.convert("L"))
        pixels, changed, doubtful = _snap(labels_HW[..., None], np.array(values)[:, None])
        pixels = pixels[..., 0]
    else:
        pixels, changed, doubtful = _snap(np.asarray(mask.convert("RGB")), np.array(values))
    fixed = Image.fromarray(turn(pixels, orientation))
    if not values and mask.mode == "P":
        fixed.putpalette(mask.getpalette("RGB") or [])
    buffer = io.BytesIO()
    fixed.save(buffer, "PNG")
    num_pixels = mask.width * mask.height
    return buffer.getvalue(), FixedMask(str(path), num_pixels, changed, doubtful, orientation != 1)


def _snap(values_HWD: np.ndarray, allowed_AD: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Set each pixel to the nearest allowed value; counts those that changed, and the doubtful ones."""
    depth = values_HWD.shape[-1]
    codes_HW = np.zeros(values_HWD.shape[:-1], dtype=np.int64)
    for index in range(depth):
        codes_HW = (codes_HW << 16) | values_HWD[..., index].astype(np.int64)
    codes_V, inverse, counts_V = np.unique(codes_HW, return_inverse=True, return_counts=True)
    values_VD = np.stack([codes_V >> (16 * (depth - 1 - index)) & 0xFFFF for index in range(depth)], axis=1)
    nearest_V, doubtful_V = find_nearest(values_VD, allowed_AD)
    snapped_VD = allowed_AD[nearest_V]
    changed_V = (snapped_VD != values_VD).any(1)
    kind = np.uint8 if allowed_AD.max() <= 255 else np.uint16
    pixels = snapped_VD.astype(kind)[inverse.reshape(codes_HW.shape)]
    return pixels, int(counts_V[changed_V].sum()), int(counts_V[doubtful_V].sum())


def _missing_orientation(mask: Image.Image, image: Path) -> int:
    """The EXIF orientation of an image that its mask lacks; 1 where the mask has the size of the shown image alone."""
    orientation = read_orientation(image)
    size = (mask.height, mask.width)
    if orientation >= 5:
        with Image.open(image) as opened:
            shown = (opened.height, opened.width)
            if opened.format != "TIFF":
                shown = swap_size(shown, orientation)
        if size == shown and size[0] != size[1]:
            return 1
    return orientation


def _list_by_stem(folder: Path) -> dict[str, Path]:
    """Find the images in a folder and below: their paths below it without suffix, and their paths."""
    path_of: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
            stem = path.relative_to(folder).with_suffix("").as_posix()
            if stem in path_of:
                raise UserError(
                    f"Expected one file of each name, got {path_of[stem]} and {path}. Move one of them away."
                )
            path_of[stem] = path
    return path_of
