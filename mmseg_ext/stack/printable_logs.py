"""mmengine's log holds printable text alone: names in it cannot move the cursor of who reads it."""

import logging
from importlib import import_module
from typing import Any

from mmseg_ext.escaping import printable_lines


def keep_logs_printable() -> None:
    """Write ``?`` for control characters and broken Unicode in every message of mmengine's loggers."""
    logger_class = import_module("mmengine.logging.logger").MMLogger

    def make_record(self: logging.Logger, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = logging.Logger.makeRecord(self, *args, **kwargs)
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # the arguments do not fit: the handlers report it
            return record
        safe = printable_lines(text)
        if safe != text:
            record.msg, record.args = safe, ()
        return record

    logger_class.makeRecord = make_record
