"""The library's front door: read runs, make tables, write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .cache import Cache
from .exports import to_csv, to_json
from .files import write_atomically
from .markdown import to_markdown
from .metrics import is_class_metric
from .records import Run
from .runs import Progress, read_runs
from .table import ScoreTable, TableOptions, make_tables

FORMATS = ("md", "csv", "json", "html")
PAGE_NAME = "all_scores.html"


def read_tables(
    work_dirs: Sequence[Path | str],
    options: TableOptions | None = None,
    *,
    use_cache: bool = True,
    progress: Progress | None = None,
) -> list[ScoreTable]:
    """Read every run below some folders and make one table a dataset.

    Args:
        work_dirs: folders or log files.
        options: what the tables show.
        use_cache: remember what unchanged files said, under the user's cache folder.
        progress: called with (work dirs read, work dirs in all).

    Raises:
        TableError: with one line for the user.
    """
    options = options or TableOptions()
    wanted = [options.metric] if is_class_metric(options.metric) else []
    cache = Cache(work_dirs, wanted) if use_cache else None
    runs: list[Run] = read_runs(work_dirs, wanted=wanted, cache=cache, progress=progress)
    return make_tables(runs, options)


def write_tables(
    work_dirs: Sequence[Path | str],
    out_dir: Path | str = ".",
    options: TableOptions | None = None,
    *,
    formats: Iterable[str] = ("md",),
    use_cache: bool = True,
) -> list[Path]:
    """Read every run below some folders and write the tables.

    Args:
        work_dirs: folders or log files.
        out_dir: where the files go.
        options: what the tables show.
        formats: any of md, csv, json (a file a dataset) and html (one page for all).
        use_cache: remember what unchanged files said.

    Returns:
        The files written.

    Raises:
        TableError: with one line for the user.
    """
    return write_files(read_tables(work_dirs, options, use_cache=use_cache), out_dir, formats)


def write_files(tables: Sequence[ScoreTable], out_dir: Path | str, formats: Iterable[str] = ("md",)) -> list[Path]:
    """Write tables, each file in one step.

    Returns:
        The files written.
    """
    chosen = set(formats)
    if not chosen <= set(FORMATS):
        raise ValueError(f"Expected formats among {', '.join(FORMATS)}, got {', '.join(sorted(chosen))}")
    folder = Path(out_dir)
    writers: list[tuple[str, Callable[[ScoreTable], str]]] = [("md", to_markdown), ("csv", to_csv), ("json", to_json)]
    paths = []
    for table in tables:
        for suffix, write in writers:
            if suffix in chosen:
                paths.append(write_atomically(folder / f"{table.file_stem}.{suffix}", write(table)))
    if "html" in chosen:
        from .page import to_page

        paths.append(write_atomically(folder / PAGE_NAME, to_page(tables)))
    return paths
