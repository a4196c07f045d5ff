"""Reading ahead and writing behind, in threads, while the network computes."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
_END = object()


class _Channel(Generic[Item]):
    """A queue of limited length between two threads, which either side can close."""

    def __init__(self, length: int) -> None:
        self._queue: queue.Queue = queue.Queue(length)
        self._closed = threading.Event()

    def close(self) -> None:
        self._closed.set()

    def put(self, item: Any) -> bool:
        """Wait for room; False where the other side has closed the channel."""
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> Iterator[Item]:
        while True:
            try:
                item = self._queue.get(timeout=0.1)
            except queue.Empty:
                if self._closed.is_set():
                    return
                continue
            if item is _END:
                return
            yield item

    def end(self) -> None:
        self.put(_END)


def read_ahead(items: Iterable[Item], length: int = 2) -> Iterator[Item]:
    """Yield the items of an iterable that another thread goes through, some items ahead.

    What the iterable raises is raised here. The thread ends when the generator is closed.
    """
    channel: _Channel[Item] = _Channel(length)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            for item in items:
                if not channel.put(item):
                    break
        except BaseException as error:
            raised.append(error)
        finally:
            channel.end()

    thread = threading.Thread(target=run, name="read_ahead", daemon=True)
    thread.start()
    try:
        yield from channel
        if raised:
            raise raised[0]
    finally:
        channel.close()
        thread.join()


@contextmanager
def write_behind(write: Callable[[Iterator[Item]], object], length: int = 8) -> Iterator[Callable[[Item], None]]:
    """Run a function that consumes items in another thread.

    At the end of the block the function has returned. What it raises is raised here; where the block raises, the items
    end with an error in the other thread, so that nothing is finished by mistake.

    Args:
        write: Called with the iterator of all items.
        length: Items that wait at most.

    Yields:
        A function that hands over an item.
    """
    channel: _Channel[Item] = _Channel(length)
    raised: list[BaseException] = []
    is_whole = False

    def items() -> Iterator[Item]:
        yield from channel
        if not is_whole:
            raise InterruptedError("the items are not complete")

    def run() -> None:
        try:
            write(items())
        except BaseException as error:
            raised.append(error)
        finally:
            channel.close()

    def hand_over(item: Item) -> None:
        if not channel.put(item) and raised:
            raise raised[0]

    thread = threading.Thread(target=run, name="write_behind", daemon=True)
    thread.start()
    try:
        yield hand_over
        is_whole = True
        channel.end()
    except BaseException:
        channel.close()
        raise
    finally:
        thread.join()
    if raised:
        raise raised[0]
