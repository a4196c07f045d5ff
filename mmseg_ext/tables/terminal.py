"""Print score tables on the terminal with rich."""

import sys
from collections.abc import Sequence
from typing import IO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmseg_ext.escaping import plain_console

from .columns import Column
from .score_table import ScoreTable

MAX_ROWS = 30
"""Rows of a table that are printed; the files hold all of them."""

_STATE_STYLES = {"finished": "green", "running": "cyan", "tested": "green", "crashed": "red", "stopped": "yellow"}
_MAX_CLASS_RUNS = 8
_MAX_NOTES = 10
_FILE_WIDTH = 400


def print_tables(tables: Sequence[ScoreTable], file: IO[str] | None = None, width: int | None = None) -> None:
    """Print tables; columns that do not fit are left out and named.

    Args:
        tables: The tables.
        file: Where to print, default stdout.
        width: Characters of a line; default: the terminal's, or as many as needed where it is none.
    """
    file = file or sys.stdout
    if width is None and not getattr(file, "isatty", lambda: False)():
        width = _FILE_WIDTH
    console = plain_console(file=file, width=width, soft_wrap=False)
    for table in tables:
        columns, hidden = _fitting(table, console.width)
        console.print()
        console.print(_rich_table(table, columns))
        if len(table.rows) > MAX_ROWS:
            console.print(f"… {len(table.rows) - MAX_ROWS} more rows in the file", style="dim")
        if hidden:
            console.print(f"not shown on this width: {', '.join(hidden)}", style="dim")
        for finding in table.findings:
            console.print(finding, soft_wrap=True)
        for note in table.notes[:_MAX_NOTES]:
            console.print(f"! {note}", style="yellow", soft_wrap=True)
        if len(table.notes) > _MAX_NOTES:
            console.print(f"! … {len(table.notes) - _MAX_NOTES} more notes in the file", style="yellow")
        if table.options.per_class:
            _print_classes(table, console)


def _fitting(table: ScoreTable, limit: int) -> tuple[list[Column], list[str]]:
    """Leave out the least important columns until the others fit into the width."""
    rows = table.rows[:MAX_ROWS]
    widths = {
        column.key: max(len(text) for text in [column.title, *map(column.cell, rows)]) + 3 for column in table.columns
    }
    total = sum(widths.values()) + 7
    hidden: list[Column] = []
    for column in sorted(reversed(table.columns), key=lambda column: column.weight):
        if total > limit and column.weight < 9:
            hidden.append(column)
            total -= widths[column.key]
    keys = {column.key for column in hidden}
    return [column for column in table.columns if column.key not in keys], [column.title for column in hidden]


def _rich_table(table: ScoreTable, columns: Sequence[Column]) -> Table:
    title = Text(f"{table.dataset}: {table.headline}", style="bold")
    shown = Table(title=title, title_justify="left", box=box.ROUNDED, header_style="bold")
    shown.add_column("#", justify="right", style="dim")
    for column in columns:
        shown.add_column(
            Text(column.title),
            justify="right" if column.is_number else "left",
            no_wrap=column.key not in ("config", "run"),
            overflow="fold",
        )
    for rank, row in enumerate(table.rows[:MAX_ROWS], 1):
        styles = {"unfair": "yellow", "best": "bold green" if rank == 1 else ""}
        styles["state"] = _STATE_STYLES.get(str(row.values.get("state")), "yellow")
        cells = [Text(column.cell(row), style=styles.get(column.key, "")) for column in columns]
        shown.add_row(Text(str(rank)), *cells)
    return shown


def _print_classes(table: ScoreTable, console: Console) -> None:
    for kind in table.class_kinds()[:1]:
        numbered = [(rank, row) for rank, row in enumerate(table.rows, 1) if kind in row.class_scores]
        console.print(Text(f"\n{kind} per class, last evaluation", style="bold"))
        shown = Table(box=box.SIMPLE_HEAD)
        shown.add_column("class")
        for rank, _ in numbered[:_MAX_CLASS_RUNS]:
            shown.add_column(f"#{rank}", justify="right")
        for name in table.class_names(kind):
            cells = [row.class_cell(kind, name) for _, row in numbered[:_MAX_CLASS_RUNS]]
            shown.add_row(Text(name), *cells)
        console.print(shown)
        others = table.class_kinds()[1:]
        more = [f"{len(numbered) - _MAX_CLASS_RUNS} more rows"] if len(numbered) > _MAX_CLASS_RUNS else []
        more += [f"{' and '.join(others)} per class"] if others else []
        if more:
            console.print(f"in the file: {', '.join(more)}", style="dim")
