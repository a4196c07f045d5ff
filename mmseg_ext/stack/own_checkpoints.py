"""A run resumes from, and removes, checkpoints of its own work dir only, also where the work dir was copied or moved.

mmengine stores absolute paths: of the last checkpoint in the file ``last_checkpoint``, of the best ones in the
checkpoint itself. Here only the file names of these paths count.
"""

import logging
import os
import re
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

from mmseg_ext.errors import UserError
from mmseg_ext.stack.replacement import is_ours, one_line, replace_everywhere


def file_name(path: object) -> str:
    r"""Return the last part of a path or address of any system.

    Example:
        >>> file_name("C:\\runs\\a\\iter_500.pth")
        'iter_500.pth'
    """
    return re.split(r"[/\\]", str(path).strip())[-1]


def last_checkpoint(work_dir: str | Path) -> Path | None:
    """Find the checkpoint to resume from: the one that ``last_checkpoint`` names, or else the newest whole one.

    A warning says so where it is another than the named one.

    Returns:
        A file of the work dir; None for a work dir without a run.

    Raises:
        UserError: A run has saved checkpoints there, and none of them is whole.
    """
    folder = Path(work_dir)
    pointer = folder / "last_checkpoint"
    stored = pointer.read_text(encoding="utf-8", errors="replace").strip() if pointer.is_file() else ""
    named = folder / (file_name(stored) or "?")
    if is_whole(named):
        return named
    found = [path for path in folder.glob("*.pth") if re.fullmatch(r"(?:best_.*_)?(?:iter|epoch)_\d+\.pth", path.name)]
    for path in sorted(found, key=_progress, reverse=True):
        if is_whole(path):
            what = f"{one_line(named)}, which is missing or damaged" if stored else "nothing"
            part = " It holds weights alone: the optimizer starts anew." if path.name.startswith("best_") else ""
            _warn(f"{pointer} names {what}: resuming from {path.name} instead.{part}")
            return path
    if not pointer.is_file() and not found:
        return None
    raise UserError(
        f"Expected the checkpoint {one_line(named)} that {pointer} names ({one_line(stored)!r}), found none, and no "
        "other whole one. Put it there, or name a checkpoint with --resume FILE, or another folder with --work-dir."
    )


def best_checkpoint(work_dir: str | Path) -> Path | None:
    """Find the checkpoint of a run's best score, the newest whole one where several scores are kept."""
    found = sorted(Path(work_dir).glob("best_*.pth"), key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
    return next(filter(is_whole, found), None)


def _warn(message: str) -> None:
    import_module("mmengine.logging").print_log(message, "current", logging.WARNING)


def _progress(path: Path) -> tuple[bool, int]:
    """Order checkpoints: those that can be resumed exactly before those of the best score, later before earlier."""
    return not path.name.startswith("best_"), int(path.stem.rpartition("_")[2])


def is_whole(path: Path) -> bool:
    """Whether a file is a checkpoint that was not cut off; its tensors are not read."""
    if not os.path.isfile(path):  # unlike Path's, this one takes names that no file can have
        return False
    with open(path, "rb") as file:
        start = file.read(4)
    return bool(start) and (start != b"PK\x03\x04" or zipfile.is_zipfile(path))


def _find_latest_checkpoint(path: str) -> str | None:
    """Stand in for mmengine's function of this name."""
    checkpoint = last_checkpoint(path)
    return None if checkpoint is None else str(checkpoint)


def _use_folder(runtime_info: dict[str, Any], folder: str) -> None:
    """Turn the paths in a resumed record of a run into paths in a folder, in place; drop what mmengine did not write.

    mmengine removes the files of these entries, and whole folders of that name.
    """
    for key in [key for key in runtime_info if re.fullmatch("best_ckpt(_.*)?", str(key))]:
        name = file_name(runtime_info[key])
        runtime_info[key] = f"{folder}/{name}" if name.startswith("best_") else None
    steps = runtime_info.get("keep_ckpt_ids", [])
    if not isinstance(steps, list) or any(type(step) is not int for step in steps):
        del runtime_info["keep_ckpt_ids"]


def keep_to_own_checkpoints() -> None:
    """Let mmengine's resume and its CheckpointHook use files of the run's own folder only."""
    checkpoint = import_module("mmengine.runner.checkpoint")
    if not is_ours(checkpoint.find_latest_checkpoint):
        replace_everywhere("find_latest_checkpoint", checkpoint.find_latest_checkpoint, _find_latest_checkpoint)
    hook_class = import_module("mmengine.hooks").CheckpointHook
    stock = hook_class.before_train

    def before_train(self: Any, runner: Any) -> None:
        """Prepare the hook as mmengine does, with paths of a resumed checkpoint in the hook's own folder."""
        folder = self.out_dir or runner.work_dir
        if folder != runner.work_dir:  # mmengine appends the name of the work dir
            folder = f"{folder}/{Path(runner.work_dir).name}"
        _use_folder(runner.message_hub.runtime_info, str(folder))
        stock(self, runner)

    if not is_ours(stock):
        hook_class.before_train = before_train
