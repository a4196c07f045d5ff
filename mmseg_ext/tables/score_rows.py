"""Turn the row that a log holds for an evaluation into an Evaluation."""

import math
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from .metric_names import BOOKKEEPING, best_evaluation, is_summary_metric, metric_name, split_class_metric
from .records import Evaluation

Row = Mapping[str, Any]
ClassTable = dict[str, dict[str, float]]

_MAX_NUMBER = 1e15
_NAMES: dict[tuple[str, ...], tuple[str, ...]] = {}


def read_number(value: Any, scale: float = 1.0) -> float | None:
    """Return a value of a row as a number; None for texts, booleans and numbers of 1e15 and more.

    Args:
        value: A value of a JSON object.
        scale: Factor on the number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return value
    return round(value * scale, 6) if abs(value) < _MAX_NUMBER else None


def make_evaluation(
    row: Row, step: int | None, *, scale: float = 1.0, wanted: Container[str] = ()
) -> Evaluation | None:
    """Make an evaluation of a log row, with its summary metrics alone.

    Args:
        row: Names and values of one row.
        step: Training iterations done.
        scale: Factor on metrics; 100 for logs that hold fractions.
        wanted: Per-class metrics to keep among the summary metrics, such as ``IoU.water``.

    Returns:
        The evaluation, or None where the row holds no metric.
    """
    metrics: dict[str, float] = {}
    is_evaluation = False
    # Most keys of a row are of classes: they are passed over at once unless some are wanted.
    for key in row if wanted else [key for key in row if split_class_metric(key) is None]:
        if key in BOOKKEEPING:
            continue
        kind_and_class = split_class_metric(key)
        name = ".".join(kind_and_class) if kind_and_class else metric_name(key, row)
        if kind_and_class and name not in wanted:
            continue
        is_metric = kind_and_class is not None or is_summary_metric(name)
        number = read_number(row[key], scale if is_metric else 1.0)
        if number is not None:
            metrics.setdefault(name, number)
            is_evaluation = is_evaluation or is_metric
    is_evaluation = is_evaluation or any(read_number(row[key]) is not None for key in row if split_class_metric(key))
    return Evaluation(step, metrics) if is_evaluation else None


def read_class_table(row: Row, scale: float = 1.0) -> ClassTable:
    """Return the per-class metrics of a log row by kind and class.

    Args:
        row: Names and values of one row.
        scale: Factor on the numbers; 100 for logs that hold fractions.
    """
    table: ClassTable = {}
    for key, value in row.items():
        kind_and_class = split_class_metric(key)
        number = read_number(value, scale) if kind_and_class else None
        if kind_and_class and number is not None:
            table.setdefault(kind_and_class[0], {})[kind_and_class[1]] = number
    return table


def set_class_values(evaluation: Evaluation, table: ClassTable) -> None:
    """Store per-class metrics in an evaluation; a class without a value becomes nan."""
    names = tuple(dict.fromkeys(name for scores in table.values() for name in scores))
    evaluation.class_names = share_names(names)
    evaluation.class_values = {kind: [scores.get(name, math.nan) for name in names] for kind, scores in table.items()}


def share_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return one shared tuple for equal tuples of class names, so that a thousand runs hold the names once."""
    return _NAMES.setdefault(names, names)


def keep_class_values(rows: Sequence[tuple[Evaluation, Callable[[], ClassTable]]]) -> None:
    """Store per-class metrics in the best evaluation (by mIoU) and the last one; a long log stays small in memory.

    Args:
        rows: Evaluations in the order of the log, each with the function that reads its per-class metrics.
    """
    best = best_evaluation([evaluation for evaluation, _ in rows], "mIoU")
    for evaluation, read in rows:
        if evaluation is best or evaluation is rows[-1][0]:
            set_class_values(evaluation, read())
