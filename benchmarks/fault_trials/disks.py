"""Full and read-only disks: one line that names the cause, and what was there before stays whole."""

from __future__ import annotations

import ctypes
import io
import os
import sys
import warnings
from contextlib import redirect_stderr
from pathlib import Path

from fault_trials.files import build_dataset, write_folder_dataset, write_runs
from fault_trials.kills import read_tree
from fault_trials.trials import ROOT, run_tool, run_trial

sys.path.insert(0, str(ROOT / "tests" / "stack"))

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000  # of linux/sched.h
MS_RDONLY, MS_REMOUNT = 1, 32  # of linux/mount.h


def can_mount() -> bool:
    """Whether a process may mount a file system that it alone sees: on Linux, as root or with user namespaces."""
    return sys.platform == "linux" and not run_trial(lambda number: mount_small_disk(Path(), 64), 0, 60)


def mount_small_disk(folder: Path, kilobytes: int) -> None:
    """Mount a disk of a size on a folder, for this process and its children alone."""
    user, group = os.getuid(), os.getgid()
    _call("unshare", CLONE_NEWNS | (CLONE_NEWUSER if user else 0))
    if user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _call("mount", b"none", b"/", None, 1 << 18 | 1 << 14, None)  # private, with all below it
    _call("mount", b"tmpfs", os.fsencode(folder.absolute()), b"tmpfs", 0, f"size={kilobytes}k".encode())


def make_read_only(folder: Path) -> None:
    """Make the small disk on a folder read-only."""
    _call("mount", b"tmpfs", os.fsencode(folder.absolute()), b"tmpfs", MS_REMOUNT | MS_RDONLY, None)


def _call(name: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def fill_disk(number: int) -> None:
    """Every action on a disk of 4 kB to 400 kB ends well or in one line; see `ACTIONS`."""
    action = ACTIONS[number % len(ACTIONS)]
    os.makedirs("disk")
    mount_small_disk(Path("disk"), 4 * (1 + number // len(ACTIONS)))
    action(Path("disk"))


def write_to_read_only_disk(number: int) -> None:
    """Every action on a read-only disk ends well or in one line; see `ACTIONS`."""
    os.makedirs("disk")
    mount_small_disk(Path("disk"), 1000)
    make_read_only(Path("disk"))
    ACTIONS[number % len(ACTIONS)](Path("disk"))


def train(disk: Path) -> None:
    """Train with the work dir on the disk; the checkpoint before a failed one stays whole."""
    import torch
    from tiny_runs import tiny_runner

    from mmseg_ext.engine.screen_runner import ScreenRunner
    from mmseg_ext.errors import run_command
    from mmseg_ext.stack import last_checkpoint

    settings = {"kind": ScreenRunner, "save_best": "mIoU", "rule": "greater", "max_keep_ckpts": 2}
    message = io.StringIO()
    with redirect_stderr(message):
        status = run_command(lambda: tiny_runner(disk / "run", max_iters=60, **settings).train() and None)
    _expect_named_cause(status, message.getvalue())
    pointer = disk / "run" / "last_checkpoint"
    if pointer.is_file() and list(pointer.parent.glob("*.pth")):
        torch.load(last_checkpoint(pointer.parent))


def copy(disk: Path) -> None:
    """Copy a dataset to the disk at half of its size."""
    write_folder_dataset(Path("data"), num_images=30)
    status = run_tool("downsample.py", "data", str(disk / "copy"), "--factor", "2", "--workers", "1", allowed=(0, 1, 2))
    if status == 0:
        assert len(read_tree(disk / "copy")) == 61


def write_tables(disk: Path) -> None:
    """Write tables to the disk, and their cache too."""
    os.environ["XDG_CACHE_HOME"] = str((disk / "cache").absolute())
    write_runs(Path("runs"))
    run_tool("extract_tables.py", "runs", "--out", str(disk / "out"), "--csv", "--html")


def check_data(disk: Path) -> None:
    """Check a dataset with the cache of facts on the disk."""
    from mmseg_ext.data_check import check_dataset

    write_folder_dataset(Path("data"), num_images=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = check_dataset(build_dataset(Path("data")), cache_dir=disk / "cache", num_workers=1)
    assert not report.errors
    assert report.num_masks == 30


def keep_decoded(disk: Path) -> None:
    """Read images through a cache on the disk."""
    import numpy as np

    from mmseg_ext.errors import UserError
    from mmseg_ext.masks.decoded_cache import DecodedCache

    Path("image.png").write_bytes(b"one")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            cache = DecodedCache(disk / "cache")
        except UserError as error:
            assert "cache_dir" in str(error)
            return
        for _ in range(2):
            for index in range(40):
                array = np.full((20, 30, 3), index, np.uint8)
                found = cache.get("image.png", str(index), lambda array=array: array)
                assert np.array_equal(found, array)


ACTIONS = (train, copy, write_tables, check_data, keep_decoded)


def _expect_named_cause(status: int, message: str) -> None:
    if status == 0:
        return
    line = message.strip().splitlines()[-1]
    causes = [os.strerror(number) for number in (28, 30)]  # ENOSPC, EROFS
    assert status == 2, f"status {status}: {line}"
    assert line.startswith("error: "), line
    assert any(cause in line for cause in causes), f"the cause is not named: {line}"
    assert "Traceback" not in message, message[-300:]
