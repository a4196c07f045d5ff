"""Progress of a long loop: a bar on a terminal, now and then a line elsewhere, nothing when it is quick."""

import sys
import time
from collections.abc import Callable
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from mmseg_ext.escaping import plain_console, printable


class ProgressDisplay:
    """Shows how far a loop is; call it with (done, total).

    Args:
        title: What is going on, like ``'Checking train images'``.
        log: Takes a line where there is no terminal; None writes to stderr.
        delay: Seconds before anything is shown.
        interval: Seconds between two lines where there is no terminal.
        terminal: Whether to draw a bar; None looks at stderr.
    """

    def __init__(
        self,
        title: str,
        log: Callable[[str], object] | None = None,
        delay: float = 2.0,
        interval: float = 30.0,
        terminal: bool | None = None,
    ) -> None:
        self.title, self.interval = printable(title), interval
        self.log = log or (lambda line: sys.stderr.write(f"{line}\n"))
        self.terminal = sys.stderr.isatty() if terminal is None else terminal
        self._next = time.monotonic() + delay
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> "ProgressDisplay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` are finished."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total)
        elif time.monotonic() >= self._next:
            if self.terminal:
                title = TextColumn("{task.description}", markup=False)
                columns = (title, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
                self._bar = Progress(*columns, console=plain_console(stderr=True), transient=True)
                self._task = self._bar.add_task(self.title, completed=done, total=total)
                self._bar.start()
            else:
                self._next = time.monotonic() + self.interval
                self.log(f"{self.title}: {done} of {total}")
