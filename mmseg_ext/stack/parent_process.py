"""Processes that end with the process that started them, however it ends."""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1  # number of <linux/prctl.h>


def end_with_parent(parent: int) -> None:
    """Let the kernel send SIGTERM to this process once its parent has ended, by SIGKILL too.

    Call it in the new process. On other systems than Linux it does nothing.

    Args:
        parent: Process id of the parent.
    """
    try:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    except (OSError, AttributeError, TypeError):
        return
    if os.getppid() != parent:  # it ended before the call
        os.kill(os.getpid(), signal.SIGTERM)
