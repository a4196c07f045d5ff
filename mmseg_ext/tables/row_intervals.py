"""Add intervals and paired differences to rows whose runs left the confusion matrices of their images."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from mmseg_ext.errors import UserError
from mmseg_ext.escaping import printable
from mmseg_ext.scores.file_scores import Comparison, FileHead, Files, FileScores
from mmseg_ext.scores.holm import holm
from mmseg_ext.scores.score_names import KINDS

from .columns import Row, WithBounds, format_p_value, number_of
from .metric_names import best_evaluation, is_lower_better, metric_name
from .records import Evaluation, Run
from .score_table import ScoreTable

if TYPE_CHECKING:
    from .run_reading import Progress

T = TypeVar("T")

LEVEL = 0.05
"""Differences with a larger p-value are ties."""

_ROUNDING = 0.006
"""Scores in logs have two digits."""


def add_intervals(tables: Sequence[ScoreTable], scores: FileScores, progress: "Progress | None" = None) -> None:
    """Add what the files of image matrices say; a table without such files stays as it is.

    Args:
        tables: Finished tables.
        scores: What the files say.
        progress: Called with (rows done, rows in all).
    """
    num_rows, done = sum(len(table.rows) for table in tables), 0
    for table in tables:
        name = table.options.metric
        files: dict[str, list[Files | None]] = {key: [] for key in ("best", "last", f"test {name}")}
        for row in table.rows:
            for key, found in files.items():
                found.append(files_of(row, key, name, scores))
                if found[-1] is not None:
                    row.bounds[key] = WithBounds(*scores.interval(found[-1], name)[1:])
            _add_classes(table, row, files, scores)
            done += 1
            if progress is not None:
                progress(done, num_rows)
        if any(found is not None for of_key in files.values() for found in of_key):
            _compare(table, files, scores)
    scores.save()


def files_of(row: Row, key: str, metric: str, scores: FileScores) -> Files | None:
    """Return the files with the image matrices of a row's evaluations, None where a run has none.

    A file is of an evaluation where iteration and score are those in the log.

    Args:
        row: The row.
        key: best, last, or ``test …``.
        metric: The metric of the table.
        scores: What the files say.
    """
    found = [path for run in row.runs if (path := _file_of(run, key, metric, scores)) is not None]
    classes = {head.classes for path in found if (head := scores.head(path, metric)) is not None}
    return tuple(found) if len(found) == len(row.runs) and len(classes) == 1 else None


def _file_of(run: Run, key: str, metric: str, scores: FileScores) -> str | None:
    paths = [path for folder in reversed(run.folders) for path in scores.files_in(folder)]
    if not paths or is_lower_better(metric):
        return None
    is_test = key.startswith("test ")
    evaluation = evaluation_of(run, key, metric)
    logged = evaluation.metrics.get(metric, math.nan)
    for path in paths if math.isfinite(logged) else []:
        head = scores.head(path, metric)
        if head is None or head.is_test != is_test or not _is_of(head, metric):
            continue
        is_step = is_test or None in (head.iteration, evaluation.step) or head.iteration == evaluation.step
        if is_step and abs(head.score - logged) < _ROUNDING:
            return path
    return None


def _is_of(head: FileHead, metric: str) -> bool:
    own = metric.rpartition("/")[2]
    return "." in metric or metric_name(f"{head.prefix}/{own}") == metric


def evaluation_of(run: Run, key: str, metric: str) -> Evaluation:
    """Return the best, the last or the latest test evaluation of a run."""
    evaluations = run.tests if key.startswith("test ") else run.evaluations
    found = best_evaluation(evaluations, metric) if key == "best" else evaluations[-1] if evaluations else None
    return found or Evaluation(None, {})


def _add_classes(table: ScoreTable, row: Row, files: dict[str, list[Files | None]], scores: FileScores) -> None:
    """Add the intervals of every class: of the last evaluation, or of the test of a row that was only tested."""
    key = "last" if row.runs[0].evaluations else f"test {table.options.metric}"
    own = files[key][-1]
    if own is None or not table.options.per_class:
        return
    for kind in row.class_scores.keys() & set(KINDS):
        logged = row.class_scores[kind]
        row.class_bounds[kind] = {
            name: WithBounds(bounds.low, bounds.high)
            for name, bounds in _by_name(scores.by_class(own, kind)).items()
            if abs(bounds.estimate - logged.get(name, math.nan)) < _ROUNDING
        }


def _by_name(found: dict[str, T]) -> dict[str, T]:
    """Name classes as the tables do."""
    return {printable(name.strip()): value for name, value in found.items()}


def _compare(table: ScoreTable, files: dict[str, list[Files | None]], scores: FileScores) -> None:
    """Compare the rows with the baseline, and with the best one."""
    with_baseline = _compare_with_baseline(table, files, scores)
    with_best = _compare_with_best(table, files, scores)
    table.findings += _limits(with_baseline or with_best)


def _compare_with_baseline(
    table: ScoreTable, files: dict[str, list[Files | None]], scores: FileScores
) -> list[Comparison]:
    """Add the differences from the baseline, if there is one; returns those of the best or else the last evaluation."""
    if table.reference is None:
        return []
    baseline = table.rows.index(table.reference)
    compared: list[Comparison] = []
    for key in ("best", "last"):
        found = _compare_with(baseline, files[key], table.options.metric, scores)
        compared = compared or list(found.values())
        for (index, comparison), p_value in zip(found.items(), _holm(found), strict=True):
            bounds = WithBounds(*comparison.bounds[1:], p_value=p_value, is_tie=p_value >= LEVEL)
            table.rows[index].bounds[f"{key}_delta"] = bounds
    _compare_classes(table, baseline, files["last"], scores)
    return compared


def _compare_with_best(table: ScoreTable, files: dict[str, list[Files | None]], scores: FileScores) -> list[Comparison]:
    """Say of each row whether it can be told from the best one, and of how many not."""
    metric = table.options.metric
    key = "last" if table.options.sort.lstrip("-") == "last" else "best"
    if all(found is None for found in files[key]):
        key = f"test {metric}"
    values = [number_of(row.values.get(key)) for row in table.rows]
    known = [value for value in values if value is not None]
    if not known:
        return []
    best = values.index(max(known))
    found = _compare_with(best, files[key], metric, scores)
    num_tied = 0
    for index, p_value in zip(found, _holm(found), strict=True):
        num_tied += p_value >= LEVEL
        text = f"p {format_p_value(p_value)}"
        table.rows[index].values["like_best"] = f"\u2248 {text}" if p_value >= LEVEL else text
    if found:
        name = table.row_names()[best]
        table.findings.append(f"not distinguishable from the best, {name}: {num_tied} of {len(found)}")
    num_others = sum(row_files is not None for row_files in files[key]) - len(found) - 1
    if files[key][best] is not None and num_others > 0:
        table.findings.append(f"not compared, scored on other images than the best: {num_others}")
    return list(found.values())


def _limits(compared: Sequence[Comparison]) -> list[str]:
    """Describe what comparisons cannot show: differences that are too small, rows that are too many."""
    if not compared:
        return []
    units, found = compared[0].units, []
    smallest = statistics.median(item.smallest for item in compared)
    if not math.isnan(smallest):
        found.append(f"differences below {smallest:.1f} points cannot be told apart on these {units}")
    least = max(item.least_p for item in compared) * len(compared)
    if least >= LEVEL:
        found.append(f"{units} are too few to tell {len(compared) + 1} rows apart: the least p-value is {least:.2g}")
    return [*found, *(item.note for item in compared[:1] if item.note)]


def _compare_with(
    reference: int, files: Sequence[Files | None], metric: str, scores: FileScores
) -> dict[int, Comparison]:
    """Compare rows with one of them; those of other images are left out."""
    first, found = files[reference], {}
    for index, second in enumerate(files):
        if first is not None and second is not None and index != reference:
            try:
                found[index] = scores.difference(first, second, metric)
            except UserError:
                continue
    return found


def _holm(found: dict[int, Comparison]) -> list[float]:
    return holm([item.p_value for item in found.values()])


def _compare_classes(table: ScoreTable, reference: int, files: Sequence[Files | None], scores: FileScores) -> None:
    """Add the differences of every class from the baseline's last evaluation; corrected over rows and classes."""
    if not table.options.per_class or files[reference] is None:
        return
    for kind in [kind for kind in table.class_kinds() if kind in KINDS]:
        places, p_values = [], []
        for row, second in zip(table.rows, files, strict=True):
            if second is None or row is table.rows[reference] or kind not in row.class_scores:
                continue
            try:
                found = _by_name(scores.differences_by_class(files[reference] or (), second, kind))
            except UserError:
                continue
            deltas = row.class_deltas.setdefault(kind, {})
            for name, (bounds, p_value) in found.items():
                deltas[name] = WithBounds(*bounds[1:], estimate=bounds.estimate)
                places.append((deltas, name))
                p_values.append(p_value)
        for (deltas, name), p_value in zip(places, holm(p_values), strict=True):
            deltas[name] = replace(deltas[name], p_value=p_value, is_tie=p_value >= LEVEL)
