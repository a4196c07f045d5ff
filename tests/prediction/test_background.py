"""Threads that read ahead and write behind."""

import threading
import time

import pytest

from mmseg_ext.prediction.background import read_ahead, write_behind


def own_threads():
    return [t for t in threading.enumerate() if t.name in ("read_ahead", "write_behind")]


def test_items_come_in_order_and_the_thread_ends():
    assert list(read_ahead(range(100), 3)) == list(range(100))
    assert not own_threads()


def test_what_the_reader_raises_is_raised_after_what_it_read():
    def items():
        yield 1
        raise OSError("gone")

    stream = read_ahead(items())
    assert next(stream) == 1
    with pytest.raises(OSError, match="gone"):
        next(stream)


def test_closing_early_ends_the_thread():
    stream = read_ahead(iter(int, 1), 2)
    next(stream)
    stream.close()
    assert not own_threads()


def test_no_more_is_read_ahead_than_asked_for():
    read = []
    stream = read_ahead((read.append(n) or n for n in range(50)), 2)
    next(stream)
    time.sleep(0.2)
    assert len(read) <= 4
    stream.close()


def test_all_items_are_written_before_the_block_is_left():
    written = []
    with write_behind(lambda items: written.extend(items), 2) as hand_over:
        for number in range(20):
            hand_over(number)
    assert written == list(range(20))


def test_what_the_writer_raises_is_raised_in_the_block():
    def write(items):
        next(iter(items))
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), write_behind(write, 1) as hand_over:  # noqa: PT012
        for number in range(1000):
            hand_over(number)
    assert not own_threads()


def test_a_block_that_raises_ends_the_writer_with_an_error():
    ended = []

    def write(items):
        try:
            list(items)
        except InterruptedError:
            ended.append("interrupted")

    with pytest.raises(ValueError, match="stop"), write_behind(write) as hand_over:  # noqa: PT012
        hand_over(1)
        raise ValueError("stop")
    assert ended == ["interrupted"]
