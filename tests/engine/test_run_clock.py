import pytest

from mmseg_ext.engine import run_clock
from mmseg_ext.engine.run_clock import RunClock, format_seconds


@pytest.fixture
def clock(monkeypatch):
    """A clock whose time is `clock.now`, in seconds."""
    clock = RunClock()
    clock.now = 100.0
    monkeypatch.setattr(run_clock.time, "perf_counter", lambda: clock.now)
    clock.start()
    return clock


def spend(clock, seconds, name):
    clock.now += seconds
    clock.count(name)


def test_durations_are_written_as_on_a_clock():
    assert [format_seconds(s) for s in (0, 59.6, 3600, 3599.4)] == ["0:00", "1:00", "1:00:00", "59:59"]


def test_the_time_left_is_that_of_iterations_and_validations(clock):
    assert clock.seconds_left(10, 5) == 0
    for _ in range(4):
        spend(clock, 1.0, "data")
        spend(clock, 2.0, "training")
    assert clock.seconds_per_iteration() == 3.0
    assert clock.seconds_left(10, 5) == 30.0  # how long a validation takes is not known yet
    clock.now += 50.0  # not a part of either
    clock.start()
    spend(clock, 7.0, "validation")
    assert clock.seconds == {"data": 4.0, "training": 8.0, "validation": 7.0}
    assert clock.seconds_left(10, 5) == 30.0 + 2 * 7.0
    assert clock.seconds_left(11, 5) == 33.0 + 3 * 7.0
    assert clock.seconds_left(10, None) == 30.0
