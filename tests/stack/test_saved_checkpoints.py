"""A run that is killed while it saves can be resumed; a full disk leaves the checkpoint before."""

import errno
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from tiny_runs import tiny_runner

import mmseg_ext
from mmseg_ext.errors import UserError
from mmseg_ext.stack import last_checkpoint, remove_leftovers

SETTINGS = {"save_best": "mIoU", "rule": "greater", "max_keep_ckpts": 1}
ROOT = Path(mmseg_ext.__file__).parents[1]

# Ends the process at the n-th call that changes files while a checkpoint is saved.
KILLED = """
import builtins, os, signal, sys
sys.path.insert(0, {tests!r})
from mmseg_ext import stack
stack.prepare()
from tiny_runs import tiny_runner
runner = tiny_runner({folder!r}, max_iters=6, resume={resume}, save_best="mIoU", rule="greater", max_keep_ckpts=1)
left = [{calls}]
def counted(function):
    def call(*args, **kwargs):
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return function(*args, **kwargs)
    return call
os.replace, os.unlink, os.remove, os.fsync = map(counted, (os.replace, os.unlink, os.remove, os.fsync))
plain_open = builtins.open
def open_counted(path, mode="r", *args, **kwargs):
    if "last_checkpoint" in str(path) and "w" in mode:
        file = plain_open(path, mode, *args, **kwargs)  # truncated, and not written yet
        counted(lambda: None)()
        return file
    return plain_open(path, mode, *args, **kwargs)
builtins.open = open_counted
runner.train()
"""


def run_killed(folder, calls, resume=False):
    code = KILLED.format(tests=str(Path(__file__).parent), folder=str(folder), calls=calls, resume=resume)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done


def test_a_run_that_is_killed_at_any_file_operation_of_a_save_resumes(tmp_path):
    survived = 0
    for calls in range(2, 40, 5):
        folder = tmp_path / f"run{calls}"
        done = run_killed(folder, calls)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr[-2000:]
        remove_leftovers(folder)
        resumed = last_checkpoint(folder) if folder.is_dir() else None
        if resumed is not None:
            assert torch.load(resumed, weights_only=False)["meta"]["iter"] > 0
            survived += 1
        assert [path.name for path in folder.glob(".*.pth.*")] == []
        if done.returncode == 0:
            break
    assert survived >= 3


def test_a_killed_run_ends_as_if_it_had_not_been(tmp_path):
    assert run_killed(tmp_path / "run", 9).returncode == -signal.SIGKILL
    runner = tiny_runner(tmp_path / "run", max_iters=6, resume=True, **SETTINGS)
    runner.train()
    assert runner.iter == 6
    assert (tmp_path / "run" / "iter_6.pth").is_file()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_the_checkpoint_before_and_is_named(tmp_path, monkeypatch, error):
    tiny_runner(tmp_path / "run", max_iters=2, **SETTINGS).train()
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.pth")}

    def full(*args, **kwargs):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=rf"Cannot save the checkpoint .*{os.strerror(error)}.*are kept.*--resume"):
        tiny_runner(tmp_path / "run", max_iters=4, resume=True, **SETTINGS).train()
    monkeypatch.undo()
    after = {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.pth")}
    assert after == before
    assert last_checkpoint(tmp_path / "run") == tmp_path / "run" / "iter_2.pth"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_disk_that_is_full_amid_the_tensors(tmp_path, monkeypatch):
    """The writer of torch hides the system's error behind one of its own."""
    from mmengine.runner.checkpoint import save_checkpoint

    @contextmanager
    def writing_to_full(path):
        with open("/dev/full", "wb", buffering=0) as file:
            yield file

    monkeypatch.setattr("mmseg_ext.stack.saved_checkpoints.replacing_file", writing_to_full)
    with pytest.raises(UserError, match=r"Cannot save the checkpoint .*No space left on device"):
        save_checkpoint({"x": torch.zeros(1000)}, str(tmp_path / "x.pth"))
