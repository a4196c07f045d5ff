"""Write one self-contained HTML page of all score tables: it opens from disk and needs no network.

Everything that comes from a log is escaped, and a content security policy lets no script run but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from html import escape

from .columns import Column, write_number
from .curves import CurveFigure, draw_curves, row_color
from .page_script import SCRIPT
from .page_style import STYLE
from .pictures import collect_pictures
from .rows import Row, Spread, number_of
from .table import ScoreTable

MAX_HEAT_ROWS = 40
"""Rows of a heat map."""
_NUMBERED_CLASSES = 24
_NAMED_CLASSES = 10
_HEAT_STOPS = ((255, 255, 229), (199, 233, 180), (65, 182, 196), (34, 94, 168), (8, 29, 88))


def to_page(tables: Sequence[ScoreTable]) -> str:
    """Return the page.

    Args:
        tables: the tables, in the order of the page.
    """
    figures = [draw_curves(table) for table in tables]
    sections = [
        _section(index, table, figure) for index, (table, figure) in enumerate(zip(tables, figures, strict=True))
    ]
    data = json.dumps([{"series": figure.series} for figure in figures], separators=(",", ":"))
    data = data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
    count = sum(len(row.runs) for table in tables for row in table.rows)
    links = "".join(f'<a href="#d{index}">{escape(table.dataset)}</a>' for index, table in enumerate(tables))
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Segmentation scores</title><style>{STYLE}</style></head><body>"
        f"<header><h1>Segmentation scores</h1><p>{count} runs on {len(tables)} dataset{'s' if len(tables) != 1 else ''}"
        f"</p>{f'<nav>{links}</nav>' if len(tables) > 1 else ''}</header>"
        f"<main>{''.join(sections)}</main>"
        '<div id="tip" role="status" hidden></div><dialog id="zoom"><img alt=""><p></p></dialog>'
        f'<script type="application/json" id="data">{data}</script>'
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _section(index: int, table: ScoreTable, figure: CurveFigure) -> str:
    parts = [
        f'<section class="dataset" id="d{index}" data-index="{index}"><h2>{escape(table.dataset)}</h2>',
        f'<p class="lead">{escape(table.headline)}. Metrics in percent; all but the best are those of the last '
        "evaluation.</p>",
        _table(table),
        _notes(table),
        _curves(table, figure),
    ]
    parts += [_heat_map(table, kind) for kind in table.class_kinds()[:1]]
    parts.append(_gallery(table))
    return "".join(parts) + "</section>"


def _table(table: ScoreTable) -> str:
    heads = "".join(
        f'<th scope="col" class="{"num" if column.is_number else "txt"}" aria-sort="none"><button type="button" '
        f'data-column="{number}" data-down="{int(column.is_descending)}" data-number="{int(column.is_number)}">'
        f"{escape(column.title)}</button></th>"
        for number, column in enumerate(table.columns, 1)
    )
    best = [value for row in table.rows if (value := number_of(row.values.get("best"))) is not None]
    limits = (min(best), max(best)) if best else (0.0, 0.0)
    body = "".join(
        f'<tr data-row="{index}"><td class="num rank">{index + 1}</td>'
        + "".join(_cell(column, row, limits) for column in table.columns)
        + "</tr>"
        for index, row in enumerate(table.rows)
    )
    return (
        '<div class="tools"><input type="search" class="filter" placeholder="Filter rows: dino 20pts finished" '
        f'aria-label="Filter rows"><span class="count">{len(table.rows)} rows</span></div>'
        f'<div class="scroll"><table class="scores"><thead><tr><th class="num">#</th>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(column: Column, row: Row, limits: tuple[float, float]) -> str:
    text = escape(column.write(row))
    value = row.values.get(column.key)
    number = number_of(value)
    key = "" if number is None else f"{number!r}"
    if not column.is_number:
        key = escape(str(value or column.write(row)))
    style = ""
    if column.key == "best" and number is not None and limits[1] > limits[0]:
        share = 12 + 88 * (number - limits[0]) / (limits[1] - limits[0])
        style = f' style="--share:{share:.1f}%"'
    if column.key in ("config", "run"):
        text = _breakable(text)
    if column.key == "config" and row.flags:
        text += f'<span class="unfair" data-tip="no fair comparison: differs in {escape(", ".join(row.flags))}"></span>'
    if column.key == "state" and text:
        state = text if " " not in text else "mixed"
        text = f'<span class="state {state}">{text}</span>'
    if column.key == "unfair" and text:
        text = f'<span class="unfair">{text}</span>'
    if column.key in ("best_delta", "last_delta") and number is not None:
        text = f'<span class="{"up" if number >= 0 else "down"}">{text}</span>'
    if isinstance(value, Spread):
        text = f'<span data-tip="mean and sample standard deviation of {value.n} runs">{text}</span>'
    kind = "num" if column.is_number else "txt"
    return f'<td class="{kind} k-{_css_name(column.key)}" data-value="{key}"{style}>{text}</td>'


def _breakable(text: str) -> str:
    """Let a long name, escaped already, break behind its underscores and slashes."""
    return text.replace("_", "_<wbr>").replace("/", "/<wbr>")


def _css_name(key: str) -> str:
    return "".join(sign if sign.isalnum() else "-" for sign in key) if key.isascii() else "other"


def _notes(table: ScoreTable) -> str:
    if not table.notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    count = len(table.notes)
    return f'<details class="notes"><summary>{count} note{"s" if count > 1 else ""}</summary><ul>{items}</ul></details>'


def _curves(table: ScoreTable, figure: CurveFigure) -> str:
    if not figure.svg:
        return ""
    rows = list(dict.fromkeys(curve.row for curve in figure.curves))
    legend = "".join(
        f'<li data-row="{index}"><i style="--c:{row_color(index)}"></i>'
        f"{escape(str(table.rows[index].values.get('config')))}</li>"
        for index in rows
    )
    more = f'<p class="lead">{figure.num_left_out} more curves are not drawn.</p>' if figure.num_left_out else ""
    return (
        f'<figure class="card"><figcaption>{escape(table.options.metric)} over iterations</figcaption>{figure.svg}'
        f'<ul class="legend">{legend}</ul>{more}</figure>'
    )


def _heat_map(table: ScoreTable, kind: str) -> str:
    names = table.class_names(kind)
    rows = [(index, row) for index, row in enumerate(table.rows) if kind in row.class_scores][:MAX_HEAT_ROWS]
    is_numbered = len(names) <= _NUMBERED_CLASSES
    heads = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names) if is_numbered else ""
    body = []
    for index, row in rows:
        config = str(row.values.get("config"))
        scores = row.class_scores[kind]
        cells = "".join(_heat_cell(config, name, scores.get(name), is_numbered) for name in names)
        body.append(f'<tr data-row="{index}"><th scope="row">{_breakable(escape(config))}</th>{cells}</tr>')
    left_out = sum(kind in row.class_scores for row in table.rows) - len(rows)
    more = f'<p class="lead">{left_out} more rows are not drawn.</p>' if left_out else ""
    size = "dense" if not is_numbered else "numbered" if len(names) > _NAMED_CLASSES else "numbered named"
    return (
        f'<figure class="card"><figcaption>{escape(kind)} per class, last evaluation'
        f'<button type="button" class="order" aria-pressed="false">order by mean</button></figcaption>'
        f'<div class="scroll"><table class="heat {size}">{f"<thead><tr><th></th>{heads}</tr></thead>" if heads else ""}'
        f"<tbody>{''.join(body)}</tbody></table></div>{_scale_bar()}{more}</figure>"
    )


def _heat_cell(config: str, name: str, value: float | None, is_numbered: bool) -> str:
    text = write_number(value) or "no value"
    tip = escape(f"{name}: {text}\n{config}")
    if value is None or math.isnan(value):
        return f'<td class="none" data-tip="{tip}" data-value=""></td>'
    color, ink = heat_color(value / 100)
    shown = f"{value:.1f}" if is_numbered else ""
    return f'<td style="background:{color};color:{ink}" data-tip="{tip}" data-value="{value}">{shown}</td>'


def _scale_bar() -> str:
    stops = ", ".join(f"rgb{stop}" for stop in _HEAT_STOPS)
    return (
        f'<p class="bar"><span>0</span><i style="background:linear-gradient(90deg, {stops})"></i><span>100</span></p>'
    )


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


def _gallery(table: ScoreTable) -> str:
    gallery = collect_pictures(table)
    if not gallery.pictures:
        return ""
    lines = []
    for name in gallery.names:
        cells = []
        for index in gallery.rows:
            config = escape(str(table.rows[index].values.get("config")))
            address = gallery.pictures.get((name, index))
            picture = (
                f'<button type="button" class="zoom"><img loading="lazy" alt="{escape(name)} of {config}" '
                f'src="{address}"></button>'
                if address
                else '<span class="none">no picture</span>'
            )
            cells.append(f'<div data-row="{index}"><p>{config}</p>{picture}</div>')
        lines.append(f'<h3>{escape(name)}</h3><div class="pictures">{"".join(cells)}</div>')
    note = f'<p class="lead">{escape(gallery.note)}</p>' if gallery.note else ""
    return f'<figure class="card"><figcaption>Sample predictions</figcaption>{"".join(lines)}{note}</figure>'
