"""The columns of a score table: what each reads from a run, how it joins several runs, how it is written."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from .metric_names import ORIGINAL_PREFIX, best_evaluation, is_class_metric, is_lower_better, is_shown_metric
from .records import Evaluation, Run


def format_p_value(p_value: float) -> str:
    """Write a p-value with as many digits as it needs: '0.31', '0.0005'."""
    return f"{p_value:.2f}" if p_value >= 0.01 else f"{p_value:.4f}" if p_value >= 1e-4 else "< 0.0001"


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and sample standard deviation over runs.

    Attributes:
        mean: The mean.
        std: The sample standard deviation (divided by n - 1); nan for one run.
        n: Number of runs that have a value.
    """

    mean: float
    std: float
    n: int


Value = str | int | float | Spread | None


@dataclass(frozen=True, slots=True)
class WithBounds:
    """The interval of a value, and the test of a difference.

    Attributes:
        low: Lower end.
        high: Upper end.
        estimate: The value, where it stands nowhere else.
        p_value: Of a difference, corrected for the number of rows.
        is_tie: Whether the difference may be chance.
    """

    low: float
    high: float
    estimate: float = math.nan
    p_value: float | None = None
    is_tie: bool = False

    def cell(self) -> str:
        """Write the interval, with signs where it is that of a difference; nothing where it is not known."""
        sign = "" if self.p_value is None else "+"
        known = math.isfinite(self.low) and math.isfinite(self.high)
        return f" [{self.low:{sign}.1f}, {self.high:{sign}.1f}]{' tie' * self.is_tie}" if known else ""


@dataclass(slots=True)
class Row:
    """One row of a score table.

    Attributes:
        values: Raw values by column key; a metric in percent, memory in MB, times in s.
        runs: The runs of the row.
        aspects: What a comparison has to keep equal, by name, as text; an empty text is unknown.
        class_scores: Per-class metrics of the last evaluation in percent, by kind and class.
        flags: Names of the aspects that make a comparison with the reference row unfair.
        bounds: Intervals by column key, where the matrices of single images are there.
        class_bounds: Those of per-class metrics, by kind and class.
        class_deltas: Differences of per-class metrics from the baseline, likewise.
    """

    values: dict[str, Value]
    runs: list[Run]
    aspects: dict[str, str] = field(default_factory=dict)
    class_scores: dict[str, dict[str, float]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    bounds: dict[str, WithBounds] = field(default_factory=dict)
    class_bounds: dict[str, dict[str, WithBounds]] = field(default_factory=dict)
    class_deltas: dict[str, dict[str, WithBounds]] = field(default_factory=dict)

    def write_bounds(self, key: str) -> str:
        """Write the interval of a column's value; nothing where there is none."""
        return self.bounds[key].cell() if key in self.bounds else ""

    def class_cell(self, kind: str, name: str) -> str:
        """Write a per-class metric, its interval and its difference from the baseline."""
        bounds = self.class_bounds.get(kind, {}).get(name)
        delta = self.class_deltas.get(kind, {}).get(name)
        text = write_number(self.class_scores[kind].get(name)) + (bounds.cell() if bounds else "")
        return f"{text} \u0394 {delta.estimate:+.1f}{delta.cell()}" if delta and delta.cell() else text


def join_equal(values: Sequence[Value]) -> Value:
    """Join values of several runs: the value that all share, else None."""
    return values[0] if values[0] != "" and all(value == values[0] for value in values) else None


def join_spread(values: Sequence[Value]) -> Spread | None:
    """Join numbers of several runs: mean and sample standard deviation of those that have one.

    Both are nan where a number is nan or infinite.

    Example:
        >>> join_spread([40.0, None, 42.0])
        Spread(mean=41.0, std=1.4142135623730951, n=2)
    """
    numbers = [float(value) for value in values if isinstance(value, (int, float))]
    if not numbers:
        return None
    if not all(map(math.isfinite, numbers)):
        return Spread(math.nan, math.nan, len(numbers))
    std = statistics.stdev(numbers) if len(numbers) > 1 else math.nan
    return Spread(statistics.fmean(numbers), std, len(numbers))


def _join_states(values: Sequence[Value]) -> str:
    states = [str(value) for value in values]
    counts = {state: states.count(state) for state in states}
    return states[0] if len(counts) == 1 else ", ".join(f"{count} {state}" for state, count in counts.items())


def _join_notes(values: Sequence[Value]) -> str:
    return "; ".join(dict.fromkeys(str(value) for value in values if value))


def number_of(value: Value) -> float | None:
    """Return the finite number of a value; None for nan, infinity and text."""
    number = value.mean if isinstance(value, Spread) else value
    return float(number) if isinstance(number, (int, float)) and math.isfinite(number) else None


def write_number(value: Value, template: str = "{:.2f}") -> str:
    """Write a number, nan, or a mean with its spread; nothing for no value.

    Example:
        >>> write_number(Spread(41.0, 0.5, 3))
        '41.00 \u00b1 0.50'
    """
    if isinstance(value, Spread):
        text = template.format(value.mean)
        return text if math.isnan(value.std) else f"{text} \u00b1 {template.replace('+', '').format(value.std)}"
    if isinstance(value, (int, float)):
        return "nan" if math.isnan(value) else template.format(value)
    return ""


def write_steps(steps: int) -> str:
    """Write a number of iterations shortly, without rounding it.

    Example:
        >>> [write_steps(steps) for steps in (40000, 12500, 1234)]
        ['40k', '12.5k', '1234']
    """
    return f"{steps / 1000:g}k" if 1000 <= steps < 10**8 and steps % 100 == 0 else str(steps)


def _write_iterations(row: Row) -> str:
    done, planned = row.values.get("done"), row.values.get("planned")
    if not isinstance(done, int):
        return f"0/{write_steps(planned)}" if isinstance(planned, int) and "n" not in row.values else ""
    return f"{write_steps(done)}/{write_steps(planned)}" if isinstance(planned, int) else write_steps(done)


def _write_best(row: Row) -> str:
    text, step = write_number(row.values.get("best")), row.values.get("best_step")
    text += row.write_bounds("best")
    return f"{text} @ {write_steps(step)}" if text and isinstance(step, int) else text


def _write_factor(row: Row) -> str:
    factor = row.values.get("factor")
    return f"1/{factor}" if isinstance(factor, int) else ""


def _write_parameters(row: Row) -> str:
    number = number_of(row.values.get("parameters"))
    if number is None:
        return ""
    return f"{number / 1e6:.1f} M" if number >= 1e5 else f"{number / 1e3:.1f} k"


def _write_memory(row: Row) -> str:
    number = number_of(row.values.get("memory"))
    return f"{number / 1024:.1f} GB" if number is not None else ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        key: Name in ``--sort`` and ``--filter``, and of the raw value in CSV and JSON.
        title: Heading; a column without one is in CSV and JSON alone.
        read: Returns the value of a run for a metric; None for a value that is set when rows are compared.
        join: Joins the values of several runs into one.
        template: Format of a number; empty for a text.
        write: Writes the cell of a row, where neither the text nor the formatted number is the cell.
        is_descending: Large numbers come first when sorted; None: as the metric of the table has it.
        weight: On a narrow terminal columns with the least weight are left out first; 9 is never left out.
    """

    key: str
    title: str = ""
    read: Callable[[Run, str], Value] | None = None
    join: Callable[[Sequence[Value]], Value] = join_equal
    template: str = ""
    write: Callable[[Row], str] | None = None
    is_descending: bool | None = False
    weight: int = 5

    @property
    def is_number(self) -> bool:
        """Whether the column is aligned right and sorted by number."""
        return bool(self.template)

    def cell(self, row: Row) -> str:
        """Write the cell of a row."""
        if self.write is not None:
            return self.write(row)
        value = row.values.get(self.key)
        return write_number(value, self.template) + row.write_bounds(self.key) if self.template else str(value or "")


def _best(run: Run, metric: str) -> Evaluation:
    return best_evaluation(run.evaluations, metric) or Evaluation(None, {})


def _best_value(run: Run, metric: str) -> Value:
    return _best(run, metric).metrics.get(metric)


def _last(run: Run) -> Evaluation:
    return run.evaluations[-1] if run.evaluations else Evaluation(None, {})


def extra_metrics(run: Run, metric: str) -> dict[str, float]:
    """Return the further metrics of a run: those of its last evaluation and of its last test, by column key."""
    metrics = {
        "val loss" if name == "loss" else name: value
        for name, value in _last(run).metrics.items()
        if name != metric and (is_shown_metric(name) or is_class_metric(name))
    }
    for name, value in (run.tests[-1].metrics if run.tests else {}).items():
        if is_shown_metric(name):
            metrics[f"test {name}"] = value
    return metrics


def _metric_column(name: str) -> Column:
    weight = {"original/mIoU": 8, "mIoU": 6, "mAcc": 6, "aAcc": 6, "test mIoU": 6}.get(name, 3 if "/" in name else 4)
    template = "{:.4f}" if "loss" in name else "{:.2f}"
    high = not is_lower_better(name)
    return Column(
        name, name, lambda run, metric: extra_metrics(run, metric).get(name), join_spread, template, None, high, weight
    )


_INTEGER, _METRIC, _DELTA = "{:.0f}", "{:.2f}", "{:+.2f}"
_BEFORE_METRICS = (
    Column("config", "config", lambda run, _: run.name, weight=9),
    Column("run", "run", lambda run, _: run.label, lambda values: f"{values[0]} and {len(values) - 1} more", weight=8),
    Column("backbone", "backbone", lambda run, _: run.settings.backbone, weight=3),
    Column("head", "head", lambda run, _: run.settings.head, weight=2),
    Column("factor", "factor", lambda run, _: run.settings.factor, join_equal, _INTEGER, _write_factor, weight=4),
    Column("labels", "labels", lambda run, _: run.settings.labels, weight=7),
    Column("done", "iterations", lambda run, _: run.done, join_equal, _INTEGER, _write_iterations, True, 6),
    Column("planned", read=lambda run, _: run.planned),
    Column("best", "best {}", _best_value, join_spread, _METRIC, _write_best, None, 9),
    Column("best_step", read=lambda run, name: _best(run, name).step),
    Column("best_delta", "\u0394 best", template=_DELTA, is_descending=None, weight=8),
    Column("like_best", "like the best", weight=8),
    Column("last", "last {}", lambda run, name: _last(run).metrics.get(name), join_spread, _METRIC, None, None, 9),
    Column("last_step", read=lambda run, _: _last(run).step),
    Column("last_delta", "\u0394 last", template=_DELTA, is_descending=None, weight=7),
)
_AFTER_METRICS = (
    Column("n", "runs", template=_INTEGER, is_descending=True, weight=6),
    Column(
        "parameters", "params", lambda run, _: run.num_parameters, join_equal, _INTEGER, _write_parameters, weight=2
    ),
    Column("seconds", "s/iter", lambda run, _: run.seconds_per_step, join_spread, "{:.3f}", weight=2),
    Column("memory", "memory", lambda run, _: run.memory, join_spread, _INTEGER, _write_memory, weight=1),
    Column(
        "date",
        "date",
        lambda run, _: run.started,
        lambda values: max(map(str, values)),
        write=lambda row: str(row.values.get("date") or "")[:10],
        weight=3,
    ),
    Column("state", "state", lambda run, _: run.state, _join_states, weight=8),
    Column("note", "note", lambda run, _: run.note, _join_notes, weight=9),
    Column("seed", read=lambda run, _: run.seed),
    Column("unfair", "differs in", write=lambda row: ", ".join(row.flags), weight=7),
)
_FIXED_KEYS = frozenset(column.key for column in (*_BEFORE_METRICS, *_AFTER_METRICS))


def all_columns(further: Iterable[str]) -> list[Column]:
    """Return every column in order, those of further metrics among them.

    Args:
        further: Column keys of further metrics, such as ``mAcc`` and ``test mIoU``.
    """
    metrics = [_metric_column(name) for name in further if name not in _FIXED_KEYS]
    return [*_BEFORE_METRICS, *metrics, *_AFTER_METRICS]


def make_columns(rows: Sequence[Row], metric: str) -> list[Column]:
    """Return the columns to show: those that are not empty in every row.

    Args:
        rows: The rows of one table.
        metric: The metric that ``best`` and ``last`` show.
    """
    further = [name for name in _further_metrics(rows) if not _repeats(name, rows, metric)]
    names = {str(row.values.get("config")) for row in rows}
    high = not is_lower_better(metric)
    return [
        replace(
            column,
            title=column.title.format(metric) if column.key in ("best", "last") else column.title,
            is_descending=high if column.is_descending is None else column.is_descending,
        )
        for column in all_columns(further)
        if column.title and (column.key != "run" or len(names) < len(rows)) and any(map(column.cell, rows))
    ]


def _further_metrics(rows: Sequence[Row]) -> list[str]:
    """Return further metrics: mIoU, that on the original labels, mAcc and aAcc first, tests last."""
    names = dict.fromkeys(name for row in rows for name in row.values)
    order = {"mIoU": 0, "original/mIoU": 1, "mAcc": 2, "aAcc": 3}
    return sorted(names, key=lambda name: (name.startswith("test "), order.get(name.removeprefix("test "), 4)))


def _repeats(name: str, rows: Sequence[Row], metric: str) -> bool:
    """Return whether the scores on the original labels are those beside them in every row: no labels were reduced."""
    own = name.removeprefix(ORIGINAL_PREFIX)
    beside = "last" if own == metric else own
    return own != name and all(
        row.values.get(name) is None or write_number(row.values[name]) == write_number(row.values.get(beside))
        for row in rows
    )
