"""A run resumes from, and removes, checkpoints of its own work dir only, also where the work dir was copied or moved.

mmengine stores absolute paths: of the last checkpoint in the file ``last_checkpoint``, of the best ones in the
checkpoint itself. Here only the file names of these paths count.
"""

import os
import re
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
    """Find the last checkpoint of the run in a work dir.

    Returns:
        A file of the work dir; None for a work dir without a run.

    Raises:
        UserError: The checkpoint that the run saved last is not in the work dir.
    """
    pointer = Path(work_dir) / "last_checkpoint"
    if not pointer.is_file():
        return None
    stored = pointer.read_text(errors="replace").strip()
    checkpoint = Path(work_dir) / file_name(stored)
    if not os.path.isfile(checkpoint):  # unlike Path's, this one takes names that no file can have
        raise UserError(
            f"Expected the checkpoint {one_line(checkpoint)} that {pointer} names ({one_line(stored)!r}), found none. "
            "Put it there, or name a checkpoint with --cfg-options load_from=FILE, or another folder with --work-dir."
        )
    return checkpoint


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
