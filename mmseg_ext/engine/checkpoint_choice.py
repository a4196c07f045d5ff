"""The checkpoint that a run goes on from, or that is tested."""

from pathlib import Path

from mmengine.config import Config

from mmseg_ext.errors import UserError
from mmseg_ext.stack import last_checkpoint, read_checkpoint_meta


def checked_checkpoint(checkpoint: str) -> str:
    """Return a checkpoint's path or address.

    Raises:
        UserError: There is no such file.
    """
    if "://" not in checkpoint and not Path(checkpoint).is_file():
        raise UserError(f"Expected a checkpoint file, found none at {checkpoint}.")
    return checkpoint


def resume_from(path: str) -> str:
    """Find the checkpoint that ``--resume PATH`` names: a file, an address, or the last one of a work dir.

    Raises:
        UserError: There is none.
    """
    if not Path(path).is_dir():
        return checked_checkpoint(path)
    found = last_checkpoint(path)
    if found is None:
        raise UserError(f"Expected a run's checkpoint in {path}, found none. Name the file itself.")
    return str(found)


def choose_checkpoint(config: Config, resume: bool | str) -> str | None:
    """Choose what a run resumes from, and set `resume` and `load_from` of its config accordingly, in place.

    In this order: the named checkpoint, the last one in the work dir, ``load_from`` of a config that itself says
    ``resume=True``. Without any of them the run begins, from the weights of ``load_from`` where that is set.

    Args:
        config: The config.
        resume: Whether to resume, or from what; see :func:`mmseg_ext.engine.launch.train`.

    Returns:
        A file or an address; None where the run begins.
    """
    by_config = bool(config.get("resume", False))
    chosen: str | None = None
    if isinstance(resume, str):
        chosen = config.load_from = resume_from(resume)
    elif resume or by_config:
        own = last_checkpoint(config.work_dir)
        if own is not None:
            chosen, config.load_from = str(own), None  # mmengine finds it as well
        elif by_config and config.get("load_from"):
            chosen = config.load_from
    config.resume = chosen is not None
    return chosen


def seed_to_resume(checkpoint: str | Path | None) -> int | None:
    """Read the seed of a run from its checkpoint, None where there is none.

    The sampler's order is drawn before mmengine resumes, so the seed has to be known by then.
    """
    return None if checkpoint is None else read_checkpoint_meta(checkpoint).get("seed")
