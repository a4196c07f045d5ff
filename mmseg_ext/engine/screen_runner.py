"""mmengine's Runner, with what matters on the screen."""

import logging
import sys
from typing import Any

from mmengine.runner import Runner

from mmseg_ext.engine.checkpoint_fit import check_fit
from mmseg_ext.points.label_budget import name_of

# Warnings of the stack that are meant for its own developers.
STOCK_NOISE = (
    "The prefix is not set in metric class",
    '"FileClient" will be deprecated',
    '"HardDiskBackend" is the alias',
)


def is_shown(record: logging.LogRecord) -> bool:
    """Whether a log record is worth a line on the screen."""
    return not record.getMessage().startswith(STOCK_NOISE)


class ScreenRunner(Runner):
    """mmengine's Runner, with its log of hundreds of lines in the log file alone where the config has a ConsoleHook.

    Warnings still reach the screen.

    A checkpoint that does not fit the model is refused, unless the config holds ``allow_partial=True``.

    Attributes:
        last_batch: The batch that was read last, for the message where a step fails on it.
    """

    last_batch: Any = None

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call the hooks, and keep the batch at hand."""
        if fn_name.startswith("before_") and fn_name.endswith("_iter"):
            self.last_batch = kwargs.get("data_batch")
        super().call_hook(fn_name, **kwargs)

    def build_logger(self, *args: Any, **kwargs: Any) -> logging.Logger:
        """Build the logger; its screen handler shows warnings only, where ConsoleHook prints what matters."""
        logger = super().build_logger(*args, **kwargs)
        has_console_hook = any(name_of(hook) == "ConsoleHook" for hook in self.cfg.get("custom_hooks") or [])
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                _log_safely(handler)
            elif type(handler) is logging.StreamHandler and handler.level < logging.WARNING and has_console_hook:
                handler.setLevel(logging.WARNING)
                handler.addFilter(is_shown)
        return logger

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> dict:
        """Load a checkpoint whose weights are those of the model."""
        checkpoint = super().load_checkpoint(filename, *args, **kwargs)
        if not self.cfg.get("allow_partial", False):
            check_fit(self.model, checkpoint, filename)
        return checkpoint


def _log_safely(handler: logging.FileHandler) -> None:
    """Let a log file take any name, and end the run where it cannot be written, instead of a traceback a line."""
    path = handler.baseFilename
    stream: Any = handler.stream
    stream.reconfigure(errors="backslashreplace")

    def fail(record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            logging.FileHandler.handleError(handler, record)
            return
        handler.handleError = lambda record: None  # type: ignore[method-assign] # once
        raise OSError(error.errno, error.strerror, path) from None

    handler.handleError = fail  # type: ignore[method-assign]
