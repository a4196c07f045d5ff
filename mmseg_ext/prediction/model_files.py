"""Which config and checkpoint a trained model consists of."""

from pathlib import Path
from typing import NamedTuple

from mmseg_ext.errors import UserError
from mmseg_ext.stack import best_checkpoint, last_checkpoint

_FORMS = "a work dir, a checkpoint beside its config, an .onnx file, or a config with --checkpoint"


class ModelFiles(NamedTuple):
    """The files of a trained model.

    Attributes:
        config: A config file.
        checkpoint: The weights.
        is_dumped: Whether the config is the one that the run left beside its checkpoints. It is read as data; another
            one is code of the user.
    """

    config: Path
    checkpoint: Path
    is_dumped: bool


def find_model(model: str | Path, checkpoint: str | Path | None = None) -> ModelFiles:
    """Find the config and the checkpoint of a trained model.

    Args:
        model: A work dir (its dumped config, and the checkpoint of the best score, else the last one), a checkpoint
            with its config in the same folder, or, with `checkpoint`, a config.
        checkpoint: The checkpoint of the config `model`.

    Raises:
        UserError: `model` is none of these, or a file is missing.
    """
    path = Path(model)
    if checkpoint is not None:
        for file, what in ((path, "a config file"), (Path(checkpoint), "a checkpoint file")):
            if not file.is_file():
                raise UserError(f"Expected {what}, found none at {file}.")
        if path.suffix not in (".py", ".json", ".yaml", ".yml"):
            raise UserError(f"Expected a config file (.py) before --checkpoint, got {path}.")
        return ModelFiles(path, Path(checkpoint), is_dumped=False)
    if path.is_dir():
        chosen = best_checkpoint(path) or last_checkpoint(path)
        if chosen is None:
            raise UserError(f"Expected a run's checkpoint in {path}, found none. Name {_FORMS}.")
        return ModelFiles(_dumped_config(path), chosen, is_dumped=True)
    if not path.is_file():
        raise UserError(f"Expected a trained model at {path}, found nothing. Name {_FORMS}.")
    if path.suffix in (".py", ".json", ".yaml", ".yml"):
        raise UserError(f"Expected a checkpoint for the config {path}, got none. Name it with --checkpoint FILE.")
    return ModelFiles(_dumped_config(path.parent), path, is_dumped=True)


def _dumped_config(folder: Path) -> Path:
    """Return the newest config in a folder."""
    found = sorted(folder.glob("*.py"), key=lambda path: (path.stat().st_mtime, path.name))
    if not found:
        raise UserError(
            f"Expected the config that the run left in {folder}, found no .py file. Name the config, and the "
            "checkpoint with --checkpoint FILE."
        )
    return found[-1]
