"""The facts of files that earlier checks have read, kept for as long as a file does not change."""

import gzip
import hashlib
import json
import os
import re
import zlib
from dataclasses import astuple
from pathlib import Path
from typing import TypeVar

from mmseg_ext.data_check.file_facts import ImageFacts
from mmseg_ext.files import replace_file
from mmseg_ext.masks.mask_facts import MaskFacts

FORMAT = 3
"""Raised whenever facts are read or stored differently: older files are then ignored."""

Facts = TypeVar("Facts", ImageFacts, MaskFacts)


def _stamp(stat: os.stat_result) -> list[int]:
    """The state of a file. The time of change is new in a replaced file, even if its time of modification is old."""
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


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
        if path is not None:
            try:
                with gzip.open(path, "rt", encoding="utf-8") as file:
                    content = json.load(file)
                if content["format"] == FORMAT and isinstance(content["rows"], dict):
                    self._rows = content["rows"]
            except (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error):
                pass  # missing or damaged: everything is read again

    @classmethod
    def for_folder(cls, folder: str, cache_dir: str | os.PathLike | None) -> "FactsCache":
        """The cache of the images under `folder`, in `cache_dir` or the default one."""
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", Path(folder).name) or "root"
        digest = hashlib.sha256(folder.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        return cls(Path(cache_dir or default_cache_dir()) / f"data_check-{name}-{digest}.json.gz")

    def get(self, kind: type[Facts], key: str, stat: os.stat_result) -> Facts | None:
        """The facts stored for this file, if it has not changed since."""
        try:
            stamp, facts = self._rows[f"{kind.__name__}:{key}"]
            return kind(*facts) if stamp == _stamp(stat) else None
        except (TypeError, ValueError, KeyError):
            return None

    def put(self, key: str, stat: os.stat_result, facts: ImageFacts | MaskFacts) -> None:
        """Store the facts of a file; `stat` was taken before it was read."""
        self._rows[f"{type(facts).__name__}:{key}"] = [_stamp(stat), list(astuple(facts))]
        self._changed = True

    def save(self) -> None:
        """Write the file in one step, so that an interrupted run leaves the old one whole.

        Raises:
            OSError: It cannot be written.
        """
        if self.path is None or not self._changed:
            return
        content = json.dumps({"format": FORMAT, "rows": self._rows}, separators=(",", ":")).encode()
        replace_file(self.path, gzip.compress(content, compresslevel=3), sync=False)
        self._changed = False
