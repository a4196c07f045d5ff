"""Make table rows of runs: one row a run, or one row for the runs that differ in seed (and fold) alone."""

import math
import re
import statistics
from collections.abc import Sequence

from .columns import Row, all_columns, extra_metrics
from .metric_names import ORIGINAL_PREFIX
from .records import Run

_SEED_NAME = re.compile(r"[-_]seed[-_=]?\d+(?=[-_]|$)", re.IGNORECASE)
_FOLD_NAME = re.compile(r"[-_]fold[-_=]?\d+(?=[-_]|$)", re.IGNORECASE)
_FACTOR = re.compile(r"_ds_?\d+\b|\bfactor \d+(?:, )?")


def make_rows(runs: Sequence[Run], *, metric: str = "mIoU", group: str = "") -> list[Row]:
    """Make rows of runs.

    Args:
        runs: Runs of one dataset.
        metric: The metric that ``best`` and ``last`` show.
        group: Empty: a row a run; ``seed``: a row for runs that differ in the seed alone; ``fold``: in seed and fold.
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


def _row_of_run(run: Run, metric: str) -> Row:
    columns = all_columns(extra_metrics(run, metric))
    values = {column.key: column.read(run, metric) for column in columns if column.read is not None}
    return Row(values, [run], _aspects(run, metric), _class_scores(run))


def _row_of_runs(runs: list[Run], metric: str, group: str) -> Row:
    """Make one row of runs that differ in the seed alone: numbers become a mean with its spread."""
    rows = [_row_of_run(run, metric) for run in runs]
    if len(rows) == 1:
        return rows[0]
    keys = dict.fromkeys(key for row in rows for key in row.values)
    join = {column.key: column.join for column in all_columns(keys)}
    values = {key: join[key]([row.values.get(key) for row in rows]) for key in keys}
    values |= {"config": plain_name(runs[0].name, group), "n": len(runs)}
    aspects = {
        name: text if all(row.aspects[name] == text for row in rows) else "" for name, text in rows[0].aspects.items()
    }
    return Row(values, runs, aspects, _mean_scores(rows))


def _class_scores(run: Run) -> dict[str, dict[str, float]]:
    shown = (run.evaluations or run.tests)[-1:]
    return {
        kind: dict(zip(evaluation.class_names, values, strict=True))
        for evaluation in shown
        for kind, values in evaluation.class_values.items()
    }


def _aspects(run: Run, metric: str) -> dict[str, str]:
    """Write what a fair comparison keeps equal; an empty text where the logs do not say.

    On the original labels, copies at any factor are evaluated on the same.
    """
    settings = run.settings
    evaluated_on = settings.evaluated_on
    if metric.startswith(ORIGINAL_PREFIX):
        evaluated_on = _FACTOR.sub("", evaluated_on).rstrip(", ")
    batch = settings.batch_size * (run.num_gpus or 1) if settings.batch_size is not None else None
    return {
        "model": " + ".join(part for part in (settings.backbone, settings.head) if part),
        "labels": settings.labels,
        "schedule": f"{run.planned} iterations" if run.planned is not None else "",
        "crop": settings.crop,
        "batch": "" if batch is None else str(batch),
        "data": settings.train_data or ("whole" if settings.fingerprint else ""),
        "evaluation": evaluated_on,
    }


def _mean_scores(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Average per-class metrics over runs; a class that is nan in one run is averaged over the others."""
    means: dict[str, dict[str, float]] = {}
    for kind in dict.fromkeys(kind for row in rows for kind in row.class_scores):
        tables = [row.class_scores[kind] for row in rows if kind in row.class_scores]
        for name in dict.fromkeys(name for table in tables for name in table):
            known = [table[name] for table in tables if name in table and math.isfinite(table[name])]
            means.setdefault(kind, {})[name] = statistics.fmean(known) if known else math.nan
    return means
