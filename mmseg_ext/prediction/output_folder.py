"""The folder of a prediction: results that are there whole or not at all, and records of what is done.

Results lie in ``class_maps/``, ``overlays/``, ``probabilities/`` and ``polygons/``; records, and what is being written,
in ``.predict/``.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmseg_ext.errors import UserError
from mmseg_ext.files import find_json, join_below, release_lock, replace_file, take_lock

HIDDEN = ".predict"


class OutputFolder:
    """The results of one model with one set of options.

    Args:
        folder: Where they go.
        settings: What the class maps depend on: the digest of the model and the options. Plain values.
        resume: Whether finished results stay; otherwise all are made anew.
        process: Name of this process among those that write to the folder.

    Attributes:
        settings: As given.
        resume: As given.

    Raises:
        UserError: The folder holds the results of another model or of other options, and `resume` is set; or another
            process of this name writes to it.
    """

    def __init__(
        self, folder: str | Path, settings: Mapping[str, Any], resume: bool = True, process: str = "1-1"
    ) -> None:
        self.folder = Path(folder)
        self.resume = resume
        self._hidden = self.folder / HIDDEN
        self._unfinished = self._hidden / f"unfinished-{process}"
        self._lock = self._hidden / f"lock-{process}"
        self.settings = settings = json.loads(json.dumps(settings))
        known = find_json(self._hidden / "settings.json")
        if resume and known is not None and known != settings:
            changed = [key for key in {**known, **settings} if known.get(key) != settings.get(key)]
            raise UserError(
                f"Expected a folder for this model and these options, found results of another "
                f"{', '.join(changed).replace('_', ' ')} in {self.folder}. Name another folder, or replace them with "
                "--no-resume."
            )
        self._hidden.mkdir(parents=True, exist_ok=True)
        holder = take_lock(self._lock)
        if holder is not None:
            share = process.replace("-", "/")
            raise UserError(
                f"Expected a share of the inputs that no other process predicts, found {holder} at share {share} in "
                f"{self.folder}. Wait for its end, or give each process its own --shard."
            )
        if known != settings:
            shutil.rmtree(self._hidden / "done", ignore_errors=True)
            replace_file(self._hidden / "settings.json", json.dumps(settings, indent=1))
        # Strips of rasters stay: what was finished of them is not computed again.
        for leftover in self._unfinished.glob("*") if self._unfinished.is_dir() else ():
            leftover.unlink(missing_ok=True)
        self._unfinished.mkdir(parents=True, exist_ok=True)

    def path_of(self, kind: str, name: str, suffix: str) -> Path:
        """Return the path of a result, such as ('class_maps', 'field/1', '.png')."""
        return join_below(self.folder, f"{kind}/{name}{suffix}")

    def strips_folder(self, name: str) -> Path:
        """Return the folder for the strips of a raster."""
        return self._hidden / "strips" / _file_name(name)

    def unfinished(self, name: str, suffix: str) -> Path:
        """Return a path for a file that is being written; a file that is there is removed."""
        path = self._unfinished / f"{_file_name(name)}{suffix}"
        path.unlink(missing_ok=True)
        return path

    @contextmanager
    def replacing(self, path: Path) -> Iterator[Path]:
        """Let the block write a file, which then replaces the one at `path`."""
        unfinished = self.unfinished(str(path.relative_to(self.folder)), path.suffix)
        yield unfinished
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(unfinished, path)

    def _record_path(self, name: str) -> Path:
        return self._hidden / "done" / f"{_file_name(name)}.json"

    def is_done(self, name: str, identity: Any, results: Mapping[str, Sequence[Any]]) -> bool:
        """Whether an input is recorded as done, unchanged since, and its results are all there.

        Args:
            name: The input's.
            identity: What tells whether the input has changed.
            results: What is wanted, by its kind: the suffix of the file, and the options that it was made with.
        """
        record = self.read_record(name) if self.resume else None
        if record is None or record["identity"] != identity:
            return False
        made = record["results"]
        return all(
            made.get(kind) == list(wanted) and self.path_of(kind, name, wanted[0]).is_file()
            for kind, wanted in results.items()
        )

    def read_record(self, name: str) -> dict[str, Any] | None:
        """Return the record of an input, None where it has none."""
        return find_json(self._record_path(name))

    def write_record(self, name: str, record: Mapping[str, Any]) -> None:
        """Note that an input is done."""
        replace_file(self._record_path(name), json.dumps(record), sync=False)

    def close(self) -> None:
        """Remove what this process has used for unfinished files, and let another one write."""
        shutil.rmtree(self._unfinished, ignore_errors=True)
        release_lock(self._lock)


def _file_name(name: str) -> str:
    """Make a file name of a path: what can be read of it, and a digest, so that no two are the same."""
    readable = re.sub(r"[^A-Za-z0-9]+", "_", name)[-60:]
    return f"{readable}-{hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()}"
