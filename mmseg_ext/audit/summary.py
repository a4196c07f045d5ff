"""How much of the labels is in doubt, and what that may be worth.

Shape suffixes: C classes, 3 true positives, truth, found.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mmseg_ext.audit.auditing import Audit
from mmseg_ext.audit.candidate_list import ListedCandidate
from mmseg_ext.audit.image_records import Cells, ImageRecord
from mmseg_ext.escaping import escape_markdown
from mmseg_ext.scores.image_groups import Groups
from mmseg_ext.scores.image_matrices import ImageMatrices
from mmseg_ext.scores.intervals import Interval, score_interval

DOUBTFUL_SCORE = 0.25
"""Labels in areas of at least this score are in doubt."""
LEFT_OUT = (0.0, 0.01, 0.02, 0.05)
"""Shares of the labelled pixels that are left out, the worst first."""


class ClassDoubt(NamedTuple):
    """How much of a class is in doubt, as text for tables."""

    name: str
    share: str
    doubtful: str
    num_places: int


class LeftOutScore(NamedTuple):
    """The score on the labels that are left, as text for tables."""

    left_out: str
    score: str
    gain: str


class AuditSummary(NamedTuple):
    """What an audit has come to.

    Attributes:
        classes: In their order.
        scores: By share left out.
        notes: What a reader has to know.
        losses: Mean loss of the labels of each image, in nats; None without judged labels.
    """

    classes: list[ClassDoubt]
    scores: list[LeftOutScore]
    notes: list[str]
    losses: dict[str, float | None]

    def __str__(self) -> str:
        lines = ["| class | % of the labels | % of it in doubt | places |", "|---|---:|---:|---:|"]
        lines += [f"| {escape_markdown(c.name)} | {c.share} | {c.doubtful} | {c.num_places} |" for c in self.classes]
        lines += [
            "",
            "| labels left out | mIoU of the held-out predictions on the rest | gain, at most |",
            "|---|---|---|",
        ]
        lines += [f"| {s.left_out} | {s.score} | {s.gain} |" for s in self.scores]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)])


def summarize(audit: Audit, candidates: Sequence[ListedCandidate], groups: Groups = "folder") -> AuditSummary:
    """Add up what an audit has found.

    The gain is that of the models' own predictions, whose errors were left out of the labels: an upper bound of what
    correct labels are worth.

    Args:
        audit: Finished.
        candidates: All, the worst first.
        groups: Images that are alike, for the intervals.
    """
    num_classes = len(audit.images.classes)
    records: dict[str, ImageRecord] = {}
    labelled_C, doubtful_C = np.zeros(num_classes, np.int64), np.zeros(num_classes, np.int64)
    for name, record in audit.records():
        _add_labels(labelled_C, record.cells)
        for candidate, own in zip(record.candidates, record.own_cells, strict=True):
            if candidate.score >= DOUBTFUL_SCORE:
                _add_labels(doubtful_C, own)
        records[name] = record._replace(candidates=[])  # without their pixels
    places_C = np.bincount([c.label for c in candidates if c.score >= DOUBTFUL_SCORE], minlength=num_classes)
    total = max(int(labelled_C.sum()), 1)
    classes = [
        ClassDoubt(
            name,
            f"{100 * labelled_C[c] / total:.1f}",
            f"{100 * doubtful_C[c] / labelled_C[c]:.1f}" if labelled_C[c] else "not judged",
            int(places_C[c]),
        )
        for c, name in enumerate(audit.images.classes)
    ]
    num_unlabelled = sum(not record.cells.pixels and not record.num_unjudged for record in records.values())
    num_unjudged = sum(record.num_unjudged for record in records.values())
    notes = []
    if num_unlabelled:
        notes.append(f"{num_unlabelled} of {len(records)} images have no label.")
    if num_unjudged:
        notes.append(
            f"{num_unjudged:,} labelled pixels are not judged: their class occurs in the images of one fold alone."
        )
    losses = {name: record.mean_loss for name, record in records.items()}
    return AuditSummary(classes, _scores_of_rest(audit, records, candidates, total, groups), notes, losses)


def _add_labels(pixels_C: np.ndarray, cells: Cells) -> None:
    np.add.at(pixels_C, np.array(cells.places, np.int64) // len(pixels_C), cells.pixels)


def _scores_of_rest(
    audit: Audit,
    records: Mapping[str, ImageRecord],
    candidates: Sequence[ListedCandidate],
    total: int,
    groups: Groups,
) -> list[LeftOutScore]:
    """Score the predictions on the labels that are left when the worst areas are left out, a share after another."""
    left = {name: Counter(dict(zip(*record.cells, strict=True))) for name, record in records.items()}
    remaining = iter(candidates)
    num_out = 0
    rows: list[LeftOutScore] = []
    first = math.nan
    for share in LEFT_OUT:
        while num_out < share * total and (candidate := next(remaining, None)) is not None:
            own = records[candidate.image].own_cells[candidate.place]
            left[candidate.image].subtract(dict(zip(*own, strict=True)))
            num_out += sum(own.pixels)
        if num_out < share * total:
            break  # there are no more candidates: what is left agrees by construction
        interval = _score(left, audit.images.classes, groups)
        estimate = float(interval.estimate)
        first = estimate if not rows else first
        rows.append(
            LeftOutScore(
                f"the worst {100 * num_out / total:.1f} %" if share else "none",
                f"{estimate:.2f} [{float(interval.low):.2f}, {float(interval.high):.2f}]",
                f"{estimate - first:+.2f}" if share else "",
            )
        )
    return rows


def _score(left: Mapping[str, Counter], classes: Sequence[str], groups: Groups) -> Interval:
    cells = []
    for counter in left.values():
        kept = {place: pixels for place, pixels in sorted(counter.items()) if pixels > 0}
        cells.append((np.array(list(kept), np.int64), np.array(list(kept.values()), np.int64)))
    return score_interval(ImageMatrices.of(list(left), cells, classes), "mIoU", groups)
