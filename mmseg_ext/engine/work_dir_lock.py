"""One run a work dir."""

import os
from pathlib import Path

from mmseg_ext.errors import UserError
from mmseg_ext.files import take_lock

LOCK_FILE = ".lock"


def lock_work_dir(work_dir: str | Path) -> None:
    """Lock a work dir for this process until the process ends; the folder is made. See :func:`take_lock`.

    Args:
        work_dir: The folder of a run.

    Raises:
        UserError: Another process trains in this work dir, or the folder cannot be written to.
    """
    folder = Path(work_dir).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        holder = take_lock(folder / LOCK_FILE)
    except OSError as error:
        raise UserError(
            f"Cannot write to the work dir {folder} ({error.strerror or error}). Name another with --work-dir."
        ) from error
    if holder is not None:
        raise UserError(
            f"Expected a work dir that no other run uses, found {holder} training in {folder}. Wait for its end, or "
            "name another folder with --work-dir."
        )


def claim_work_dir(work_dir: str | Path, resume: bool) -> None:
    """Refuse a work dir that holds another run.

    Raises:
        UserError: The folder holds a run that has begun to train, and this one does not resume it.
    """
    if resume or int(os.environ.get("RANK", 0)) != 0:
        return
    folder = Path(work_dir)
    traces = [*folder.glob("*.pth"), *(p for p in folder.glob("*/vis_data/scalars.json") if p.stat().st_size)]
    if traces:
        raise UserError(
            f"Expected an empty work dir, found another run's {traces[0].relative_to(folder)} in {folder}. "
            "Continue that run with --resume, or name another folder with --work-dir."
        )
