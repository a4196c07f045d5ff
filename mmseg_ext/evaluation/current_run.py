"""What a metric reads of the run that it scores: mmengine passes it none of this."""

from pathlib import Path
from typing import Any

from mmengine.logging import MessageHub, MMLogger

ON_SCREEN = "is_on_screen"
"""Attribute of a log record that a test shows on the screen."""


def is_validation() -> bool:
    """Return whether the run is in its validation loop; False in a test, and without a run."""
    return MessageHub.get_current_instance().get_info("loop_stage") == "val"


def num_iterations() -> int | None:
    """Return the iterations that were trained before this evaluation; None in a process that has not trained."""
    iteration = MessageHub.get_current_instance().get_info("iter")
    return None if iteration is None else iteration + 1  # the train loop counts from 0


def log_folder() -> Path | None:
    """Return the folder of the run's log file, None where there is no log file."""
    log_file = getattr(MMLogger.get_current_instance(), "log_file", None)
    return None if log_file is None else Path(log_file).parent


def log_path(file: str | None) -> Path | None:
    """Return the path of a file that an evaluation writes beside the log; None for nowhere.

    Args:
        file: A path; a relative one lies in the folder of the log file. Outside of validation its name gets ``_test``
            at its end. None writes nothing.
    """
    if file is None:
        return None
    path, folder = Path(file), log_folder()
    if not path.is_absolute():
        if folder is None:
            return None
        path = folder / path
    return path if is_validation() else path.with_stem(f"{path.stem}_test")


def report(text: str, *values: Any) -> None:
    """Log a result of an evaluation: a test shows it on the screen too.

    Args:
        text: As for ``logger.info``.
        *values: Likewise.
    """
    MMLogger.get_current_instance().info(text, *values, extra={ON_SCREEN: True})
