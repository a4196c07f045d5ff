"""Remember what log files said, so that unchanged files are not read again.

One JSON file for a set of work dirs, in the user's cache folder. An entry is used as long as the size and the times of
its file stay the same. A cache that cannot be read or written is no error: the logs are read instead.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from mmseg_ext.files import read_cache_file, write_cache_file

from .records import Evaluation, LogPart, Settings
from .score_rows import share_names

FORMAT = 7
"""Raised whenever the readers change what they return."""


def default_folder() -> Path:
    """Return the user's cache folder for tables."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "mmseg_ext" / "tables"


class RowCache:
    """What the files below some work dirs said when they were last read.

    Args:
        work_dirs: The folders; their absolute paths name the cache file.
        wanted: Per-class metrics kept for every evaluation; each choice has a cache of its own.
        folder: Where the cache files are; default: :func:`default_folder`.
    """

    def __init__(self, work_dirs: Iterable[Path | str], wanted: Iterable[str] = (), folder: Path | None = None) -> None:
        key = json.dumps([FORMAT, sorted(os.path.abspath(path) for path in work_dirs), sorted(wanted)])
        name = hashlib.sha1(key.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
        self.path = (folder or default_folder()) / f"{name}.json.gz"
        self._names: dict[tuple[str, ...], int] = {}  # class names, which most evaluations share, by their number
        self._old: dict[str, Any] = {}
        self._new: dict[str, Any] = {}
        self._is_changed = False
        content = read_cache_file(self.path)
        if content is not None:
            names, self._old = content
            self._names = {share_names(tuple(item)): index for index, item in enumerate(names)}
        self._shared_names = list(self._names)

    def get(self, key: str, status: os.stat_result) -> LogPart | Settings | None:
        """Return what a file said, None where it is not known or the file has changed."""
        stamp, value = entry = self._old.get(key, (None, ()))
        if stamp != _stamp(status):
            return None
        self._new[key] = entry
        return Settings(*value) if len(value) == len(fields(Settings)) else self._load_part(value)

    def put(self, key: str, status: os.stat_result, record: LogPart | Settings) -> None:
        """Remember what a file said."""
        self._new[key] = [_stamp(status), self._values(record)]
        self._is_changed = True

    def save(self) -> None:
        """Write the entries of the files seen since the cache was opened, where any of them is new."""
        if not self._is_changed and len(self._new) == len(self._old):
            return
        with contextlib.suppress(OSError):
            write_cache_file(self.path, [list(self._names), self._new])

    def _values(self, record: Any) -> Any:
        """Return the values of a record's fields as a list, those of the records in it too."""
        if isinstance(record, list):
            return [self._values(item) for item in record]
        if isinstance(record, Evaluation):
            number = self._names.setdefault(record.class_names, len(self._names))
            return [record.step, record.metrics, number, record.class_values]
        if isinstance(record, (LogPart, Settings)):
            return [self._values(getattr(record, item.name)) for item in fields(record)]
        return record

    def _load_part(self, values: list[Any]) -> LogPart:
        part = LogPart(*values)
        part.evaluations, part.tests = (
            [Evaluation(step, metrics, self._shared_names[number], scores) for step, metrics, number, scores in items]
            for items in (values[0], values[1])
        )
        part.settings = Settings(*part.settings) if isinstance(part.settings, list) else None
        return part


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
