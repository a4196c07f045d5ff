"""Make table rows of runs: one row a run, or one row for the runs that differ in seed (and fold) alone."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .metrics import ORIGINAL_PREFIX, better, is_class_metric, is_summary_metric
from .records import Evaluation, Run

_SEED_NAME = re.compile(r"[-_]seed[-_=]?\d+(?=[-_]|$)", re.IGNORECASE)
_FOLD_NAME = re.compile(r"[-_]fold[-_=]?\d+(?=[-_]|$)", re.IGNORECASE)
_FACTOR = re.compile(r"_ds_?\d+\b|\bfactor \d+(?:, )?")


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and sample standard deviation over runs.

    Attributes:
        mean: the mean.
        std: the sample standard deviation (divided by n - 1); nan for one run.
        n: number of runs that have a value.
    """

    mean: float
    std: float
    n: int


Value = str | int | float | Spread | None


@dataclass(slots=True)
class Row:
    """One row of a score table.

    Attributes:
        values: raw values by column key; a metric in percent, memory in MB, times in s.
        runs: the runs behind the row.
        aspects: what a comparison has to keep equal, by name, as text; an empty text is unknown.
        class_scores: per-class numbers of the last evaluation in percent, by kind and class.
        flags: names of the aspects that make a comparison with the reference row unfair.
    """

    values: dict[str, Value]
    runs: list[Run]
    aspects: dict[str, str] = field(default_factory=dict)
    class_scores: dict[str, dict[str, float]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)


def make_rows(runs: Sequence[Run], *, metric: str = "mIoU", group: str = "") -> list[Row]:
    """Make rows of runs.

    Args:
        runs: runs of one dataset.
        metric: the metric that ``best`` and ``last`` show.
        group: empty: a row a run; ``seed``: a row for runs that differ in the seed alone; ``fold``: in seed and fold.
    """
    if not group:
        return [_row_of_run(run, metric) for run in runs]
    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        settings = run.settings
        fingerprint = settings.fold_fingerprint if group == "fold" else settings.fingerprint
        grouped.setdefault((plain_name(run.name, group), fingerprint), []).append(run)
    return [_row_of_runs(members, metric, group) for members in grouped.values()]


def plain_name(name: str, group: str) -> str:
    """Drop the seed (and the fold) from a config's name.

    Example:
        >>> plain_name("fcn_dubai-20pts-fold1_seed2", "fold")
        'fcn_dubai-20pts'
    """
    name = _SEED_NAME.sub("", name)
    return _FOLD_NAME.sub("", name) if group == "fold" else name


def best_evaluation(evaluations: Iterable[Evaluation], metric: str) -> Evaluation | None:
    """Return the evaluation with the best value of a metric, the earliest of equals; None where none has it."""
    best: Evaluation | None = None
    for evaluation in evaluations:
        value = evaluation.metrics.get(metric)
        if value is not None and better(metric, value, best.metrics[metric] if best else None):
            best = evaluation
    return best


def _row_of_run(run: Run, metric: str) -> Row:
    settings = run.settings
    best = best_evaluation(run.evaluations, metric)
    last = run.evaluations[-1] if run.evaluations else None
    values: dict[str, Value] = {
        "config": run.name,
        "run": run.label,
        "backbone": settings.backbone,
        "head": settings.head,
        "factor": settings.factor,
        "labels": settings.labels,
        "done": run.done,
        "planned": run.planned,
        "best": best.metrics[metric] if best else None,
        "best_step": best.step if best else None,
        "last": last.metrics.get(metric) if last else None,
        "last_step": last.step if last else None,
    }
    for name, value in (last.metrics if last else {}).items():
        if name != metric and (name == "loss" or is_summary_metric(name) or is_class_metric(name)):
            values["val loss" if name == "loss" else name] = value
    for name, value in (run.tests[-1].metrics if run.tests else {}).items():
        if name == "loss" or is_summary_metric(name):
            values[f"test {name}"] = value
    values.update(
        {
            "parameters": run.num_parameters,
            "seconds": run.seconds_per_step,
            "memory": run.memory,
            "date": run.started,
            "state": run.state,
            "seed": run.seed,
        }
    )
    shown = last or (run.tests[-1] if run.tests else None)
    return Row(values, [run], _aspects(run, metric), _class_scores(shown))


def _class_scores(evaluation: Evaluation | None) -> dict[str, dict[str, float]]:
    if evaluation is None:
        return {}
    return {
        kind: dict(zip(evaluation.class_names, values, strict=True)) for kind, values in evaluation.class_values.items()
    }


def _aspects(run: Run, metric: str) -> dict[str, str]:
    """Write what a fair comparison keeps equal; an empty text where the logs do not say.

    On the original labels, copies at any factor are evaluated on the same.
    """
    settings = run.settings
    evaluated_on = settings.evaluated_on
    if metric.startswith(ORIGINAL_PREFIX):
        evaluated_on = _FACTOR.sub("", evaluated_on).rstrip(", ")
    gpus = run.num_gpus or 1
    batch = settings.batch_size * gpus if settings.batch_size is not None else None
    return {
        "model": " + ".join(part for part in (settings.backbone, settings.head) if part),
        "labels": settings.labels,
        "schedule": f"{run.planned} iterations" if run.planned is not None else "",
        "crop": settings.crop,
        "batch": "" if batch is None else str(batch),
        "data": settings.train_data or ("whole" if settings.fingerprint else ""),
        "evaluation": evaluated_on,
    }


def _row_of_runs(runs: list[Run], metric: str, group: str) -> Row:
    """Make one row of runs that differ in the seed alone: numbers become a mean with its spread."""
    rows = [_row_of_run(run, metric) for run in runs]
    if len(rows) == 1:
        return rows[0]
    values: dict[str, Value] = {}
    for key in dict.fromkeys(key for row in rows for key in row.values):
        values[key] = _join(key, [row.values.get(key) for row in rows])
    values["config"] = plain_name(runs[0].name, group)
    values["run"] = f"{runs[0].label} and {len(runs) - 1} more"
    values["date"] = max(run.started for run in runs)
    values["n"] = len(runs)
    values["state"] = _join_states([run.state for run in runs])
    aspects = {
        name: text if all(row.aspects[name] == text for row in rows) else "" for name, text in rows[0].aspects.items()
    }
    return Row(values, runs, aspects, _mean_scores(rows))


def _join(key: str, values: list[Value]) -> Value:
    """Join one value of several runs: a number into a spread, equal values into one, different ones into none."""
    known = [value for value in values if value is not None and value != ""]
    if not known:
        return None
    if key not in ("done", "planned", "factor", "best_step", "last_step", "parameters", "seed"):
        numbers = [float(value) for value in known if isinstance(value, (int, float))]
        if len(numbers) == len(known):
            return make_spread(numbers)
    return known[0] if len(known) == len(values) and all(value == known[0] for value in known) else None


def make_spread(numbers: Sequence[float]) -> Spread:
    """Return mean and sample standard deviation; both are nan where a number is nan or infinite.

    Example:
        >>> make_spread([40.0, 42.0])
        Spread(mean=41.0, std=1.4142135623730951, n=2)
    """
    if not all(map(math.isfinite, numbers)):
        return Spread(math.nan, math.nan, len(numbers))
    std = statistics.stdev(numbers) if len(numbers) > 1 else math.nan
    return Spread(statistics.fmean(numbers), std, len(numbers))


def _join_states(states: Sequence[str]) -> str:
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    if len(counts) == 1:
        return states[0]
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def _mean_scores(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Average per-class numbers over runs; a class that is nan in one run is averaged over the others."""
    means: dict[str, dict[str, float]] = {}
    for kind in dict.fromkeys(kind for row in rows for kind in row.class_scores):
        tables = [row.class_scores[kind] for row in rows if kind in row.class_scores]
        for name in dict.fromkeys(name for table in tables for name in table):
            known = [table[name] for table in tables if name in table and not math.isnan(table[name])]
            means.setdefault(kind, {})[name] = statistics.fmean(known) if known else math.nan
    return means


def number_of(value: Value) -> float | None:
    """Return the number behind a value, nan and texts being none."""
    if isinstance(value, Spread):
        value = value.mean
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not math.isnan(value):
        return float(value)
    return None
