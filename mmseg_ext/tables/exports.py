"""Write score tables as CSV and JSON, with raw values for other programs."""

import json
import math
from typing import Any

from mmseg_ext.escaping import csv_cell, csv_text

from .columns import Row, Spread, Value, WithBounds
from .score_table import ScoreTable


def to_csv(table: ScoreTable) -> str:
    """Return a table as CSV: one line a row, raw values, per-class numbers where they are asked for.

    A mean over runs has its standard deviation in a column of its own (``best_std``).
    """
    records = [_csv_record(table, row) for row in table.rows]
    names = list(dict.fromkeys(name for record in records for name in record))
    rows = ([_cell(record.get(name)) for name in names] for record in records)
    return csv_text([map(_cell, names), *rows])


def _csv_record(table: ScoreTable, row: Row) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in row.values.items():
        if isinstance(value, Spread):
            record |= {key: round(value.mean, 6), f"{key}_std": round(value.std, 6)}
        else:
            record[key] = value
    for key, bounds in row.bounds.items():
        p_value = {} if bounds.p_value is None else {f"{key}_p": bounds.p_value}
        record |= {f"{key}_low": bounds.low, f"{key}_high": bounds.high, **p_value}
    record["unlike_first"] = " ".join(row.flags)
    if table.options.per_class:
        for kind, scores in row.class_scores.items():
            record.update({f"{kind}.{name}": value for name, value in scores.items()})
    return record


def _cell(value: Any) -> Any:
    """Keep a spreadsheet from taking a text for a formula; None becomes an empty cell."""
    return "" if value is None else csv_cell(value)


def to_json(table: ScoreTable) -> str:
    """Return a table as JSON: rows with raw values, their evaluations and per-class numbers; nan becomes null."""
    content = {
        "dataset": table.dataset,
        "metric": table.options.metric,
        "sort": table.options.sort,
        "rows": [_json_record(row) for row in table.rows],
        "notes": table.notes,
        **({"findings": table.findings} if table.findings else {}),
    }
    return json.dumps(_without_nan(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _json_record(row: Row) -> dict[str, Any]:
    return {
        **{key: _json_value(value) for key, value in row.values.items()},
        **{f"{key}_interval": _interval(bounds) for key, bounds in row.bounds.items()},
        "unlike_first": row.flags,
        "runs": [
            {
                "work_dir": run.work_dir,
                "seed": run.seed,
                "state": run.state,
                "note": run.note,
                "evaluations": [{"step": item.step, **item.metrics} for item in run.evaluations],
            }
            for run in row.runs
        ],
        "per_class": row.class_scores,
        **{
            f"per_class_{name}": {kind: {c: _interval(b) for c, b in of.items()} for kind, of in kinds.items()}
            for name, kinds in (("intervals", row.class_bounds), ("differences", row.class_deltas))
            if kinds
        },
    }


def _interval(bounds: WithBounds) -> dict[str, Any]:
    """Write an interval; of a difference with its p-value."""
    known = {"estimate": None if math.isnan(bounds.estimate) else bounds.estimate, "p_value": bounds.p_value}
    further = {name: value for name, value in known.items() if value is not None}
    return {"low": bounds.low, "high": bounds.high, **further}


def _json_value(value: Value) -> Any:
    return {"mean": value.mean, "std": value.std, "n": value.n} if isinstance(value, Spread) else value


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
