"""Score tables from training logs: read every run below some folders, sort, compare, write.

Imports neither torch nor mmengine.

Example:
    >>> from mmseg_ext.tables import write_tables
    >>> paths = write_tables(["work_dirs"], "tables", formats=("md", "html"))  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .records import Evaluation, Run, Settings
    from .run_reading import read_runs
    from .score_table import ScoreTable, TableOptions
    from .table_making import make_tables
    from .table_writing import read_tables, write_files, write_tables
    from .terminal import print_tables

_MODULES = {
    "records": ("Evaluation", "Run", "Settings"),
    "run_reading": ("read_runs",),
    "score_table": ("ScoreTable", "TableOptions"),
    "table_making": ("make_tables",),
    "table_writing": ("read_tables", "write_files", "write_tables"),
    "terminal": ("print_tables",),
}

__all__ = [
    "Evaluation",
    "Run",
    "ScoreTable",
    "Settings",
    "TableOptions",
    "make_tables",
    "print_tables",
    "read_runs",
    "read_tables",
    "write_files",
    "write_tables",
]


def __getattr__(name: str) -> Any:
    """Import a name at its first use, so that ``--help`` is fast."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
