"""``dataset.json``: what a copy holds and how it was made. Written last: a copy that has it is complete."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mmseg_ext.downsampling.layouts import Failure, Pair
from mmseg_ext.errors import UserError
from mmseg_ext.files import read_json
from mmseg_ext.image_names import name_bytes

RECORD_NAME = "dataset.json"
STATE_FOLDER = ".downsampling"
"""Where an unfinished copy keeps its settings and what its shards have done."""

FORMAT = 1


def copy_root(source: Path, factor: int) -> Path:
    """Return where the copy of a dataset lies by default: beside it, ``<name>_ds_<factor>``."""
    return source.parent / f"{source.name}_ds_{factor}"


def hash_names(names: Iterable[str]) -> str:
    """Hash a list of names, independent of their order: sha256 of the sorted names, one a line."""
    return hashlib.sha256(name_bytes("".join(f"{name}\n" for name in sorted(names)))).hexdigest()


def make_record(
    settings: dict[str, Any], source: Path, root: Path, pairs: Sequence[Pair], failed: Sequence[Failure]
) -> dict[str, Any]:
    """Make the record of a complete copy.

    Args:
        settings: Factor, layout and filters.
        source: The original.
        root: The copy.
        pairs: What the copy holds, by its own names.
        failed: What it lacks, and why.
    """
    import cv2

    from mmseg_ext import __version__

    names_in: dict[str, list[str]] = {}
    for image, _ in pairs:
        folder, _, name = image.rpartition("/")
        names_in.setdefault(folder or ".", []).append(name)
    masks = sum(mask is not None for _, mask in pairs)
    return {
        "format": FORMAT,
        **settings,
        "source": _path_from(root, source),
        "counts": {"images": len(pairs), "masks": masks, "failed": len(failed)},
        "folders": {
            folder: {"images": len(names), "sha256": hash_names(names)} for folder, names in sorted(names_in.items())
        },
        "list_sha256": hash_names(f"{image}\t{mask or ''}" for image, mask in pairs),
        "failed": [failure._asdict() for failure in sorted(failed)],
        "version": f"mmseg_ext {__version__}, OpenCV {cv2.__version__}",
    }


def _path_from(root: Path, source: Path) -> str:
    """Name the original from the copy, so that both can be moved together."""
    try:
        return Path(os.path.relpath(source, root)).as_posix()
    except ValueError:  # another drive
        return str(source.absolute())


def read_record(root: str | Path, factor: int, layout: str, source: str | Path) -> dict[str, Any]:
    """Read the record of a copy and check that the copy is the expected one.

    Args:
        root: The copy.
        factor: The expected one.
        layout: The expected kind of tree.
        source: The original, for the command that makes the copy.

    Raises:
        UserError: The copy or its record is missing, or is of another factor or kind.
    """
    root = Path(root)
    path = root / RECORD_NAME
    default = copy_root(Path(source), factor)
    target = "" if root == default else f" {root}"
    fix = f"Make it with: python tools/downsample.py {source}{target} --factor {factor}"
    if not root.is_dir():
        raise UserError(f"Expected the copy at 1/{factor} in {root}, found no such folder. {fix}")
    if not path.is_file():
        if (root / STATE_FOLDER).is_dir():
            raise UserError(
                f"Expected a complete copy in {root}, found one that was interrupted. Go on with: {fix[14:]}"
            )
        raise UserError(
            f"Expected {path}, which the command that makes a copy writes at its end, found none. {fix}, or set "
            "verify=False to take the folder as it is."
        )
    try:
        record = read_json(path)
        found = {key: record[key] for key in ("format", "factor", "layout", "folders", "source")}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"Expected the record of a copy in {path}, got something else ({error!r}). {fix}") from error
    wanted = {"format": FORMAT, "factor": factor, "layout": layout}
    for key, value in wanted.items():
        if found[key] != value:
            raise UserError(
                f"Expected {key} {value} in {path}, got {found[key]}. Set `factor` or `data_root` to match."
            )
    return dict(record)


def check_names(record: dict[str, Any], root: str | Path, folder: str, names: Sequence[str]) -> None:
    """Check that a folder of a copy holds the images that its record lists.

    Args:
        record: From :func:`read_record`.
        root: The copy, for the message.
        folder: Relative to it.
        names: The names of the images that are there.

    Raises:
        UserError: Other images are there.
    """
    listed = record["folders"].get(folder)
    if listed is None or listed["sha256"] != hash_names(names):
        count = 0 if listed is None else listed["images"]
        other = "" if count != len(names) else " of other names"
        raise UserError(
            f"Expected in {Path(root) / folder} the {count} images that {Path(root) / RECORD_NAME} lists, found "
            f"{len(names)}{other}. Run the command that made the copy again: it makes the missing ones; or remove "
            "those that were added."
        )


def original_root(record: dict[str, Any], root: str | Path) -> Path:
    """Return where the original of a copy lies, by its record."""
    return Path(os.path.normpath(Path(root) / record["source"]))
