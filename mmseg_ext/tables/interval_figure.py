"""Lay out the intervals of a table's rows, for the figure of the score page."""

import math
from dataclasses import dataclass, field
from typing import Any

from .columns import number_of, write_number
from .curves import ticks
from .score_table import ScoreTable

MAX_ROWS = 40
"""Rows that are drawn, the first ones."""


@dataclass(slots=True)
class IntervalFigure:
    """Where everything is drawn, in percent of the figure's width.

    Attributes:
        title: What is drawn, such as ``best mIoU``.
        rows: For every row its index, the places of low, estimate and high, and its numbers as text.
        ticks: (place, label) pairs.
        num_left_out: Rows beyond :data:`MAX_ROWS`.
    """

    title: str = ""
    rows: list[dict[str, Any]] = field(default_factory=list)
    ticks: list[tuple[float, str]] = field(default_factory=list)
    num_left_out: int = 0


def lay_out_intervals(table: ScoreTable) -> IntervalFigure:
    """Lay out the intervals of a table, of the best evaluations where they are known; no rows without them."""
    metric = table.options.metric
    for key in ("best", "last", f"test {metric}"):
        known = [
            (index, number_of(row.values.get(key)), row.bounds[key])
            for index, row in enumerate(table.rows)
            if key in row.bounds and math.isfinite(row.bounds[key].low)
        ]
        if known:
            break
    else:
        return IntervalFigure()
    figure = IntervalFigure(key if metric in key else f"{key} {metric}", num_left_out=max(0, len(known) - MAX_ROWS))
    del known[MAX_ROWS:]
    low, high = min(bounds.low for *_, bounds in known), max(bounds.high for *_, bounds in known)
    margin = max((high - low) * 0.04, 0.1)
    low, high = low - margin, high + margin

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    figure.ticks = [(place(tick), f"{tick:g}") for tick in ticks(low, high, 6)]
    figure.rows = [
        {
            "row": index,
            "low": place(bounds.low),
            "estimate": place(value if value is not None else bounds.low),
            "high": place(bounds.high),
            "text": write_number(value) + bounds.cell(),
        }
        for index, value, bounds in known
    ]
    return figure
