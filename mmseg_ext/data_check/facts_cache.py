"""The facts of files that earlier checks have read, kept for as long as a file does not change."""

import hashlib
import os
import re
import zlib
from dataclasses import astuple
from pathlib import Path
from typing import TypeVar

from mmseg_ext.data_check.file_facts import ImageFacts
from mmseg_ext.files import read_cache_file, write_cache_file
from mmseg_ext.masks.mask_facts import MaskFacts

FORMAT = 3
"""Raised whenever facts are read or stored differently: older files are then ignored."""

Facts = TypeVar("Facts", ImageFacts, MaskFacts)


_TAIL_BYTES = 4096


def stamp_of(path: str, stat: os.stat_result) -> list[int]:
    """Describe the state of a file: its size, its times, and a digest of its last 4 KiB.

    The time of change is new in a replaced file, even if its time of modification is old. Where both are the same, as
    after a change within one tick of the clock or on a drive without such times, the content differs near the end of
    the file in almost all formats: a PNG ends in checksums, a JPEG in the last of its coded pixels.

    Raises:
        OSError: The file cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        tail = os.pread(file.fileno(), _TAIL_BYTES, max(0, stat.st_size - _TAIL_BYTES))
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, zlib.crc32(tail)]


def default_cache_dir() -> Path:
    """``$XDG_CACHE_HOME/mmseg_ext`` or ``~/.cache/mmseg_ext``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "mmseg_ext"


class FactsCache:
    """Facts of files, one compressed JSON file for each tree of images.

    Splits and folds of the same tree share it. A file that is damaged or of another format counts as empty.

    Args:
        path: The cache file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._rows: dict[str, list] = {}
        self._changed = False
        content = None if path is None else read_cache_file(path)
        if isinstance(content, dict) and content.get("format") == FORMAT:
            self._rows = content["rows"]

    @classmethod
    def for_folder(cls, folder: str, cache_dir: str | os.PathLike | None) -> "FactsCache":
        """The cache of the images under `folder`, in `cache_dir` or the default one."""
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(folder).name) or "root"
        digest = hashlib.sha256(folder.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        return cls(Path(cache_dir or default_cache_dir()) / f"data_check-{name}-{digest}.json.gz")

    def get(self, kind: type[Facts], key: str, stamp: list[int]) -> Facts | None:
        """The facts stored for this file, if it has not changed since; `stamp` is from :func:`stamp_of`."""
        stored, facts = self._rows.get(f"{kind.__name__}:{key}", (None, ()))
        return kind(*facts) if stored == stamp else None

    def put(self, key: str, stamp: list[int], facts: ImageFacts | MaskFacts) -> None:
        """Store the facts of a file; `stamp` was taken before it was read."""
        self._rows[f"{type(facts).__name__}:{key}"] = [stamp, list(astuple(facts))]
        self._changed = True

    def save(self) -> None:
        """Write the file in one step, so that an interrupted run leaves the old one whole.

        Raises:
            OSError: It cannot be written.
        """
        if self.path is None or not self._changed:
            return
        write_cache_file(self.path, {"format": FORMAT, "rows": self._rows})
        self._changed = False
