"""Saving a checkpoint never loses the one before.

mmengine removes the old checkpoint, writes the new one in place, and then the file ``last_checkpoint``. A process that
is killed in between, or a full disk, leaves nothing to resume. Here a checkpoint is written beside its place and
renamed, and old ones are removed at the end.
"""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from mmseg_ext.errors import UserError
from mmseg_ext.files import replacing_file
from mmseg_ext.stack.replacement import is_ours, one_line, replace_everywhere

SAVING_METHODS = ("_save_checkpoint_with_step", "_save_best_checkpoint")
"""Methods of mmengine's CheckpointHook that remove a checkpoint before they save another."""


class DeferredRemoval:
    """A file backend of mmengine whose removals are done later.

    Args:
        backend: The file backend.
    """

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.removals: list[tuple[Callable[[str], None], str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def remove(self, path: str) -> None:
        """Remove a file later."""
        self.removals.append((self.backend.remove, path))

    def rmtree(self, path: str) -> None:
        """Remove a folder later."""
        self.removals.append((self.backend.rmtree, path))


def remove_leftovers(work_dir: str | Path) -> None:
    """Remove what a process that was killed while it saved has left in a work dir. Nobody else may be saving there."""
    for path in Path(work_dir).glob(".*.pth.*"):
        if re.fullmatch(r"\..*\.pth\.[0-9a-f]{16}", path.name):
            path.unlink(missing_ok=True)


def save_whole_checkpoints() -> None:
    """Let mmengine save checkpoints whole or not at all, and remove old ones last. A second call changes nothing."""
    module = import_module("mmengine.runner.checkpoint")
    stock_save = module.save_checkpoint

    def save_checkpoint(
        checkpoint: dict, filename: str, file_client_args: dict | None = None, backend_args: dict | None = None
    ) -> None:
        """Save a checkpoint; an error leaves the file that was there."""
        import torch

        if "://" in filename or file_client_args is not None or backend_args is not None:
            stock_save(checkpoint, filename, file_client_args, backend_args)
            return
        try:
            with replacing_file(filename) as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:
            # Where the file cannot be written, torch's writer fails too, and its error hides the system's.
            cause = error.__context__ if isinstance(error.__context__, OSError) else error
            if not isinstance(cause, OSError):
                raise
            raise UserError(
                f"Cannot save the checkpoint {filename} ({one_line(cause.strerror or cause)}). The checkpoints before "
                "it are kept. Free some space or correct the permissions, and go on with --resume."
            ) from error

    if is_ours(stock_save):
        return
    replace_everywhere("save_checkpoint", stock_save, save_checkpoint)
    hook_class = import_module("mmengine.hooks").CheckpointHook
    for name in SAVING_METHODS:
        setattr(hook_class, name, _removing_last(getattr(hook_class, name)))


def _removing_last(stock: Callable) -> Callable:
    """Let a method of CheckpointHook remove files after everything else that it does."""

    def save(self: Any, *args: Any, **kwargs: Any) -> None:
        backend = self.file_backend
        self.file_backend = DeferredRemoval(backend)
        try:
            stock(self, *args, **kwargs)
            removals = self.file_backend.removals
        finally:
            self.file_backend = backend
        best = [getattr(self, "best_ckpt_path", None), *getattr(self, "best_ckpt_path_dict", {}).values()]
        for remove, path in removals:
            if path != self.last_ckpt and path not in best:
                remove(path)

    return save
