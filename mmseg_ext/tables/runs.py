"""Read the runs below some folders: find the logs, read each file once, merge them, tell the state."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from .cache import Cache
from .config_source import base_name
from .datasets import dataset_from_words, factor_from_words
from .discover import Segment, WorkDir, find_work_dirs
from .json_logs import read_json_log
from .merge import join_evaluations, merge_parts, split_restarts
from .records import LogPart, Run, Settings, TableError, printable
from .settings import read_settings
from .text_logs import Detail, read_text_log

RUNNING_SECONDS = 15 * 60
"""A run that has not reached its planned iterations counts as running while a log of it is younger than this, in s."""

Progress = Callable[[int, int], None]
_Read = Callable[[Path, frozenset[str]], LogPart]


def read_runs(
    work_dirs: Iterable[Path | str],
    *,
    wanted: Iterable[str] = (),
    cache: Cache | None = None,
    progress: Progress | None = None,
    now: float | None = None,
) -> list[Run]:
    """Read every run below some folders.

    Args:
        work_dirs: folders (or log files) to look in.
        wanted: per-class metrics to keep for every evaluation, such as ``IoU.water``.
        cache: remembers what unchanged files said; None reads every file.
        progress: called with (work dirs read, work dirs in all).
        now: the time that tells which runs are running, in s since 1970; default: now.

    Returns:
        The runs, by work dir.

    Raises:
        TableError: a folder is missing, or there is no run in any of them.
    """
    roots = [Path(path) for path in work_dirs]
    for root in roots:
        if not root.exists():
            raise TableError(f"Expected a folder with runs, got {str(root)!r}, which does not exist")
    found = find_work_dirs(roots)
    if not found:
        places = ", ".join(str(root.resolve()) for root in roots) or "no folder"
        raise TableError(
            f"No run found: expected <work dir>/<stamp>/<stamp>.log or vis_data/scalars.json (1.x), <stamp>.log or "
            f".log.json (0.x) below {places}"
        )
    reader = _FileReader(frozenset(wanted), cache)
    runs: list[Run] = []
    with _paused_collection():
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


@contextlib.contextmanager
def _paused_collection() -> Iterator[None]:
    """Pause the search for reference cycles: the readers make none, and searching takes a tenth of their time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _FileReader:
    """Reads single files, through the cache where there is one."""

    def __init__(self, wanted: frozenset[str], cache: Cache | None) -> None:
        self.wanted = wanted
        self.cache = cache
        self.newest = 0.0

    def text_log(self, path: Path | None, scalars: LogPart | None) -> LogPart | None:
        """Read a text log; what whole JSON rows beside it have told is left out."""
        detail: Detail = "full"
        if scalars is not None and not (scalars.is_cut or scalars.num_bad_lines or scalars.problem):
            has_classes = any(item.class_names for item in scalars.evaluations)
            detail = "full" if scalars.seconds_per_step is None else "brief" if has_classes else "scores"
        return self.log(path, partial(read_text_log, detail=detail), kind=f"{detail} ")

    def log(self, path: Path | None, read: _Read = read_json_log, kind: str = "") -> LogPart | None:
        """Read a log; a file that cannot be read becomes an empty part that says why."""
        if path is None:
            return None
        key = f"{kind}{path}"
        try:
            status = path.stat()
            self.newest = max(self.newest, status.st_mtime)
            known = self.cache.log(key, status) if self.cache else None
            if known is not None:
                return known
            part = read(path, self.wanted)
        except OSError as error:
            return LogPart(problem=f"{path} cannot be read: {error.strerror}")
        if self.cache:
            self.cache.put_log(key, status, part)
        return part

    def config(self, path: Path) -> Settings | None:
        """Read a dumped config."""
        try:
            status = path.stat()
            known = self.cache.settings(str(path), status) if self.cache else None
            if known is not None:
                return known
            settings = read_settings(path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n"))
        except OSError:
            return None
        if self.cache:
            self.cache.put_settings(str(path), status, settings)
        return settings


def _read_work_dir(work_dir: WorkDir, reader: _FileReader, now: float) -> list[Run]:
    """Read one work dir; more than one run comes back where training was started anew in it."""
    parts: list[LogPart] = []
    stamps: dict[int, Segment] = {}
    newest: dict[int, float] = {}
    for segment in work_dir.segments:
        reader.newest = 0.0
        scalars = reader.log(segment.scalars)
        part = merge_parts(scalars, reader.text_log(segment.text, scalars), reader.log(segment.test))
        if segment.config is not None:
            part.settings = reader.config(segment.config) or part.settings
        parts.append(part)
        stamps[id(part)] = segment
        newest[id(part)] = reader.newest
    runs = []
    for group in split_restarts(parts):
        stamp = stamps[id(group[0])].stamp
        age = now - max(newest[id(part)] for part in group)
        is_fresh = 0 <= age < RUNNING_SECONDS and not _is_copy(group[-1].ended, newest[id(group[-1])])
        runs.append(_make_run(work_dir, stamp, group, reader, is_fresh=is_fresh))
    return runs


def _make_run(work_dir: WorkDir, stamp: str, parts: list[LogPart], reader: _FileReader, *, is_fresh: bool) -> Run:
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
    run = Run(name=printable(name), work_dir=str(work_dir.path), label=stamp, settings=settings)
    run.evaluations = join_evaluations(parts)
    run.tests = [test for part in parts for test in part.tests]
    run.done = last.last_step
    run.planned = last.max_steps or settings.max_steps
    run.started = next((part.started for part in parts if part.started), "") or _date_of_stamp(stamp)
    run.seconds_per_step = next((p.seconds_per_step for p in reversed(trained) if p.seconds_per_step is not None), None)
    run.memory = max((part.memory for part in parts if part.memory is not None), default=None)
    run.num_parameters = next((part.num_parameters for part in parts if part.num_parameters is not None), None)
    run.num_gpus = next((p.num_gpus for p in parts if p.num_gpus is not None), None) or settings.num_gpus
    run.seed = next((part.seed for part in parts if part.seed is not None), settings.seed)
    run.state = _state(run, last, is_fresh=is_fresh)
    run.warnings = [printable(line) for line in _warnings(work_dir, parts)]
    return run


def _state(run: Run, last: LogPart, *, is_fresh: bool) -> str:
    """Tell how far a run got."""
    if run.done is None and run.tests and not run.evaluations:
        return "tested"
    if run.done is not None and run.planned is not None and run.done >= run.planned:
        return "finished"
    if last.error:
        return "crashed"
    if run.done is None or last.is_cut:
        return "unfinished"
    if run.planned is None:
        return "ended"
    return "running" if is_fresh else "stopped"


def _is_copy(ended: str, changed: float) -> bool:
    """Tell a log that was copied lately from one that is being written: its last line is over a day older."""
    try:
        return abs(time.mktime(time.strptime(ended, "%Y-%m-%d %H:%M:%S")) - changed) > 26 * 3600  # any time zone
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
