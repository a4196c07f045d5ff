"""Keep, order and compare rows: filters, sorting, differences from a baseline, unfair comparisons."""

import fnmatch
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from mmseg_ext.errors import UserError

from .columns import Column, Row, number_of
from .metric_names import is_lower_better

_CONDITION = re.compile(r"\s*([A-Za-z][\w .]*?)\s*(!=|>=|<=|=|>|<)\s*(.*?)\s*")
_ORDERINGS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def keep_rows(rows: Sequence[Row], columns: Sequence[Column], filters: Sequence[str]) -> list[Row]:
    """Keep the rows that meet every filter.

    Args:
        rows: The rows of one table.
        columns: Its columns.
        filters: Conditions such as ``state=finished``, ``labels!=all``, ``config=*dino*``, ``best>=40``, or a plain
            text that the config or the work dir has to hold.

    Raises:
        UserError: A filter names a column that no table has, or compares a number with a text.
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
            raise UserError(f"Expected a number behind {sign} in --filter {condition!r}, got {text!r}") from None
        compare = _ORDERINGS[sign]

        def is_within(row: Row) -> bool:
            value = number_of(row.values.get(column.key))
            return value is not None and compare(value, limit)

        return is_within

    def is_like(row: Row) -> bool:
        texts = {column.cell(row).lower(), str(row.values.get(column.key) or "").lower()}
        return any(fnmatch.fnmatchcase(item, text.lower()) for item in texts) == (sign == "=")

    return is_like


def find_column(name: str, columns: Sequence[Column]) -> Column:
    """Return the column of a key or title.

    Raises:
        UserError: There is none; the message lists those there are.
    """
    plain = name.strip().lower()
    for column in columns:
        if plain in (column.key.lower(), column.title.lower()):
            return column
    raise UserError(f"Expected a column, one of {', '.join(column.key for column in columns)}; got {name!r}")


def sort_rows(rows: Sequence[Row], columns: Sequence[Column], sort: str, metric: str) -> list[Row]:
    """Order rows by a column, best first; rows without a value come last.

    Args:
        rows: The rows of one table.
        columns: Its columns.
        sort: A column, with ``-`` before it for the opposite order. Rows that were only tested are ordered by their
            test where the column is ``best`` or ``last``.
        metric: The metric of ``best`` and ``last``.
    """
    name = sort.removeprefix("-")
    if name in ("best", "last"):
        descending, is_number, keys = not is_lower_better(metric), True, [name, f"test {metric}"]
    else:
        column = find_column(name, columns)
        descending, is_number, keys = bool(column.is_descending), column.is_number, [column.key]

    def sort_key(row: Row) -> float | str | None:
        if not is_number:
            return str(row.values.get(keys[0]) or "") or None
        return next((n for n in (number_of(row.values.get(key)) for key in keys) if n is not None), None)

    by_config = sorted(rows, key=lambda row: (str(row.values.get("config")), str(row.values.get("run"))))
    keyed = [(key, row) for row in by_config if (key := sort_key(row)) is not None]
    keyed.sort(key=lambda pair: pair[0], reverse=descending != sort.startswith("-"))
    return [row for _, row in keyed] + [row for row in by_config if sort_key(row) is None]


def some_configs(rows: Iterable[Row]) -> str:
    """List the configs of rows for a message, the first five."""
    names = list(dict.fromkeys(str(row.values.get("config")) for row in rows))
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def find_row(rows: Sequence[Row], config: str) -> Row | None:
    """Return the first row of a config, given by name, pattern or work dir; None where there is none."""
    for row in rows:
        names = (str(row.values.get("config")), str(row.values.get("run")))
        if config in names or any(fnmatch.fnmatchcase(name, config) for name in names):
            return row
    return None


def name_rows(rows: Sequence[Row]) -> list[str]:
    """Name each row by its config, and by its run too where several rows share the config."""
    configs = [str(row.values.get("config")) for row in rows]
    counts = Counter(configs)
    return [
        config if counts[config] == 1 else f"{config} ({row.values.get('run')})"
        for config, row in zip(configs, rows, strict=True)
    ]


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
    names = name_rows(rows)
    for row, row_name in zip(rows, names, strict=True):
        different = {
            name: (text, reference.aspects[name])
            for name, text in row.aspects.items()
            if text and reference.aspects.get(name) and text != reference.aspects[name]
        }
        if len(different) > 1 or "evaluation" in different:
            row.flags = list(different)
            texts = [
                name if name == "model" else f"{name} {mine}, not {other}" for name, (mine, other) in different.items()
            ]
            alike.setdefault("; ".join(texts), []).append(row_name)
    name = next(name for name, row in zip(names, rows, strict=True) if row is reference)
    return [
        f"{', '.join(others[:4])}{f' and {len(others) - 4} more' if len(others) > 4 else ''} "
        f"{'differs' if len(others) == 1 else 'differ'} from {name} in {texts}"
        for texts, others in alike.items()
    ]
