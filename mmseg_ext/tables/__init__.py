"""Score tables from training logs: read every run below some folders, sort, compare, write.

Imports neither torch nor mmengine, and nothing else of mmseg_ext.

Example:
    >>> from mmseg_ext.tables import write_tables
    >>> paths = write_tables(["work_dirs"], "tables", formats=("md", "html"))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .records import Evaluation, Run, Settings, TableError
    from .runs import read_runs
    from .table import ScoreTable, TableOptions, make_tables
    from .terminal import print_tables
    from .writer import read_tables, write_files, write_tables

_HOMES = {
    "Evaluation": "records",
    "Run": "records",
    "Settings": "records",
    "TableError": "records",
    "read_runs": "runs",
    "ScoreTable": "table",
    "TableOptions": "table",
    "make_tables": "table",
    "print_tables": "terminal",
    "read_tables": "writer",
    "write_files": "writer",
    "write_tables": "writer",
}

__all__ = [
    "Evaluation",
    "Run",
    "ScoreTable",
    "Settings",
    "TableError",
    "TableOptions",
    "make_tables",
    "print_tables",
    "read_runs",
    "read_tables",
    "write_files",
    "write_tables",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first used, so that ``--help`` stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
