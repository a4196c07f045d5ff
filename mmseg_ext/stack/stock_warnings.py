"""The stack's warnings go to the log file, not to the screen."""

import atexit
import logging
import os
import site
import sys
import sysconfig
import warnings
from functools import lru_cache
from importlib import import_module
from types import FrameType
from typing import Any

from mmseg_ext.escaping import printable_lines
from mmseg_ext.stack.replacement import is_ours, replace_everywhere

OPENMMLAB = frozenset({"mmengine", "mmcv", "mmseg", "mmdet"})

_seen_warnings: set[str] = set()
_kept_warnings: list[str] = []


@lru_cache(maxsize=1)
def _installed_roots() -> tuple[str, ...]:
    standard = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return (*standard, *site.getsitepackages(), site.getusersitepackages(), "<frozen")


def _is_stock(frame: FrameType | None) -> bool:
    """Whether the code that raised a warning is installed software other than ours."""
    while frame is not None and frame.f_globals.get("__name__") in ("warnings", "_py_warnings"):
        frame = frame.f_back
    if frame is None:
        return False
    package = str(frame.f_globals.get("__name__")).partition(".")[0]
    return package != "mmseg_ext" and (package in OPENMMLAB or frame.f_code.co_filename.startswith(_installed_roots()))


def write_kept_warnings() -> None:
    """Write the stock warnings kept so far into the log file of mmengine's current logger, if there is one."""
    logger_class = getattr(sys.modules.get("mmengine.logging.logger"), "MMLogger", None)
    if not _kept_warnings or logger_class is None or not logger_class._instance_dict:
        return
    logger = logger_class.get_current_instance()
    files = [handler for handler in logger.handlers if isinstance(handler, logging.FileHandler)]
    if not files:
        return
    for text in _kept_warnings:
        record = logger.makeRecord(logger.name, logging.WARNING, __file__, 0, text, (), None)
        for handler in files:
            handler.handle(record)
    _kept_warnings.clear()


def _in_later_worker() -> bool:
    """Whether this is a data loading process other than the first, which reports for all."""
    data = sys.modules.get("torch.utils.data")
    info = data.get_worker_info() if data is not None else None
    return info is not None and info.id > 0


def quiet() -> None:
    """Keep the stock packages' warnings off the screen; each goes once into the log file.

    Warnings of mmseg_ext and of code that is not installed software (a user's own) stay on the screen. Messages below
    INFO that have no logger are not printed.
    """
    show = warnings.showwarning

    def show_ours(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
        if file is not None or not _is_stock(sys._getframe(1)):
            show(message, category, filename, lineno, file, line)
            return
        text = f"{category.__name__}: {message}"
        if text not in _seen_warnings and not _in_later_worker():
            _seen_warnings.add(text)
            _kept_warnings.append(f"{text} ({filename}:{lineno})")
            write_kept_warnings()

    if not is_ours(show):
        warnings.showwarning = show_ours
        atexit.register(write_kept_warnings)
        os.register_at_fork(after_in_child=_kept_warnings.clear)  # they are the parent's to write

    print_log = import_module("mmengine.logging.logger").print_log

    def print_log_from_info(msg: Any, logger: Any = None, level: int = logging.INFO) -> None:
        if logger is None:  # goes to the screen as it is
            msg = printable_lines(msg)
        if logger is not None or level >= logging.INFO:
            print_log(msg, logger, level)

    if not is_ours(print_log):
        replace_everywhere("print_log", print_log, print_log_from_info)
