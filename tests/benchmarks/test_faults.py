"""The trials of faults: a small number of each kind survives, and the runner notices what does not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def trials(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from fault_trials import trials

    return trials


def test_nothing_fails():
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "faults.py"), "--quick"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 10
    assert all(row.endswith("| 0 |") for row in rows)


def crash(number):
    os.kill(os.getpid(), signal.SIGKILL)


def hang(number):
    time.sleep(100)


def fail(number):
    raise KeyError("x")


@pytest.mark.parametrize(
    ("trial", "what"),
    [(crash, "ended with status -9"), (hang, "still running after 1 s"), (fail, "KeyError at test_faults.py")],
)
def test_what_breaks_a_promise_is_noticed(trials, trial, what):
    outcome = trials.run_trials("kind", trial, 2, seconds=1)
    assert outcome.tried == 2
    assert len(outcome.failures) == 2
    assert what in outcome.failures[1]


def test_a_trial_works_in_a_folder_of_its_own(trials):
    def trial(number):
        assert os.listdir() == []
        Path("file").write_text("x")

    assert trials.run_trials("kind", trial, 2).failures == []


@pytest.mark.parametrize("message", ["", "two\nlines"])
def test_messages_that_are_not_one_line(trials, message):
    with pytest.raises(AssertionError):
        trials.expect_one_line(message)


def test_changes_have_numbers(trials):
    data = bytes(range(200))
    changed = [trials.change_bytes(data, number) for number in range(50)]
    assert changed == [trials.change_bytes(data, number) for number in range(50)]
    assert len(set(changed)) == 50
