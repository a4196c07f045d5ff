"""All images of an audit, those whose labels fit worst first, as a table of text."""

import csv
import io
from collections.abc import Iterable

from mmseg_ext.audit.image_records import ImageRecord
from mmseg_ext.escaping import csv_cell, printable

COLUMNS = ("rank", "image", "mean_loss", "places", "worst_score")


def format_images(records: Iterable[tuple[str, ImageRecord]]) -> str:
    """Write images as CSV, a line each, with :data:`COLUMNS`: by mean loss, those without judged labels last."""
    rows = []
    for name, record in records:
        worst = record.candidates[0].score if record.candidates else None
        rows.append((record.mean_loss, csv_cell(printable(name)), len(record.candidates), worst))
    rows.sort(key=lambda row: -1.0 if row[0] is None else row[0], reverse=True)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rank, (loss, name, num_places, worst) in enumerate(rows, 1):
        writer.writerow([rank, name, _number(loss), num_places, _number(worst)])
    return text.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
