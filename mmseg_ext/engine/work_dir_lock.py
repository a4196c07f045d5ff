"""One run a work dir: a lock that the kernel releases when its process ends, however it ends."""

import fcntl
import os
import socket
from pathlib import Path

from mmseg_ext.errors import UserError

LOCK_FILE = ".lock"

_held: dict[Path, int] = {}


def lock_work_dir(work_dir: str | Path) -> None:
    """Lock a work dir for this process until the process ends; the folder is made.

    The lock is the process's own: data loading workers do not hold it, and a killed process does not leave it behind.
    A second call in the same process changes nothing.

    Args:
        work_dir: The folder of a run.

    Raises:
        UserError: Another process trains in this work dir, or the folder cannot be written to.
    """
    folder = Path(work_dir).resolve()
    if folder in _held:  # to open and close the file again would release the lock
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(
            f"Cannot write to the work dir {folder} ({error.strerror or error}). Name another with --work-dir."
        ) from error
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
        os.close(descriptor)
        raise UserError(
            f"Expected a work dir that no other run uses, found {holder} training in {folder}. Wait for its end, or "
            "name another folder with --work-dir."
        ) from None
    except OSError:  # a file system without locks: the run goes on without one
        os.close(descriptor)
        return
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
    _held[folder] = descriptor
