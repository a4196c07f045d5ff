"""Processes killed with SIGKILL: nothing that was saved is lost, no file is half written, no child stays behind."""

from __future__ import annotations

import builtins
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fault_trials.files import write_runs
from fault_trials.trials import ROOT, kill_after, run_tool

sys.path.insert(0, str(ROOT / "tests" / "stack"))


class TrainingKills:
    """One training run, killed again and again; each time it resumes from what the last kill has left.

    Args:
        folder: Where the work dir lies between the trials.
    """

    def __init__(self, folder: Path) -> None:
        self.work_dir = folder.absolute() / "run"

    def train(self) -> None:
        """Train on, with a new best checkpoint and a checkpoint at every second step; ends only when it is killed."""
        from tiny_runs import tiny_runner

        from mmseg_ext.stack import remove_leftovers

        if self.work_dir.is_dir():
            remove_leftovers(self.work_dir)
        settings = {"save_best": "mIoU", "rule": "greater", "max_keep_ckpts": 1}
        tiny_runner(self.work_dir, max_iters=10**6, resume=True, **settings).train()

    def train_to_file_operation(self, count: int) -> None:
        """Train on and be killed at the n-th change of a file after the first steps."""
        left = [count]

        def counted(function: Callable) -> Callable:
            def call(*args: Any, **kwargs: Any) -> Any:
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                return function(*args, **kwargs)

            return call

        plain_open = builtins.open

        def open_counted(path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            file = plain_open(path, mode, *args, **kwargs)
            if "last_checkpoint" in str(path) and "w" in mode:  # truncated, and not written yet
                counted(bool)()
            return file

        for name in ("replace", "unlink", "remove", "fsync"):
            setattr(os, name, counted(getattr(os, name)))
        builtins.open = open_counted
        self.train()

    def saved_step(self) -> int:
        """The step of the checkpoint that a resumed run starts from; 0 where nothing was saved."""
        import torch

        from mmseg_ext.stack import last_checkpoint

        checkpoint = last_checkpoint(self.work_dir) if self.work_dir.is_dir() else None
        return 0 if checkpoint is None else torch.load(checkpoint)["meta"]["iter"]

    def kill(self, number: int) -> None:
        """Kill the run, by turns at a random moment and at a file operation; what it had saved is there."""
        before = self.saved_step()
        if number % 2:
            killed = kill_after(self.train, random.Random(number).uniform(0.1, 1.5))
        else:
            killed = kill_after(lambda: self.train_to_file_operation(number // 2 % 40), 10)
            killed = True if self.saved_step() else killed
        assert killed, "the run ended by itself: it could not be resumed"
        after = self.saved_step()
        assert after >= before, f"resumes from step {after}, had saved step {before}"


class CopyKills:
    """A dataset copied at a fraction of its size, killed at random moments.

    Args:
        folder: Where the original lies between the trials.
    """

    def __init__(self, folder: Path) -> None:
        import numpy as np
        from PIL import Image

        self.source = folder.absolute() / "original"
        generator = np.random.default_rng(0)
        for name in ("images", "masks"):
            (self.source / name).mkdir(parents=True)
        for index in range(40):
            image = Image.fromarray(generator.integers(0, 256, (200, 300, 3), dtype=np.uint8))
            image.save(self.source / "images" / f"{index}.jpg")
            Image.fromarray(generator.integers(0, 3, (200, 300), dtype=np.uint8)).save(
                self.source / "masks" / f"{index}.png"
            )
        start = time.monotonic()
        self.start_copy(folder / "expected").wait()
        self.seconds = time.monotonic() - start
        self.expected = read_tree(folder / "expected")

    def start_copy(self, target: Path) -> subprocess.Popen:
        """Begin the copy, or go on making it: the command itself, whose workers import no more than it does."""
        tool, options = str(ROOT / "tools" / "downsample.py"), ("--factor", "2", "--workers", "2")
        return subprocess.Popen([sys.executable, tool, str(self.source), str(target), *options])

    def kill(self, number: int) -> None:
        """Every file of a killed copy is whole; the same command ends it; no worker stays behind."""
        target = Path("copy").absolute()
        process = self.start_copy(target)
        time.sleep(random.Random(number).uniform(0, self.seconds))
        process.kill()
        process.wait()
        expect_no_process_in(Path.cwd())
        if target.is_dir():
            for path, content in read_tree(target).items():
                if path in self.expected and path != "dataset.json":
                    assert content == self.expected[path], f"{path} is not whole"
        assert self.start_copy(target).wait() == 0, "the same command does not end the copy"
        found = {path: content for path, content in read_tree(target).items() if path != "dataset.json"}
        expected = {path: content for path, content in self.expected.items() if path != "dataset.json"}
        assert found == expected, f"the copy differs in {sorted(set(found) ^ set(expected))[:3]}"


def kill_tables(number: int) -> None:
    """Tables of a killed command are those of before or the new ones, whole."""
    os.environ["XDG_CACHE_HOME"] = str(Path("cache").absolute())
    write_runs(Path("runs"))

    def write() -> None:
        run_tool("extract_tables.py", "runs", "--out", "out", "--csv", "--html", allowed=(0,))

    write()
    expected = read_tree(Path("out"))
    if number % 2:
        shutil.rmtree("cache")
    kill_after(write, random.Random(number).uniform(0.005, 0.2))
    assert read_tree(Path("out")) == expected, "a table is not whole"
    write()
    assert read_tree(Path("out")) == expected, "another table after a kill"


def kill_decoded_cache(number: int) -> None:
    """Entries of the cache of decoded images are whole or missing."""
    import numpy as np

    from mmseg_ext.masks.decoded_cache import DecodedCache

    Path("image.png").write_bytes(b"one")

    def array_of(index: int) -> np.ndarray:
        return np.full((300, 400, 3), index % 251, np.uint8)

    def fill() -> None:
        cache = DecodedCache("cache", limit_gb=1)
        for index in range(2000):
            cache.get("image.png", str(index), lambda index=index: array_of(index))

    kill_after(fill, random.Random(number).uniform(0.01, 0.4))
    cache = DecodedCache("cache", limit_gb=1)
    for index in range(100):
        found = cache.get("image.png", str(index), lambda index=index: array_of(index))
        assert np.array_equal(found, array_of(index)), f"entry {index} is another array"
    total = sum(path.stat().st_size for path in cache.folder.glob("*.array"))
    counted = int((cache.folder / "total").read_text())
    assert counted >= total, f"counts {counted} bytes, holds {total}"


def read_tree(folder: Path) -> dict[str, bytes]:
    """The files below a folder and what they hold, without hidden ones."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def expect_no_process_in(folder: Path, seconds: float = 60) -> None:
    """Raise an error where another process still works in a folder after some time."""
    deadline = time.monotonic() + seconds
    while True:
        left = [
            (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            for entry in Path("/proc").glob("[0-9]*")
            if _works_in(entry, folder)
        ]
        if not left:
            return
        assert time.monotonic() < deadline, f"processes {left} stay behind"
        time.sleep(0.05)


def _works_in(process: Path, folder: Path) -> bool:
    try:
        is_other = int(process.name) not in (os.getpid(), os.getppid())
        return is_other and os.readlink(process / "cwd") == str(folder)
    except OSError:  # it has ended
        return False
