"""All images of an audit, those whose labels fit worst first, as a table of text."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmseg_ext.audit.candidate_list import ListedCandidate
from mmseg_ext.escaping import csv_cell, csv_text, printable

COLUMNS = ("rank", "image", "mean_loss", "places", "worst_score")


def format_images(losses: Mapping[str, float | None], candidates: Iterable[ListedCandidate]) -> str:
    """Write images as CSV, a line each, with :data:`COLUMNS`: by mean loss, those without judged labels last.

    Args:
        losses: Of each image.
        candidates: Of all images, the worst first.
    """
    scores_of: dict[str, list[float]] = {name: [] for name in losses}
    for candidate in candidates:
        scores_of[candidate.image].append(candidate.score)
    worst_first = sorted(losses.items(), key=lambda item: -1.0 if item[1] is None else item[1], reverse=True)
    rows: list[Sequence[Any]] = [COLUMNS]
    for rank, (name, loss) in enumerate(worst_first, 1):
        scores = scores_of[name]
        worst = scores[0] if scores else None
        rows.append([rank, csv_cell(printable(name)), _number(loss), len(scores), _number(worst)])
    return csv_text(rows)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
