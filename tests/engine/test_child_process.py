"""A command that is started ends with the process that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mmseg_ext
from mmseg_ext.engine.child_process import run_to_end
from mmseg_ext.errors import UserError

ROOT = Path(mmseg_ext.__file__).parents[1]
CHILD = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
PARENT = f"""
import sys
from mmseg_ext.engine.child_process import run_to_end
run_to_end([sys.executable, "-c", {CHILD!r}, sys.argv[1]])
"""


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's signal is Linux's")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_takes_its_command_along(tmp_path, number):
    file = tmp_path / "pid"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(file)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 100
    while not (file.is_file() and file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    child = int(file.read_text())
    assert is_running(child)
    parent.send_signal(number)
    parent.wait(timeout=100)
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(child)


def test_a_command_that_fails_is_named():
    run_to_end([sys.executable, "-c", "pass"])
    with pytest.raises(UserError, match=r"sys\.exit\(3\)` to end well, it ended with status 3"):
        run_to_end([sys.executable, "-c", "import sys; sys.exit(3)"])
