"""Runs trials that may crash or hang, each in a process of its own."""

from __future__ import annotations

import io
import multiprocessing
import os
import runpy
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FORK = multiprocessing.get_context("fork")

Trial = Callable[[int], None]
"""Tries what belongs to a number, in an empty current folder; raises an error where a promise is broken."""


@dataclass
class Outcome:
    """How the trials of one kind ended.

    Attributes:
        kind: What was tried.
        tried: How many trials ran.
        failures: One line for each trial that failed.
    """

    kind: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)


def run_trials(
    kind: str, trial: Trial, count: int, seconds: float = 180, progress: Callable[[int, int], object] | None = None
) -> Outcome:
    """Run the trials 0..count - 1; a crash and a hang are failures of their trial alone."""
    outcome = Outcome(kind)
    for number in range(count):
        failure = run_trial(trial, number, seconds)
        outcome.tried += 1
        if failure:
            outcome.failures.append(f"{kind} {number}: {failure}")
        if progress:
            progress(outcome.tried, count)
    return outcome


def run_trial(trial: Trial, number: int, seconds: float) -> str:
    """Run one trial in a fork of this process; return what went wrong, an empty string for nothing."""
    with tempfile.TemporaryDirectory(prefix="fault-") as folder:
        receiver, sender = FORK.Pipe(duplex=False)
        process = FORK.Process(target=_run, args=(trial, number, folder, sender))
        process.start()
        sender.close()
        process.join(seconds)
        if process.is_alive():
            process.kill()
            process.join()
            return f"still running after {seconds:.0f} s"
        try:
            return receiver.recv()
        except EOFError:
            return f"the process ended with status {process.exitcode}"


def _run(trial: Trial, number: int, folder: str, sender: Connection) -> None:
    os.chdir(folder)
    with open(os.devnull, "w") as nothing:
        for stream in (1, 2):
            os.dup2(nothing.fileno(), stream)
    try:
        trial(number)
        sender.send("")
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = " ".join(str(error).split())[:300]
        sender.send(f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}: {what}")


def kill_after(work: Callable[[], object], seconds: float) -> bool:
    """Run a function in a fork of this process and kill it with SIGKILL; return whether it was still running."""
    process = FORK.Process(target=work)
    process.start()
    time.sleep(seconds)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def expect_one_line(message: str) -> None:
    """Raise an error unless a message is one line on the screen."""
    from mmseg_ext.escaping import printable_lines

    assert message.strip(), "an empty message"
    assert "\n" not in printable_lines(message.strip()), f"more than one line: {message!r}"


def run_tool(name: str, *arguments: str, allowed: tuple[int, ...] = (0, 2)) -> int:
    """Run a command of the project in this process.

    Returns:
        Its status, one of `allowed`.

    Raises:
        AssertionError: It ended otherwise; or with status 2 and not with one line that begins with ``error:``.
    """
    script = ROOT / name if name == "extract_tables.py" else ROOT / "tools" / name
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = runpy.run_path(str(script))["main"](list(arguments))
    assert status in allowed, f"{name} ended with status {status}: {err.getvalue()[-300:]}"
    if status == 2:
        line = err.getvalue().strip().splitlines()[-1]
        assert line.startswith("error: "), f"{name} said {line!r}"
        assert "Traceback" not in err.getvalue(), f"{name}: {line}"
    return status


def change_bytes(data: bytes, number: int) -> bytes:
    """Flip, insert, cut out, cut off or repeat bytes; the number names the change."""
    import random

    chance = random.Random(number)
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 5])):
        if not changed:
            break
        place, length = chance.randrange(len(changed)), chance.choice([1, 1, 2, 8, 64])
        way = chance.randrange(6)
        if way == 0:
            changed[place] ^= 1 << chance.randrange(8)
        elif way == 1:
            changed[place] = chance.choice(b"\0\n\r\t\"',;{}[]()<>-+.09aZ\x1b\x7f\x80\xff")
        elif way == 2:
            changed[place:place] = chance.randbytes(length)
        elif way == 3:
            changed[place:place] = changed[place : place + length] * chance.choice([1, 3, 50])
        elif way == 4:
            del changed[place : place + length]
        else:
            del changed[place:]
    return bytes(changed)
