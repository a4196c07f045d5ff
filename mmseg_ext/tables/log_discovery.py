"""Find the logs below a folder and tell which of them belong to one run.

Layouts (``<stamp>`` is ``YYYYMMDD_HHMMSS``):

- mmengine 1.x: ``<work dir>/<stamp>/<stamp>.log``, ``<stamp>/vis_data/scalars.json``, ``<stamp>/<stamp>.json`` (a test)
- mmseg 0.x: ``<work dir>/<stamp>.log`` and ``<stamp>.log.json``
- loose files, such as those of a model zoo: ``<name>.log``, ``<name>.log.json``, ``<name>.json``; each name is a run
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_STAMP = re.compile(r"\d{8}_\d{6}")
_SKIPPED = frozenset({"pictures", "vis_image", "__pycache__", "node_modules", "site-packages"})
_LOG_SUFFIXES = (".log.json", ".json", ".log")
_ROW_WORDS = (b'"mIoU"', b'"iter"', b'"loss"', b'"env_info"')
_TEXT_WORDS = (b" - mmengine - ", b" - mmseg - ")
_HEAD_BYTES = 4096


@dataclass(slots=True)
class Segment:
    """The logs of one start of the training command.

    Attributes:
        stamp: When it started, as ``YYYYMMDD_HHMMSS``; empty where the name does not say.
        text: The text log.
        scalars: Rows of JSON objects.
        test: JSON that a test wrote.
        config: The config dumped beside the logs.
    """

    stamp: str = ""
    text: Path | None = None
    scalars: Path | None = None
    test: Path | None = None
    config: Path | None = None


@dataclass(slots=True)
class WorkDir:
    """A folder with the logs of one run, or of one run and its resumes.

    Attributes:
        path: The folder; for loose files the folder and the name they share.
        segments: The starts, oldest first.
        configs: Dumped configs in the folder.
        is_loose: The logs are named after the run, rather than the folder.
    """

    path: Path
    segments: list[Segment] = field(default_factory=list)
    configs: list[Path] = field(default_factory=list)
    is_loose: bool = False


def find_work_dirs(roots: Iterable[Path]) -> list[WorkDir]:
    """Find every run below some folders; a root may also be a log file.

    Args:
        roots: Folders or files; links to folders are followed, each folder is visited once. Only regular files count
            as logs, so that a pipe named like a log is not waited for.

    Returns:
        Work dirs by path, each with at least one segment.
    """
    found: dict[Path, WorkDir] = {}
    visited: set[tuple[int, int]] = set()
    for root in roots:
        start = root.parent if root.is_file() else root
        name = start.resolve().name
        if root.is_file() and name != "vis_data" and not _STAMP.fullmatch(name):
            _add_loose(start, [root.name], found, check=False)
            continue
        stack = [start.resolve().parent if name == "vis_data" else start]
        while stack:
            stack.extend(_visit(stack.pop(), found, visited))
    for work_dir in found.values():
        work_dir.segments.sort(key=lambda segment: segment.stamp)
    return [found[path] for path in sorted(found)]


def _visit(folder: Path, found: dict[Path, WorkDir], visited: set[tuple[int, int]]) -> list[Path]:
    """Add the logs of one folder; returns the folders below it that are to be visited."""
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in visited:
            return []
        visited.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            listed = [(entry.name, entry.is_dir(), entry.is_file()) for entry in entries]
    except OSError:
        return []
    files = sorted(name for name, _, is_file in listed if is_file)
    folders = sorted(name for name, is_dir, _ in listed if is_dir and not name.startswith(".") and name not in _SKIPPED)
    if folder.name in ("", ".."):  # the current folder, and the like, under their own names
        folder = folder.resolve()
    is_start = "vis_data" in folders or _STAMP.fullmatch(folder.name) is not None
    if is_start and _add_segment(folder, files, "vis_data" in folders, found):
        return [folder / name for name in folders if _STAMP.fullmatch(name)]
    has_stamps = any(_STAMP.fullmatch(name) for name in folders)
    _add_loose(folder, files, found, check=True, with_json=not has_stamps)
    return [folder / name for name in folders]


def _add_segment(folder: Path, files: list[str], has_vis_data: bool, found: dict[Path, WorkDir]) -> bool:
    """Add a folder of mmengine 1.x as one start of its work dir; False where it holds no log."""
    segment = Segment(stamp=folder.name if _STAMP.fullmatch(folder.name) else "")
    logs = [name for name in files if name.endswith(".log")]
    if logs:
        own = f"{folder.name}.log"
        segment.text = folder / (own if own in logs else logs[0])
    if f"{folder.name}.json" in files:
        segment.test = folder / f"{folder.name}.json"
    if has_vis_data:
        vis_data = folder / "vis_data"
        segment.scalars = _existing(vis_data / "scalars.json") or _existing(vis_data / f"{folder.name}.json")
        segment.config = _existing(vis_data / "config.py")
    if not (segment.text or segment.scalars or segment.test):
        return False
    path = folder.parent if segment.stamp else folder
    if path not in found:
        found[path] = WorkDir(path, configs=_configs(path))
    found[path].segments.append(segment)
    return True


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _configs(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if entry.name.endswith(".py") and entry.is_file())
    except OSError:
        return []


def _add_loose(
    folder: Path, files: list[str], found: dict[Path, WorkDir], *, check: bool, with_json: bool = True
) -> None:
    """Add logs that lie in a folder themselves: those of 0.x by their stamps, all others by their names."""
    segments: dict[str, Segment] = {}
    for name in files:
        suffix = next((suffix for suffix in _LOG_SUFFIXES if name.endswith(suffix)), None)
        if suffix is None or (suffix == ".json" and not with_json):
            continue
        path = folder / name
        stem = name.removesuffix(suffix)
        if check and not (_STAMP.fullmatch(stem) and suffix != ".json") and not _is_log(path, suffix):
            continue
        segment = segments.setdefault(stem, Segment(stamp=stem if _STAMP.fullmatch(stem) else ""))
        if suffix == ".log":
            segment.text = path
        else:
            segment.scalars = path
    for stem, segment in segments.items():
        key = folder if stem == "scalars" or segment.stamp else folder / stem
        if key not in found:
            found[key] = WorkDir(key, configs=_configs(folder), is_loose=not segment.stamp)
        found[key].segments.append(segment)


def _is_log(path: Path, suffix: str) -> bool:
    """Tell a log from any other file of its name by its first bytes; by its name where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return suffix != ".json"
    if suffix == ".log":
        return any(word in head for word in _TEXT_WORDS)
    return head.startswith(b"{") and any(word in head.split(b"\n", 1)[0] for word in _ROW_WORDS)
