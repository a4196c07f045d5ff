"""Keep, order and compare rows: filters, sorting, differences from a baseline, unfair comparisons."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Sequence

from .columns import Column
from .metrics import is_lower_better
from .records import TableError
from .rows import Row, number_of

_CONDITION = re.compile(r"\s*([A-Za-z][\w .]*?)\s*(!=|>=|<=|=|>|<)\s*(.*?)\s*")
_ORDERINGS: dict[str, Callable[[float, float], bool]] = {
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
}


def keep_rows(rows: Sequence[Row], columns: Sequence[Column], filters: Sequence[str]) -> list[Row]:
    """Keep the rows that meet every filter.

    Args:
        rows: the rows of one table.
        columns: its columns.
        filters: conditions such as ``state=finished``, ``labels!=all``, ``config=*dino*``, ``best>=40``, or a plain
            text that the config or the work dir has to hold.

    Raises:
        TableError: a filter names a column that no table has, or compares a number with a text.
    """
    tests = [_make_test(condition, columns) for condition in filters]
    return [row for row in rows if all(test(row) for test in tests)]


def _make_test(condition: str, columns: Sequence[Column]) -> Callable[[Row], bool]:
    match = _CONDITION.fullmatch(condition)
    if match is None:
        wanted = condition.lower()
        return lambda row: wanted in f"{row.values.get('config')}\n{row.values.get('run')}".lower()
    name, sign, text = match.groups()
    column = find_column(name, columns)
    if sign in _ORDERINGS:
        try:
            limit = float(text)
        except ValueError:
            raise TableError(f"Expected a number behind {sign} in --filter {condition!r}, got {text!r}") from None
        compare = _ORDERINGS[sign]

        def is_within(row: Row) -> bool:
            value = number_of(row.values.get(column.key))
            return value is not None and compare(value, limit)

        return is_within

    def is_like(row: Row) -> bool:
        texts = {column.write(row).lower(), str(row.values.get(column.key) or "").lower()}
        return any(fnmatch.fnmatchcase(item, text.lower()) for item in texts) == (sign == "=")

    return is_like


def find_column(name: str, columns: Sequence[Column]) -> Column:
    """Return the column of a key or title.

    Raises:
        TableError: there is none; the message lists those there are.
    """
    plain = name.strip().lower()
    for column in columns:
        if plain in (column.key.lower(), column.title.lower()):
            return column
    raise TableError(f"Expected a column, one of {', '.join(column.key for column in columns)}; got {name!r}")


def sort_rows(rows: Sequence[Row], columns: Sequence[Column], sort: str, metric: str) -> list[Row]:
    """Order rows by a column, best first; rows without a value come last.

    Args:
        rows: the rows of one table.
        columns: its columns.
        sort: a column, with ``-`` before it for the opposite order. Rows that were only tested are ordered by their
            test where the column is ``best`` or ``last``.
        metric: the metric of ``best`` and ``last``.
    """
    name = sort.removeprefix("-")
    if name in ("best", "last"):
        descending = not is_lower_better(metric)
        keys = [name, f"test {metric}"]
        is_number = True
    else:
        column = find_column(name, columns)
        descending, keys, is_number = column.is_descending, [column.key], column.is_number
    if sort.startswith("-"):
        descending = not descending
    by_config = sorted(rows, key=lambda row: (str(row.values.get("config")), str(row.values.get("run"))))
    if is_number:

        def number(row: Row) -> float | None:
            return next((n for n in (number_of(row.values.get(key)) for key in keys) if n is not None), None)

        known = [row for row in by_config if number(row) is not None]
        known.sort(key=lambda row: number(row) or 0.0, reverse=descending)
        return known + [row for row in by_config if number(row) is None]
    known = [row for row in by_config if row.values.get(keys[0])]
    known.sort(key=lambda row: str(row.values[keys[0]]), reverse=descending)
    return known + [row for row in by_config if not row.values.get(keys[0])]


def find_row(rows: Sequence[Row], config: str) -> Row | None:
    """Return the first row of a config, given by name, pattern or work dir; None where there is none."""
    for row in rows:
        names = (str(row.values.get("config")), str(row.values.get("run")))
        if config in names or any(fnmatch.fnmatchcase(name, config) for name in names):
            return row
    return None


def add_differences(rows: Sequence[Row], baseline: Row) -> None:
    """Add the differences of best and last from those of a baseline, in points."""
    for key in ("best", "last"):
        reference = number_of(baseline.values.get(key))
        for row in rows:
            value = number_of(row.values.get(key))
            if value is not None and reference is not None and row is not baseline:
                row.values[f"{key}_delta"] = round(value - reference, 6)


def flag_unfair(rows: Sequence[Row], reference: Row) -> list[str]:
    """Flag rows that differ from a reference in more than one thing, so that no single one explains the score.

    Only what both configs state is compared: model, labels, schedule, crop, batch, data, evaluation. A row that was
    evaluated on something else is always flagged.

    Returns:
        One line for the rows that differ in the same way.
    """
    alike: dict[str, list[str]] = {}
    for row in rows:
        different = {
            name: (text, reference.aspects[name])
            for name, text in row.aspects.items()
            if text and reference.aspects.get(name) and text != reference.aspects[name]
        }
        if len(different) > 1 or "evaluation" in different:
            row.flags = list(different)
            told = [f"{name} {mine}, not {other}" for name, (mine, other) in different.items() if name != "model"]
            said = "; ".join((["model"] if "model" in different else []) + told)
            alike.setdefault(said, []).append(str(row.values.get("config")))
    name = reference.values.get("config")
    return [
        f"{', '.join(configs[:4])}{f' and {len(configs) - 4} more' if len(configs) > 4 else ''} "
        f"{'differs' if len(configs) == 1 else 'differ'} from {name} in {said}"
        for said, configs in alike.items()
    ]
