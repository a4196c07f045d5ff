"""Print score tables on the terminal with rich."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING

from .columns import Column, write_number
from .table import ScoreTable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID
    from rich.table import Table

MAX_ROWS = 30
"""Rows of a table that are printed; the files hold all of them."""

_STATE_STYLES = {"finished": "green", "running": "cyan", "tested": "green", "crashed": "red", "stopped": "yellow"}
_MAX_CLASS_RUNS = 8


def print_tables(tables: Sequence[ScoreTable], file: IO[str] | None = None, width: int | None = None) -> None:
    """Print tables; columns that do not fit are left out and named.

    Args:
        tables: the tables.
        file: where to print, default stdout.
        width: characters of a line; default: the terminal's, or as many as needed where it is none.
    """
    from rich.console import Console

    file = file or sys.stdout
    is_terminal = bool(getattr(file, "isatty", lambda: False)())
    console = Console(file=file, width=width or (None if is_terminal else 400), highlight=False, soft_wrap=False)
    limit = console.width if is_terminal or width else 400
    for table in tables:
        columns, hidden = _fitting(table, limit)
        console.print()
        console.print(_rich_table(table, columns))
        if len(table.rows) > MAX_ROWS:
            console.print(f"… {len(table.rows) - MAX_ROWS} more rows in the file", style="dim", markup=False)
        if hidden:
            console.print(f"not shown on this width: {', '.join(hidden)}", style="dim", markup=False)
        for note in table.notes[:10]:
            console.print(f"! {note}", style="yellow", markup=False, soft_wrap=True)
        if len(table.notes) > 10:
            console.print(f"! … {len(table.notes) - 10} more notes in the file", style="yellow", markup=False)
        if table.options.per_class:
            _print_classes(table, console)


def _cells(table: ScoreTable, column: Column) -> list[str]:
    return [column.write(row) for row in table.rows[:MAX_ROWS]]


def _fitting(table: ScoreTable, limit: int) -> tuple[list[Column], list[str]]:
    """Leave out the least important columns until the others fit into the width."""
    widths = {
        column.key: max(len(cell) for cell in [column.title, *_cells(table, column)]) + 3 for column in table.columns
    }
    columns = list(table.columns)
    hidden: list[str] = []
    while sum(widths[column.key] for column in columns) + 7 > limit:
        candidates = [column for column in columns if column.weight < 9]
        if not candidates:
            break
        least = min(reversed(candidates), key=lambda column: column.weight)
        columns.remove(least)
        hidden.append(least.title)
    return columns, hidden


def _rich_table(table: ScoreTable, columns: Sequence[Column]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text(f"{table.dataset}: {table.headline}", style="bold")
    shown = Table(title=title, title_justify="left", box=box.ROUNDED, header_style="bold")
    shown.add_column("#", justify="right", style="dim")
    for column in columns:
        is_name = column.key in ("config", "run")
        shown.add_column(
            Text(column.title),
            justify="right" if column.is_number else "left",
            no_wrap=not is_name,
            overflow="fold",
        )
    for rank, row in enumerate(table.rows[:MAX_ROWS], 1):
        cells = []
        for column in columns:
            text = column.write(row)
            style = ""
            if column.key == "state":
                style = _STATE_STYLES.get(text, "yellow")
            elif column.key == "best" and rank == 1:
                style = "bold green"
            elif column.key == "unfair":
                style = "yellow"
            cells.append(Text(text, style=style))
        shown.add_row(Text(str(rank)), *cells)
    return shown


def _print_classes(table: ScoreTable, console: Console) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    for kind in table.class_kinds()[:1]:
        numbered = [(rank, row) for rank, row in enumerate(table.rows, 1) if kind in row.class_scores]
        console.print(Text(f"\n{kind} per class, last evaluation", style="bold"))
        shown = Table(box=box.SIMPLE_HEAD)
        shown.add_column("class")
        for rank, _ in numbered[:_MAX_CLASS_RUNS]:
            shown.add_column(f"#{rank}", justify="right")
        for name in table.class_names(kind):
            cells = [write_number(row.class_scores[kind].get(name)) for _, row in numbered[:_MAX_CLASS_RUNS]]
            shown.add_row(Text(name), *cells)
        console.print(shown)
        others = table.class_kinds()[1:]
        more = [f"{len(numbered) - _MAX_CLASS_RUNS} more rows"] if len(numbered) > _MAX_CLASS_RUNS else []
        more += [f"{' and '.join(others)} per class"] if others else []
        if more:
            console.print(f"in the file: {', '.join(more)}", style="dim", markup=False)


@contextlib.contextmanager
def progress_bar(delay: float = 1.0) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar on stderr while logs are read, once that takes longer than a moment; none where it is no terminal.

    Args:
        delay: how long to wait before it appears, in s.
    """
    if not sys.stderr.isatty():
        yield None
        return
    start = time.monotonic()
    shown: list[tuple[Progress, TaskID]] = []

    def advance(done: int, total: int) -> None:
        if not shown:
            if time.monotonic() - start < delay or done >= total:
                return
            from rich.console import Console
            from rich.progress import Progress

            progress = Progress(console=Console(stderr=True), transient=True)
            progress.start()
            shown.append((progress, progress.add_task("reading runs", total=total)))
        progress, task = shown[0]
        progress.update(task, completed=done)

    try:
        yield advance
    finally:
        for progress, _ in shown:
            progress.stop()
