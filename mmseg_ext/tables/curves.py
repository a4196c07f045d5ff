"""Lay out the curves of a metric over iterations, for the SVG of the score page."""

import math
from dataclasses import dataclass, field
from typing import Any

from .columns import write_steps
from .records import Run
from .score_table import ScoreTable

MAX_CURVES = 60
"""Curves that are drawn in one figure, those of the first rows."""

WIDTH, HEIGHT = 960, 340
LEFT, RIGHT, TOP, BOTTOM = 52, 944, 24, 296
"""The edges of the plot inside the figure."""

_COLORS = ["#2f6fde", "#e0792b", "#2a9d5c", "#c93c4b", "#8a5cd0", "#8c6d4f", "#d65fa8", "#5f7f8f", "#a3a01f", "#18a4b8"]


@dataclass(slots=True)
class CurveFigure:
    """Where everything is drawn, in pixels of the figure.

    Attributes:
        series: For every curve its row, name and points as [x, y, step, value]; a curve of one point is a dot.
        x_ticks: (x, label) pairs.
        y_ticks: (y, label) pairs.
        num_left_out: Curves beyond :data:`MAX_CURVES`.
    """

    series: list[dict[str, Any]] = field(default_factory=list)
    x_ticks: list[tuple[float, str]] = field(default_factory=list)
    y_ticks: list[tuple[float, str]] = field(default_factory=list)
    num_left_out: int = 0


def row_color(index: int) -> str:
    """Return the color of a row's curves; the first ten are easy to tell apart."""
    return _COLORS[index] if index < len(_COLORS) else f"hsl({index * 137.508 % 360:.0f} 45% 55%)"


def lay_out_curves(table: ScoreTable) -> CurveFigure:
    """Lay out a metric over iterations for the runs of a table.

    Args:
        table: The table; its option ``metric`` names what is drawn.
    """
    curves = [
        (index, name, points)
        for index, (name, row) in enumerate(zip(table.row_names(), table.rows, strict=True))
        for run in row.runs
        if (points := _points(run, table.options.metric))
    ]
    figure = CurveFigure(num_left_out=max(0, len(curves) - MAX_CURVES))
    del curves[MAX_CURVES:]
    if not curves:
        return figure
    last_step = max(1, *(step for _, _, points in curves for step, _ in points))
    values = [value for _, _, points in curves for _, value in points]
    low, high = min(values), max(values)
    margin = max((high - low) * 0.06, 0.5 if high > 1.5 else 0.005)
    y_ticks = ticks(low - margin, high + margin, 6)
    low, high = min(low - margin, y_ticks[0]), max(high + margin, y_ticks[-1])

    def x(step: float) -> float:
        return round(LEFT + step / (last_step * 1.01) * (RIGHT - LEFT), 1)

    def y(value: float) -> float:
        return round(BOTTOM - (value - low) / (high - low) * (BOTTOM - TOP), 1)

    figure.x_ticks = [(x(tick), _step_label(tick)) for tick in ticks(0, last_step, 8)]
    figure.y_ticks = [(y(tick), f"{tick:g}") for tick in y_ticks]
    figure.series = [
        {"row": row, "name": name, "points": [[x(step), y(value), step, value] for step, value in points]}
        for row, name, points in curves
    ]
    return figure


def _points(run: Run, metric: str) -> list[tuple[int, float]]:
    pairs = ((item.step, item.metrics.get(metric, math.nan)) for item in run.evaluations)
    return [(step, value) for step, value in pairs if step is not None and math.isfinite(value)]


def _step_label(tick: float) -> str:
    return write_steps(int(tick)) if tick == int(tick) else f"{tick:g}"


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
