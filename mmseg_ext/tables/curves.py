"""Draw the curves of a metric over iterations as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from .columns import write_steps
from .table import ScoreTable

MAX_CURVES = 60
"""Curves that are drawn in one figure, those of the first rows."""

_WIDTH, _HEIGHT = 960, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 24, 44
_COLORS = (
    "#2f6fde",
    "#e0792b",
    "#2a9d5c",
    "#c93c4b",
    "#8a5cd0",
    "#8c6d4f",
    "#d65fa8",
    "#5f7f8f",
    "#a3a01f",
    "#18a4b8",
)


@dataclass(slots=True)
class Curve:
    """One run's evaluations.

    Attributes:
        row: index of the table row it belongs to.
        name: the run's name.
        points: (step, value) pairs.
        color: stroke color.
    """

    row: int
    name: str
    points: list[tuple[int, float]]
    color: str = ""


@dataclass(slots=True)
class CurveFigure:
    """A figure and the data its script needs.

    Attributes:
        svg: the drawing; empty where there is nothing to draw.
        series: for every curve its row, name and points as [x, y, step, value].
        curves: the curves drawn.
        num_left_out: curves beyond :data:`MAX_CURVES`.
    """

    svg: str = ""
    series: list[dict[str, Any]] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    num_left_out: int = 0


def row_color(index: int) -> str:
    """Return the color of a row's curves; the first ten are easy to tell apart."""
    if index < len(_COLORS):
        return _COLORS[index]
    return f"hsl({index * 137.508 % 360:.0f} 45% 55%)"


def draw_curves(table: ScoreTable) -> CurveFigure:
    """Draw a metric over iterations for the runs of a table; a run with a single evaluation is a dot.

    Args:
        table: the table; its option ``metric`` says what is drawn.
    """
    metric = table.options.metric
    curves = [
        Curve(index, str(row.values.get("config")), _points(run.evaluations, metric), row_color(index))
        for index, row in enumerate(table.rows)
        for run in row.runs
    ]
    curves = [curve for curve in curves if curve.points]
    figure = CurveFigure(curves=curves[:MAX_CURVES], num_left_out=max(0, len(curves) - MAX_CURVES))
    if not figure.curves:
        return figure
    steps = [step for curve in figure.curves for step, _ in curve.points]
    values = [value for curve in figure.curves for _, value in curve.points]
    x_ticks = ticks(0, max(max(steps), 1), 8)
    low, high = min(values), max(values)
    margin = max((high - low) * 0.06, 0.5 if high > 1.5 else 0.005)
    y_ticks = ticks(low - margin, high + margin, 6)
    x_range = (0.0, max(max(steps), 1) * 1.01)
    y_range = (min(low - margin, y_ticks[0]), max(high + margin, y_ticks[-1]))
    label = f"{escape(metric)} over iterations"
    parts = [f'<svg class="curves" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">']
    parts += _axes(x_ticks, y_ticks, x_range, y_range, metric)
    for index, curve in enumerate(figure.curves):
        places = [(_scale(step, x_range, True), _scale(value, y_range, False)) for step, value in curve.points]
        parts.append(_path(index, curve, places))
        figure.series.append(
            {
                "row": curve.row,
                "name": curve.name,
                "points": [[x, y, step, value] for (x, y), (step, value) in zip(places, curve.points, strict=True)],
            }
        )
    parts.append('<circle class="marker" r="5" cx="-20" cy="-20"/></svg>')
    figure.svg = "".join(parts)
    return figure


def _points(evaluations: Sequence[Any], metric: str) -> list[tuple[int, float]]:
    pairs = ((item.step, item.metrics.get(metric)) for item in evaluations)
    return [(step, value) for step, value in pairs if step is not None and value is not None and math.isfinite(value)]


def _scale(value: float, limits: tuple[float, float], is_x: bool) -> float:
    share = (value - limits[0]) / (limits[1] - limits[0])
    if is_x:
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)
    return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)


def _axes(
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    metric: str,
) -> list[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = []
    for tick in y_ticks:
        y = _scale(tick, y_range, False)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
    for tick in x_ticks:
        if tick <= x_range[1]:
            x = _scale(tick, x_range, True)
            parts.append(
                f'<text class="tick" x="{x}" y="{bottom + 18}" text-anchor="middle">{_step_label(tick)}</text>'
            )
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(f'<text class="label" x="{right}" y="{bottom + 36}" text-anchor="end">iterations</text>')
    parts.append(f'<text class="label" x="{_LEFT - 8}" y="{_TOP - 10}">{escape(metric)}</text>')
    return parts


def _step_label(tick: float) -> str:
    return write_steps(int(tick)) if tick == int(tick) else f"{tick:g}"


def _path(index: int, curve: Curve, places: Sequence[tuple[float, float]]) -> str:
    start = f'<g class="curve" data-series="{index}" data-row="{curve.row}" style="--c:{curve.color}">'
    if len(places) == 1:
        x, y = places[0]
        return f'{start}<circle class="dot" cx="{x}" cy="{y}" r="4"/></g>'
    line = " ".join(f"{x},{y}" for x, y in places)
    return f'{start}<polyline points="{line}"/></g>'


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return round numbers between two numbers.

    Example:
        >>> ticks(41.3, 48.9, 5)
        [42.0, 44.0, 46.0, 48.0]
    """
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]
