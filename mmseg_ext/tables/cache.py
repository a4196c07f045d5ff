"""Remember what log files said, so that unchanged files are not read again.

One JSON file a set of work dirs, under the user's cache folder. An entry holds as long as the size and the times of its
file stay the same. A cache that cannot be read or written is no error: the logs are read instead.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from .metrics import share_names
from .records import Evaluation, LogPart, Settings

FORMAT = 3
"""Raised whenever the readers change what they return."""

_PART_FIELDS = tuple(item.name for item in fields(LogPart) if item.name not in ("evaluations", "tests", "settings"))
_SETTINGS_FIELDS = tuple(item.name for item in fields(Settings))


def default_folder() -> Path:
    """Return the user's cache folder for tables."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "mmseg_ext" / "tables"


class Cache:
    """What the files below some work dirs said when they were last read.

    Args:
        work_dirs: the folders; their absolute paths name the cache file.
        wanted: per-class metrics kept for every evaluation; each choice has a cache of its own.
        folder: where the cache files are; default: :func:`default_folder`.
    """

    def __init__(self, work_dirs: Iterable[Path | str], wanted: Iterable[str] = (), folder: Path | None = None) -> None:
        key = json.dumps([FORMAT, sorted(os.path.abspath(path) for path in work_dirs), sorted(wanted)])
        name = hashlib.sha1(key.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
        self.path = (default_folder() if folder is None else folder) / f"{name}.json"
        self._names: list[tuple[str, ...]] = []
        self._old: dict[str, Any] = {}
        self._new: dict[str, Any] = {}
        self._is_changed = False
        try:
            stored = json.loads(self.path.read_bytes())
            self._names = [share_names(tuple(names)) for names in stored["names"]]
            self._old = stored["files"]
        except (OSError, ValueError, TypeError, KeyError):
            self._old = {}
        self._name_index = {names: index for index, names in enumerate(self._names)}

    def _get(self, key: str, status: os.stat_result) -> Any:
        entry = self._old.get(key)
        if not isinstance(entry, list) or len(entry) != 2 or entry[0] != _stamp(status):
            return None
        self._new[key] = entry
        return entry[1]

    def _put(self, key: str, status: os.stat_result, value: Any) -> None:
        self._new[key] = [_stamp(status), value]
        self._is_changed = True

    def log(self, key: str, status: os.stat_result) -> LogPart | None:
        """Return what a log said, None where it is not known or the file has changed."""
        value = self._get(key, status)
        if value is None:
            return None
        try:
            values, evaluations, tests, settings = value
            part = LogPart(**dict(zip(_PART_FIELDS, values, strict=True)))
            part.evaluations = [self._load_evaluation(item) for item in evaluations]
            part.tests = [self._load_evaluation(item) for item in tests]
            part.settings = _load_settings(settings)
        except (TypeError, ValueError, IndexError, KeyError):
            return None
        return part

    def put_log(self, key: str, status: os.stat_result, part: LogPart) -> None:
        """Remember what a log said."""
        value = [
            [getattr(part, name) for name in _PART_FIELDS],
            [self._dump_evaluation(item) for item in part.evaluations],
            [self._dump_evaluation(item) for item in part.tests],
            _dump_settings(part.settings),
        ]
        self._put(key, status, value)

    def settings(self, key: str, status: os.stat_result) -> Settings | None:
        """Return what a dumped config said, None where it is not known or the file has changed."""
        value = self._get(key, status)
        try:
            return _load_settings(value)
        except (TypeError, ValueError):
            return None

    def put_settings(self, key: str, status: os.stat_result, settings: Settings) -> None:
        """Remember what a dumped config said."""
        self._put(key, status, _dump_settings(settings))

    def save(self) -> None:
        """Write the entries of the files seen since the cache was opened, where any of them is new."""
        if not self._is_changed and len(self._new) == len(self._old):
            return
        text = json.dumps({"names": self._names, "files": self._new}, separators=(",", ":"))
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(text.encode("utf-8", "surrogatepass"))
            os.replace(temporary, self.path)

    def _dump_evaluation(self, item: Evaluation) -> list[Any]:
        if not item.class_names:
            return [item.step, item.metrics]
        index = self._name_index.get(item.class_names)
        if index is None:
            index = self._name_index[item.class_names] = len(self._names)
            self._names.append(item.class_names)
        return [item.step, item.metrics, index, item.class_values]

    def _load_evaluation(self, value: list[Any]) -> Evaluation:
        if len(value) == 2:
            return Evaluation(value[0], dict(value[1]))
        return Evaluation(value[0], dict(value[1]), self._names[value[2]], value[3])


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _dump_settings(settings: Settings | None) -> list[Any] | None:
    return None if settings is None else [getattr(settings, name) for name in _SETTINGS_FIELDS]


def _load_settings(values: list[Any] | None) -> Settings | None:
    return None if values is None else Settings(**dict(zip(_SETTINGS_FIELDS, values, strict=True)))
