"""Make the score tables: one a dataset, best first."""

from collections.abc import Sequence
from dataclasses import replace

from mmseg_ext.errors import UserError
from mmseg_ext.scores.file_scores import FileScores

from .columns import make_columns
from .metric_names import metric_name
from .records import Run
from .row_intervals import add_intervals
from .row_selection import add_differences, find_row, flag_unfair, keep_rows, some_configs, sort_rows
from .rows import make_rows
from .run_reading import Progress
from .score_table import ScoreTable, TableOptions


def make_tables(
    runs: Sequence[Run],
    options: TableOptions | None = None,
    *,
    scores: FileScores | None = None,
    progress: Progress | None = None,
) -> list[ScoreTable]:
    """Make one table a dataset, in the order of their names.

    Args:
        runs: Runs of any datasets.
        options: What the tables show.
        scores: What files of image matrices said; None computes it anew.
        progress: Called with (rows with intervals, rows in all).

    Raises:
        UserError: No row meets the filters, no row has the metric or is the baseline, a column does not exist.
    """
    options = options or TableOptions()
    options = replace(options, metric=_find_metric(runs, options.metric))
    by_dataset: dict[str, list[Run]] = {}
    for run in runs:
        by_dataset.setdefault(run.settings.dataset or "unknown", []).append(run)
    tables = []
    errors: list[UserError] = []
    num_rows = 0
    for dataset in sorted(by_dataset):
        rows = make_rows(by_dataset[dataset], metric=options.metric, group=options.group)
        num_rows += len(rows)
        columns = make_columns(rows, options.metric)
        try:
            rows = keep_rows(rows, columns, options.filters)
            rows = sort_rows(rows, columns, options.sort, options.metric)
        except UserError as error:  # a column may exist in one table and not in another
            errors.append(error)
            continue
        if rows:
            tables.append(ScoreTable(dataset, columns, rows, options))
    if not tables:
        if errors:
            raise errors[0]
        raise UserError(f"No row of {num_rows} meets {' and '.join(f'--filter {text!r}' for text in options.filters)}")
    _compare(tables, options)
    add_intervals(tables, scores or FileScores(options.image_groups), progress)
    for table in tables:
        table.columns = make_columns(table.rows, options.metric)
    return tables


def _compare(tables: Sequence[ScoreTable], options: TableOptions) -> None:
    """Add differences, flags and notes to finished rows."""
    found = False
    for table in tables:
        reference = find_row(table.rows, options.baseline) if options.baseline else None
        if reference is not None:
            found = True
            table.reference = reference
            add_differences(table.rows, reference)
        table.notes = flag_unfair(table.rows, reference or table.rows[0])
        table.notes += list(dict.fromkeys(line for row in table.rows for run in row.runs for line in run.warnings))
    if options.baseline and not found:
        some = some_configs(row for table in tables for row in table.rows)
        raise UserError(f"Expected --baseline to be one of the configs {some}; got {options.baseline!r}")


def _find_metric(runs: Sequence[Run], metric: str) -> str:
    """Return the name of a metric in the logs; ``IoU`` is binary/IoU where there is no other."""
    names = {name for run in runs for item in [*run.evaluations, *run.tests] for name in item.metrics}
    metric = metric_name(metric)
    if metric == "mIoU" or metric in names:
        return metric
    alike = [name for name in names if name.endswith(f"/{metric}")]
    if len(alike) != 1:
        raise UserError(f"Expected --metric to be one of {', '.join(sorted(names)) or 'none'}; got {metric!r}")
    return alike[0]
