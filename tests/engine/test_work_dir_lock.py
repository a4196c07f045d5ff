"""Two runs never share a work dir."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import mmseg_ext
from mmseg_ext.engine.work_dir_lock import LOCK_FILE, claim_work_dir, lock_work_dir
from mmseg_ext.errors import UserError

ROOT = Path(mmseg_ext.__file__).parents[1]
HOLD = """
import os, sys, time
from mmseg_ext.engine.work_dir_lock import lock_work_dir
lock_work_dir(sys.argv[1])
child = os.fork() if len(sys.argv) > 2 else 1
if child == 0:
    time.sleep(20)  # a data loading worker that outlives its parent
    os._exit(0)
print("holds", child, flush=True)
time.sleep(60)
"""


def hold(folder, *more):
    """Start a process that holds the lock; return it, and what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(folder), *more],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    for line in process.stdout:  # behind what the stack prints
        if line.startswith("holds"):
            return process, line.split()[1]
    raise AssertionError("the process has ended without the lock")


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_and_told_by_whom(tmp_path):
    process, _ = hold(tmp_path / "run")
    try:
        with pytest.raises(UserError, match=rf"found process {process.pid} on .* training in .*run\. Wait for its end"):
            lock_work_dir(tmp_path / "run")
        lock_work_dir(tmp_path / "other")
    finally:
        end(process)
    lock_work_dir(tmp_path / "run")  # killed: the lock is gone
    lock_work_dir(tmp_path / "run")
    assert f"process {os.getpid()} " in (tmp_path / "run" / LOCK_FILE).read_text()


def test_a_worker_that_outlives_a_killed_run_does_not_hold_its_lock(tmp_path):
    process, worker = hold(tmp_path / "run", "fork")
    try:
        end(process)
        lock_work_dir(tmp_path / "run")
    finally:
        os.kill(int(worker), signal.SIGKILL)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"Cannot write to the work dir .*Name another with --work-dir"):
        lock_work_dir(tmp_path / "file" / "run")


def test_a_work_dir_that_holds_no_trained_step_is_taken(tmp_path):
    (tmp_path / "20260101_000000" / "vis_data").mkdir(parents=True)
    (tmp_path / "20260101_000000" / "vis_data" / "scalars.json").write_text("")
    claim_work_dir(tmp_path, resume=False)
