"""Child processes that end with the process that started them."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial

from mmseg_ext.errors import UserError
from mmseg_ext.stack.parent_process import end_with_parent

_STOPPING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def run_to_end(command: Sequence[str]) -> None:
    """Run a command that shares this screen. Call it from the main thread.

    Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt here; the command and all processes that it started are then
    stopped, and print nothing about it. Where this process is killed, the kernel ends the command.

    Raises:
        UserError: The command did not end with status 0.
    """
    before = {number: signal.signal(number, signal.default_int_handler) for number in _STOPPING}
    try:
        # A session of its own, so that Ctrl-C is for this process alone.
        process = subprocess.Popen(command, start_new_session=True, preexec_fn=partial(end_with_parent, os.getpid()))
        try:
            status = process.wait()
        finally:
            if process.poll() is None:
                _stop(process)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if status != 0:
        raise UserError(f"Expected `{' '.join(command)}` to end well, it ended with status {status}.")


def _stop(process: subprocess.Popen) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGTERM)  # all at once: a worker without its parent prints errors
    else:
        process.terminate()
    process.wait()
    if sys.stdout.isatty():
        sys.stdout.write("\033[?25h")  # an interrupted progress bar leaves the cursor hidden
