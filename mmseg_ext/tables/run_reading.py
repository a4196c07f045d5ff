"""Read the runs below some folders: find the logs, read each file once, merge them, tell the state."""

import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mmseg_ext.errors import UserError
from mmseg_ext.escaping import printable

from .config_source import MAX_CONFIG_LENGTH, base_name
from .dataset_names import dataset_from_words, factor_from_words
from .json_logs import read_json_log
from .log_discovery import WorkDir, find_work_dirs
from .log_merging import join_evaluations, merge_parts, split_restarts
from .records import LogPart, Run, Settings
from .row_cache import RowCache
from .run_settings import read_settings
from .text_logs import read_text_log

RUNNING_SECONDS = 15 * 60
"""A run that has not reached its planned iterations counts as running while a log of it is younger than this, in s."""

_COPIED_SECONDS = 26 * 3600
"""A file written this long after its last line is a copy, whatever the time zone, in s."""

Progress = Callable[[int, int], None]
Record = TypeVar("Record", LogPart, Settings)


def read_runs(
    work_dirs: Iterable[Path | str],
    *,
    wanted: Iterable[str] = (),
    cache: RowCache | None = None,
    progress: Progress | None = None,
    now: float | None = None,
) -> list[Run]:
    """Read every run below some folders.

    Args:
        work_dirs: Folders (or log files) to look in.
        wanted: Per-class metrics to keep for every evaluation, such as ``IoU.water``.
        cache: What unchanged files said; None reads every file.
        progress: Called with (work dirs read, work dirs in all).
        now: The time that tells which runs are running, in s since 1970; default: now.

    Returns:
        The runs, by work dir.

    Raises:
        UserError: A folder is missing, or there is no run in any of them.
    """
    roots = [Path(path) for path in work_dirs]
    for root in roots:
        if not root.exists():
            raise UserError(f"Expected a folder with runs, got {str(root)!r}, which does not exist")
    found = find_work_dirs(roots)
    if not found:
        places = ", ".join(str(root.resolve()) for root in roots) or "no folder"
        raise UserError(
            f"No run found: expected <work dir>/<stamp>/<stamp>.log or vis_data/scalars.json (1.x), <stamp>.log or "
            f".log.json (0.x) below {places}"
        )
    reader = _FileReader(frozenset(wanted), cache)
    runs: list[Run] = []
    for index, work_dir in enumerate(found):
        if progress is not None:
            progress(index, len(found))
        runs.extend(_read_work_dir(work_dir, reader, time.time() if now is None else now))
    if progress is not None:
        progress(len(found), len(found))
    if cache is not None:
        cache.save()
    _label(runs, roots)
    return runs


class _FileReader:
    """Reads single files, through the cache where there is one."""

    def __init__(self, wanted: frozenset[str], cache: RowCache | None) -> None:
        self.wanted = wanted
        self.cache = cache

    def text_log(self, path: Path | None) -> LogPart | None:
        return self._log(path, read_text_log)

    def json_log(self, path: Path | None) -> LogPart | None:
        return self._log(path, read_json_log)

    def config(self, path: Path) -> Settings | None:
        """Read a dumped config; None where it cannot be read."""
        try:
            return self._read(path, _read_config, Settings)
        except OSError:
            return None

    def _log(self, path: Path | None, read: Callable[[Path, frozenset[str]], LogPart]) -> LogPart | None:
        """Read a log; a file that cannot be read becomes an empty part that says why."""
        if path is None:
            return None
        try:
            part = self._read(path, lambda path: read(path, self.wanted), LogPart)
            part.changed = path.stat().st_mtime
        except OSError as error:
            return LogPart(problem=f"{path} cannot be read: {error.strerror}")
        return part

    def _read(self, path: Path, read: Callable[[Path], Record], kind: type[Record]) -> Record:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(None, "not a regular file")
        known = self.cache.get(str(path), status) if self.cache else None
        if isinstance(known, kind):
            return known
        record = read(path)
        if self.cache:
            self.cache.put(str(path), status, record)
        return record


def _read_config(path: Path) -> Settings:
    with path.open("rb") as file:
        source = file.read(MAX_CONFIG_LENGTH + 1)
    return read_settings(source.decode("utf-8", "replace").replace("\r\n", "\n"))


def _read_work_dir(work_dir: WorkDir, reader: _FileReader, now: float) -> list[Run]:
    """Read one work dir; it holds more than one run where training was started anew in it."""
    parts: list[LogPart] = []
    for segment in work_dir.segments:
        logs = (reader.json_log(segment.scalars), reader.text_log(segment.text), reader.json_log(segment.test))
        part = merge_parts(*logs)
        if segment.config is not None:
            part.settings = reader.config(segment.config) or part.settings
        part.stamp = segment.stamp
        parts.append(part)
    return [_make_run(work_dir, group, reader, now) for group in split_restarts(parts)]


def _make_run(work_dir: WorkDir, parts: list[LogPart], reader: _FileReader, now: float) -> Run:
    """Make a run of its starts, oldest first."""
    trained = [part for part in parts if part.last_step is not None] or parts
    last = trained[-1]
    name = _config_name(work_dir, parts)
    settings = next((part.settings for part in reversed(trained) if part.settings is not None), None)
    if settings is None:
        config = _dumped_config(work_dir, name)
        settings = (reader.config(config) if config else None) or Settings()
    settings.dataset = settings.dataset or dataset_from_words(name) or dataset_from_words(work_dir.path.name)
    if settings.factor is None:
        settings.factor = factor_from_words(name)
    run = Run(name=printable(name), work_dir=str(work_dir.path), label=parts[0].stamp, settings=settings)
    run.folders = [str(work_dir.path / part.stamp) for part in parts]
    run.evaluations = join_evaluations(parts)
    run.tests = [test for part in parts for test in part.tests]
    run.done = last.last_step
    run.planned = last.max_steps or settings.max_steps
    if run.planned is not None and run.planned < (run.done or 0):  # of another start
        run.planned = None
    run.started = next((part.started for part in parts if part.started), "") or _date_of_stamp(parts[0].stamp)
    run.seconds_per_step = _first_known("seconds_per_step", trained[::-1])
    run.memory = max((part.memory for part in parts if part.memory is not None), default=None)
    run.num_parameters = _first_known("num_parameters", parts)
    run.num_gpus = _first_known("num_gpus", parts) or settings.num_gpus
    seed = _first_known("seed", parts)
    run.seed = settings.seed if seed is None else seed
    age = now - max(part.changed for part in parts)
    is_fresh = 0 <= age < RUNNING_SECONDS and not _is_copy(parts[-1].ended, parts[-1].changed)
    run.state = _state(run, last, is_fresh=is_fresh)
    if settings.resumed_with_other:
        run.note = f"resumed with another config: {settings.resumed_with_other}"
    run.warnings = [printable(line) for line in _warnings(work_dir, parts)]
    return run


def _first_known(name: str, parts: Iterable[LogPart]) -> Any:
    return next((value for part in parts if (value := getattr(part, name)) is not None), None)


def _state(run: Run, last: LogPart, *, is_fresh: bool) -> str:
    """Tell how far a run got."""
    if run.done is None and run.tests and not run.evaluations:
        return "tested"
    if run.done is not None and run.planned is not None and run.done >= run.planned:
        return "finished"
    if last.is_stopped_early:
        return "stopped early"
    if last.error:
        return "crashed"
    if run.done is None and last.is_test:
        return "predicted"
    if run.done is None or last.is_cut:
        return "unfinished"
    if run.planned is None:
        return "ended"
    return "running" if is_fresh else "stopped"


def _is_copy(ended: str, changed: float) -> bool:
    """Tell a log that was copied lately from one that is being written: its last line is over a day older."""
    try:
        return abs(time.mktime(time.strptime(ended, "%Y-%m-%d %H:%M:%S")) - changed) > _COPIED_SECONDS
    except (ValueError, OverflowError):
        return False


def _warnings(work_dir: WorkDir, parts: Sequence[LogPart]) -> list[str]:
    warnings = [part.problem for part in parts if part.problem]
    bad = sum(part.num_bad_lines for part in parts)
    if bad:
        warnings.append(f"{work_dir.path}: {bad} {'line does' if bad == 1 else 'lines do'} not parse and left out")
    warnings.extend(f"{work_dir.path}: {part.error}" for part in parts[-1:] if part.error)
    return warnings


def _config_name(work_dir: WorkDir, parts: Sequence[LogPart]) -> str:
    """Name a run after its dumped config, else as the log does, else after its folder."""
    logged = next((part.config_name for part in reversed(parts) if part.config_name), "")
    if work_dir.is_loose:
        return logged or base_name(work_dir.path.name)
    names = [path.stem for path in work_dir.configs if base_name(path.name)]  # not <stamp>.py
    if len(names) == 1:
        return names[0]
    folder = work_dir.path.resolve().name
    return next((name for name in (logged, folder) if name in names), "") or logged or folder


def _dumped_config(work_dir: WorkDir, name: str) -> Path | None:
    if work_dir.is_loose:
        return None
    return next((path for path in work_dir.configs if path.stem == name), None)


def _date_of_stamp(stamp: str) -> str:
    """Write ``20250513_162948`` as ``2025-05-13 16:29:48``."""
    if len(stamp) != 15:
        return ""
    return f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]} {stamp[9:11]}:{stamp[11:13]}:{stamp[13:]}"


def _label(runs: list[Run], roots: Sequence[Path]) -> None:
    """Give every run a label that no other run has: its work dir, and the stamp where a work dir holds several."""
    common = os.path.commonpath([os.path.abspath(root) for root in roots])
    per_dir: dict[str, int] = {}
    for run in runs:
        per_dir[run.work_dir] = per_dir.get(run.work_dir, 0) + 1
    for run in runs:
        place = os.path.relpath(os.path.abspath(run.work_dir), common).replace("\\", "/")
        place = Path(run.work_dir).name if place == "." else place
        run.label = printable(f"{place}/{run.label}" if per_dir[run.work_dir] > 1 and run.label else place)
