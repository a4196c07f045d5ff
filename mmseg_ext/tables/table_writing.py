"""Read runs, make tables, write them to files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from mmseg_ext.errors import UserError
from mmseg_ext.files import replace_file
from mmseg_ext.scores.file_scores import FileScores

from .exports import to_csv, to_json
from .markdown import to_markdown
from .metric_names import is_class_metric
from .row_cache import RowCache
from .run_reading import Progress, read_runs
from .score_table import ScoreTable, TableOptions
from .table_making import make_tables

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
        work_dirs: Folders or log files.
        options: What the tables show.
        use_cache: Remember what unchanged files said, under the user's cache folder.
        progress: Called with (work dirs read, work dirs in all).

    Raises:
        UserError: With one line for the user.
    """
    options = options or TableOptions()
    wanted = [options.metric] if is_class_metric(options.metric) else []
    cache = RowCache(work_dirs, wanted) if use_cache else None
    runs = read_runs(work_dirs, wanted=wanted, cache=cache, progress=progress)
    scores = FileScores(options.image_groups, cache.path.with_suffix(".intervals.gz") if cache else None)
    return make_tables(runs, options, scores=scores, progress=progress)


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
        work_dirs: Folders or log files.
        out_dir: Where the files go.
        options: What the tables show.
        formats: Any of md, csv, json (a file a dataset) and html (one page for all).
        use_cache: Remember what unchanged files said.

    Returns:
        The files written.

    Raises:
        UserError: With one line for the user.
    """
    return write_files(read_tables(work_dirs, options, use_cache=use_cache), out_dir, formats)


def write_files(tables: Sequence[ScoreTable], out_dir: Path | str, formats: Iterable[str] = ("md",)) -> list[Path]:
    """Write tables, each file in one step.

    Returns:
        The files written.

    Raises:
        UserError: A format is unknown, or a file cannot be written.
    """
    chosen = set(formats)
    if not chosen <= set(FORMATS):
        raise UserError(f"Expected formats among {', '.join(FORMATS)}, got {', '.join(sorted(chosen))}")
    writers: list[tuple[str, Callable[[ScoreTable], str]]] = [("md", to_markdown), ("csv", to_csv), ("json", to_json)]
    contents = {
        f"{table.file_stem}.{suffix}": write(table) for table in tables for suffix, write in writers if suffix in chosen
    }
    if "html" in chosen:
        from .score_page import to_page

        contents[PAGE_NAME] = to_page(tables)
    return write_contents(contents, out_dir)


def write_contents(contents: Mapping[str, str], out_dir: Path | str) -> list[Path]:
    """Write files, each in one step.

    Args:
        contents: By name.
        out_dir: Where they go.

    Raises:
        UserError: A file cannot be written.
    """
    paths = [Path(out_dir) / name for name in contents]
    for path, content in zip(paths, contents.values(), strict=True):
        try:
            replace_file(path, content.encode("utf-8", "replace"))
        except OSError as error:
            raise UserError(f"Cannot write {path}: {error.strerror}; choose another folder with --out") from error
    return paths
