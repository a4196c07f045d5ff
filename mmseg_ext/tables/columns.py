"""The columns of a score table: which there are, in which order, and how a value is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .metrics import ORIGINAL_PREFIX, is_lower_better
from .rows import Row, Spread, Value, number_of


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        key: the name in ``--sort`` and ``--filter``, and of the raw value.
        title: what stands above it.
        write: turns a row into the text of its cell.
        is_number: set right, sorted by the number.
        is_descending: large numbers come first when sorted.
        weight: on a narrow screen columns with the least weight are left out first; 9 always stays.
    """

    key: str
    title: str
    write: Callable[[Row], str]
    is_number: bool = True
    is_descending: bool = False
    weight: int = 5


def make_columns(rows: Sequence[Row], metric: str) -> list[Column]:
    """Return the columns that are not empty in every row.

    Args:
        rows: the rows of one table.
        metric: the metric that ``best`` and ``last`` show.
    """
    high = not is_lower_better(metric)
    names = [str(row.values.get("config")) for row in rows]
    columns = [Column("config", "config", _text("config"), is_number=False, weight=9)]
    if len(set(names)) < len(names):
        columns.append(Column("run", "run", _text("run"), is_number=False, weight=8))
    columns += [
        Column("backbone", "backbone", _text("backbone"), is_number=False, weight=3),
        Column("head", "head", _text("head"), is_number=False, weight=2),
        Column("factor", "factor", _factor, weight=4),
        Column("labels", "labels", _text("labels"), is_number=False, weight=7),
        Column("done", "iterations", _iterations, is_descending=True, weight=6),
        Column("best", f"best {metric}", _best, is_descending=high, weight=9),
        Column("best_delta", "\u0394 best", _number("best_delta", "{:+.2f}"), is_descending=high, weight=8),
        Column("last", f"last {metric}", _number("last"), is_descending=high, weight=9),
        Column("last_delta", "\u0394 last", _number("last_delta", "{:+.2f}"), is_descending=high, weight=7),
    ]
    columns += [_metric_column(name) for name in _extra_metrics(rows) if not _repeats(name, rows, metric)]
    columns += [
        Column("n", "runs", _number("n", "{:.0f}"), is_descending=True, weight=6),
        Column("parameters", "params", _parameters, weight=2),
        Column("seconds", "s/iter", _number("seconds", "{:.3f}"), weight=2),
        Column("memory", "memory", _memory, weight=1),
        Column("date", "date", lambda row: str(row.values.get("date") or "")[:10], is_number=False, weight=3),
        Column("state", "state", _text("state"), is_number=False, weight=8),
        Column("unfair", "differs in", lambda row: ", ".join(row.flags), is_number=False, weight=7),
    ]
    return [column for column in columns if any(column.write(row) for row in rows)]


def _extra_metrics(rows: Sequence[Row]) -> list[str]:
    """Return further metrics: mIoU, that on the original labels, mAcc and aAcc first, tests last."""
    known = {"best", "last", "best_delta", "last_delta", "config", "run", "backbone", "head", "factor", "labels"}
    known |= {"done", "planned", "best_step", "last_step", "parameters", "seconds", "memory", "date", "state", "seed"}
    known.add("n")
    names = list(dict.fromkeys(name for row in rows for name in row.values if name not in known))
    order = {"mIoU": 0, "original/mIoU": 1, "mAcc": 2, "aAcc": 3}
    return sorted(names, key=lambda name: (name.startswith("test "), order.get(name.removeprefix("test "), 4)))


def _repeats(name: str, rows: Sequence[Row], metric: str) -> bool:
    """Tell whether the scores on the original labels are those beside them in every row: no copy, or none reduced."""
    own = name.removeprefix(ORIGINAL_PREFIX)
    beside = "last" if own == metric else own
    return own != name and all(
        row.values.get(name) is None or write_number(row.values[name]) == write_number(row.values.get(beside))
        for row in rows
    )


def _metric_column(name: str) -> Column:
    weight = {"original/mIoU": 8, "mIoU": 6, "mAcc": 6, "aAcc": 6, "test mIoU": 6}.get(name, 4)
    template = "{:.4f}" if "loss" in name else "{:.2f}"
    return Column(name, name, _number(name, template), is_descending=not is_lower_better(name), weight=weight)


def _text(key: str) -> Callable[[Row], str]:
    return lambda row: str(row.values.get(key) or "")


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


def _number(key: str, template: str = "{:.2f}") -> Callable[[Row], str]:
    return lambda row: write_number(row.values.get(key), template)


def write_steps(steps: int) -> str:
    """Write a number of iterations shortly, without rounding it.

    Example:
        >>> [write_steps(steps) for steps in (40000, 12500, 1234)]
        ['40k', '12.5k', '1234']
    """
    return f"{steps / 1000:g}k" if steps >= 1000 and steps % 100 == 0 else str(steps)


def _iterations(row: Row) -> str:
    done, planned = row.values.get("done"), row.values.get("planned")
    if not isinstance(done, int):
        return f"0/{write_steps(planned)}" if isinstance(planned, int) and "n" not in row.values else ""
    return f"{write_steps(done)}/{write_steps(planned)}" if isinstance(planned, int) else write_steps(done)


def _best(row: Row) -> str:
    text = write_number(row.values.get("best"))
    step = row.values.get("best_step")
    return f"{text} @ {write_steps(step)}" if text and isinstance(step, int) else text


def _factor(row: Row) -> str:
    factor = row.values.get("factor")
    return f"1/{factor}" if isinstance(factor, int) else ""


def _parameters(row: Row) -> str:
    number = number_of(row.values.get("parameters"))
    if number is None:
        return ""
    return f"{number / 1e6:.1f} M" if number >= 1e5 else f"{number / 1e3:.1f} k"


def _memory(row: Row) -> str:
    number = number_of(row.values.get("memory"))
    return f"{number / 1024:.1f} GB" if number is not None else ""
