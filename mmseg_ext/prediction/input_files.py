"""What a command is to predict: files, folders, patterns and lists, each file with the name of its results."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from mmseg_ext.errors import MAX_LISTED, UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".vrt")
LIST_SUFFIX = ".txt"
_FORMATS = "JPEG, PNG, WebP, TIFF, GeoTIFF, VRT"


class InputFile(NamedTuple):
    """One file to predict.

    Attributes:
        path: Where it lies.
        name: Relative path of its results, with forward slashes and without a suffix.
    """

    path: Path
    name: str


def find_inputs(inputs: Sequence[str], left_out: str | Path | None = None) -> list[InputFile]:
    """Find the files that a command line names, each once.

    Args:
        inputs: Images, folders (with all folders below), patterns such as ``'fields/*.tif'``, and text files that list
            images, one a line, relative to the current folder or to the list's.
        left_out: A folder whose files are none, such as that of the results.

    Returns:
        The files in this order, those of a folder sorted. A result is named by the file's path relative to the folder
        or to the fixed part of the pattern; by the file's name otherwise. Where two of one folder differ in the suffix
        alone, it stays part of the names.

    Raises:
        UserError: There is no such file, one is no image, or two would have results of one name.
    """
    found: dict[str, InputFile] = {}
    for text in inputs:
        for path, base in _expand(text, None if left_out is None else Path(os.path.abspath(left_out))):
            name = path.relative_to(base).as_posix()
            found.setdefault(os.path.abspath(path), InputFile(path, name))
    if not found:
        raise UserError("Expected images to predict, got none.")
    return _distinct(found.values())


def _expand(text: str, left_out: Path | None) -> Iterable[tuple[Path, Path]]:
    """Yield the files of one argument, each with the folder that its name is relative to."""
    path = Path(text)
    if path.is_dir():
        images = [
            p for p in _images_below(path) if left_out is None or left_out not in Path(os.path.abspath(p)).parents
        ]
        if not images:
            raise UserError(f"Expected images ({_FORMATS}) in the folder {path}, found none.")
        return [(image, path) for image in images]
    if path.is_file():
        if path.suffix.lower() == LIST_SUFFIX:
            return [(image, image.parent) for image in _read_list(path)]
        _check_suffix(path)
        return [(path, path.parent)]
    if glob.has_magic(text):
        base = Path(*_fixed_parts(path))
        matches = [Path(match) for match in sorted(glob.glob(text, recursive=True))]
        images = [match for match in matches if match.is_file() and match.suffix.lower() in SUFFIXES]
        if not images:
            raise UserError(f"Expected images ({_FORMATS}) that match {text}, found none.")
        return [(image, base) for image in images]
    raise UserError(f"Expected an image, a folder, a pattern or a list (.txt) of images, found nothing at {text}.")


def _fixed_parts(pattern: Path) -> list[str]:
    parts: list[str] = []
    for part in pattern.parent.parts:
        if glob.has_magic(part):
            break
        parts.append(part)
    return parts


def _images_below(folder: Path) -> list[Path]:
    """List the images of a folder and of those below it, without hidden ones."""
    images = []
    for root, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        images += [
            Path(root, name)
            for name in sorted(files)
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES
        ]
    return images


def _read_list(path: Path) -> list[Path]:
    images = []
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    for number, line in enumerate(text.splitlines(), start=1):
        name = line.strip()
        if not name or name.startswith("#"):
            continue
        image = next((p for p in (Path(name), path.parent / name) if p.is_file()), None)
        if image is None:
            raise UserError(f"Expected an image in line {number} of {path}, found no file at {name}.")
        _check_suffix(image)
        images.append(image)
    if not images:
        raise UserError(f"Expected paths of images in {path}, one a line, found none.")
    return images


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"Expected an image ({_FORMATS}) or a list (.txt) of images, got {path}.")


def _distinct(inputs: Iterable[InputFile]) -> list[InputFile]:
    """Take the suffixes off the names, but where two would then be one."""
    inputs = list(inputs)
    stems = Counter(os.path.splitext(name)[0] for _, name in inputs)
    named = [
        InputFile(path, name if stems[os.path.splitext(name)[0]] > 1 else os.path.splitext(name)[0])
        for path, name in inputs
    ]
    counts = Counter(name for _, name in named)
    doubled = [str(path) for path, name in named if counts[name] > 1]
    if doubled:
        raise UserError(
            f"Expected images of different names, got {', '.join(sorted(doubled)[:MAX_LISTED])}, whose results would "
            "be one file. Name the folder that they all lie below."
        )
    return named


def take_shard(inputs: Sequence[InputFile], shard: str | None) -> list[InputFile]:
    """Return the share of the files that one of several processes predicts.

    Args:
        inputs: All files.
        shard: 'i/n', the i-th of n shares, from 1; None for all.

    Raises:
        UserError: `shard` is no such text.
    """
    if shard is None:
        return list(inputs)
    number, _, count = shard.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise UserError(f"Expected --shard i/n with i from 1 to n, such as 1/4, got {shard!r}.")
    return list(inputs[int(number) - 1 :: int(count)])
