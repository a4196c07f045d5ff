"""Write one self-contained HTML page of all score tables: it opens from disk and needs no network.

Everything that comes from a log is escaped, and a content security policy lets no script run but the page's own.
"""

import base64
import hashlib
import math
from collections.abc import Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from . import curves
from .columns import Column, Row, Spread, number_of, write_number
from .interval_figure import lay_out_intervals
from .run_pictures import collect_pictures
from .score_table import ScoreTable

MAX_HEAT_ROWS = 40
"""Rows of a heat map."""

_NUMBERED_CLASSES = 24
_NAMED_CLASSES = 10
_HEAT_STOPS = ((255, 255, 229), (199, 233, 180), (65, 182, 196), (34, 94, 168), (8, 29, 88))


def to_page(tables: Sequence[ScoreTable]) -> str:
    """Return the page.

    Args:
        tables: The tables, in the order of the page.
    """
    folder = resources.files(__package__) / "page"
    style, script, template = (
        (folder / name).read_text(encoding="utf-8")
        for name in ("score_page.css", "score_page.js", "score_page.html.j2")
    )
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.filters["breakable"] = _breakable
    environment.globals |= {"curves": curves, "write_number": write_number, "number_of": number_of, "zip": zip}
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = environment.from_string(template).render(
        style=Markup(style),
        script=Markup(script),
        policy=f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'",
        num_runs=sum(len(row.runs) for table in tables for row in table.rows),
        sections=[_section(table) for table in tables],
        heat_stops=", ".join(f"rgb{stop}" for stop in _HEAT_STOPS),
    )
    return page + "\n"


def _section(table: ScoreTable) -> dict[str, Any]:
    best = [value for row in table.rows if (value := number_of(row.values.get("best"))) is not None]
    limits = (min(best), max(best)) if best else (0.0, 0.0)
    return {
        "table": table,
        "names": table.row_names(),
        "cells": [[_cell(column, row, limits) for column in table.columns] for row in table.rows],
        "figure": curves.lay_out_curves(table),
        "intervals": lay_out_intervals(table),
        "heat_map": _heat_map(table, table.class_kinds()[0]) if table.class_kinds() else None,
        "gallery": collect_pictures(table),
    }


def _cell(column: Column, row: Row, limits: tuple[float, float]) -> dict[str, Any]:
    """Return what the template writes into one cell.

    Args:
        column: The column.
        row: The row.
        limits: Lowest and highest ``best`` of the table, the ends of the bar behind the number.
    """
    text, value = column.cell(row), row.values.get(column.key)
    number = number_of(value)
    share = None
    if column.key == "best" and number is not None and limits[1] > limits[0]:
        share = f"{12 + 88 * (number - limits[0]) / (limits[1] - limits[0]):.1f}"
    css_key = "".join(sign if sign.isalnum() else "-" for sign in column.key) if column.key.isascii() else "other"
    return {
        "key": column.key,
        "text": text,
        "classes": f"{'num' if column.is_number else 'txt'} k-{css_key}",
        "sort_value": ("" if number is None else repr(number)) if column.is_number else str(value or text),
        "share": share,
        "is_up": number is not None and number >= 0,
        "is_tie": column.key in row.bounds and row.bounds[column.key].is_tie,
        "num_runs": value.n if isinstance(value, Spread) else 0,
        "flags": ", ".join(row.flags),
    }


def _breakable(text: str) -> Markup:
    """Let a long name break behind its underscores and slashes."""
    return escape(text).replace("_", Markup("_<wbr>")).replace("/", Markup("/<wbr>"))


def _heat_map(table: ScoreTable, kind: str) -> dict[str, Any]:
    """Return the rows of a heat map with the colors of their cells.

    Args:
        table: The table.
        kind: Kind of the per-class metrics, such as IoU.
    """
    names = table.class_names(kind)
    rows = [(index, row) for index, row in enumerate(table.rows) if kind in row.class_scores]
    is_numbered = len(names) <= _NUMBERED_CLASSES
    return {
        "kind": kind,
        "names": names,
        "is_numbered": is_numbered,
        "size": "dense" if not is_numbered else "numbered" if len(names) > _NAMED_CLASSES else "numbered named",
        "rows": [
            (index, [_heat_cell(row.class_scores[kind].get(name), row.class_cell(kind, name)) for name in names])
            for index, row in rows[:MAX_HEAT_ROWS]
        ],
        "num_left_out": max(0, len(rows) - MAX_HEAT_ROWS),
    }


def _heat_cell(value: float | None, text: str) -> dict[str, Any]:
    color = heat_color(value / 100) if value is not None and math.isfinite(value) else None
    return {"value": value, "text": text or "no value", "color": color}


def heat_color(share: float) -> tuple[str, str]:
    """Return the color of a share between 0 and 1, and the ink that can be read on it.

    Example:
        >>> heat_color(0.0), heat_color(1.0)
        (('#ffffe5', '#111'), ('#081d58', '#fff'))
    """
    place = min(max(share, 0.0), 1.0) * (len(_HEAT_STOPS) - 1)
    index = min(int(place), len(_HEAT_STOPS) - 2)
    rest = place - index
    low, high = _HEAT_STOPS[index], _HEAT_STOPS[index + 1]
    red, green, blue = (round(a + (b - a) * rest) for a, b in zip(low, high, strict=True))
    is_dark = 0.299 * red + 0.587 * green + 0.114 * blue < 140
    return f"#{red:02x}{green:02x}{blue:02x}", "#fff" if is_dark else "#111"
