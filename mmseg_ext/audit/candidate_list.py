"""All candidates of an audit, the worst first, as a table of text.

Shape suffixes: C classes.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from mmseg_ext.audit.candidates import Candidate
from mmseg_ext.audit.image_records import ImageRecord
from mmseg_ext.escaping import csv_cell, csv_text, printable

COLUMNS = ("rank", "id", "image", "x", "y", "width", "height", "class", "predicted", "kind", "score", "pixels")


class ListedCandidate(NamedTuple):
    """A candidate without its pixels.

    Attributes:
        score: The higher, the worse.
        image: Name of its image.
        place: Its place among the candidates of the image.
        id: Names it as long as the labels and the models stay as they are.
        box: Column and row of the upper left corner, width and height.
        label: Class index.
        predicted: Class index.
        kind: What seems to be wrong.
        num_pixels: Pixels of the area.
    """

    score: float
    image: str
    place: int
    id: str
    box: tuple[int, int, int, int]
    label: int
    predicted: int
    kind: str
    num_pixels: int


def list_candidates(records: Iterable[tuple[str, ImageRecord]]) -> list[ListedCandidate]:
    """List the candidates of all images, the worst first; of equals in the order of the images."""
    found = [listed for name, record in records for listed in _of_image(name, record.candidates)]
    return sorted(found, key=lambda c: -c.score)


def _of_image(name: str, candidates: Sequence[Candidate]) -> Iterator[ListedCandidate]:
    for place, candidate in enumerate(candidates):
        (top, bottom), (left, right) = candidate.rows, candidate.columns
        box = left, top, right - left, bottom - top
        yield ListedCandidate(
            candidate.score,
            name,
            place,
            candidate_id(name, candidate),
            box,
            candidate.label,
            candidate.predicted,
            candidate.kind,
            candidate.num_pixels,
        )


def candidate_id(image: str, candidate: Candidate) -> str:
    """Name a candidate by its image, kind, classes and box."""
    what = (image, candidate.kind, candidate.label, candidate.predicted, candidate.rows, candidate.columns)
    return f"p{hashlib.blake2b(ascii(what).encode(), digest_size=8).hexdigest()}"


def format_csv(candidates: Iterable[ListedCandidate], classes: Sequence[str]) -> str:
    """Write candidates as CSV, a line each, with :data:`COLUMNS`."""
    rows: list[Sequence[Any]] = [COLUMNS]
    for rank, found in enumerate(candidates, 1):
        names = [csv_cell(printable(classes[index])) for index in (found.label, found.predicted)]
        image = csv_cell(printable(found.image))
        rows.append([rank, found.id, image, *found.box, *names, found.kind, f"{found.score:.4f}", found.num_pixels])
    return csv_text(rows)
