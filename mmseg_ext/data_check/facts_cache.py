"""What earlier checks read, kept by file size and modification time."""

import gzip
import hashlib
import json
import os
import re
import tempfile
import zlib
from dataclasses import astuple
from pathlib import Path
from typing import TypeVar

from mmseg_ext.data_check.file_facts import ImageFacts, MaskFacts

FORMAT = 1
"""Raised whenever facts are read or stored differently: older files are then ignored."""

Facts = TypeVar("Facts", ImageFacts, MaskFacts)


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
        row = self._rows.get(f"{kind.__name__}:{key}")
        try:
            if row is None or row[0] != stat.st_size or row[1] != stat.st_mtime_ns:
                return None
            return kind(*row[2])
        except (TypeError, IndexError, KeyError):
            return None

    def put(self, key: str, stat: os.stat_result, facts: ImageFacts | MaskFacts) -> None:
        """Store the facts of a file; `stat` was taken before it was read."""
        row = [stat.st_size, stat.st_mtime_ns, list(astuple(facts))]
        self._rows[f"{type(facts).__name__}:{key}"] = row
        self._changed = True

    def save(self) -> None:
        """Write the file in one step, so that an interrupted run leaves the old one whole.

        Raises:
            OSError: It cannot be written.
        """
        if self.path is None or not self._changed:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = json.dumps({"format": FORMAT, "rows": self._rows}, separators=(",", ":")).encode("utf-8")
        handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(gzip.compress(content, compresslevel=3))
            os.replace(temporary, self.path)
        except BaseException:
            os.unlink(temporary)
            raise
        self._changed = False
