"""Which numbers of a log row are metrics, and how they are named."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Container, Iterable, Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar

from .records import Evaluation, printable

Payload = TypeVar("Payload")

CLASS_METRIC = re.compile(r"([A-Z][A-Za-z]*)\.(.+)")
"""``IoU.water``: a kind and a class."""

ORIGINAL_PREFIX = "original/"
"""Stands before the scores of a downsampled copy against its original labels: ``original/mIoU``."""

_SUMMARY_METRIC = re.compile(r"[am][A-Z][A-Za-z]*")
_BOOKKEEPING = frozenset(
    {"mode", "epoch", "iter", "step", "lr", "base_lr", "time", "data_time", "memory", "eta", "grad_norm"}
)
_LAYOUTS: dict[tuple[str, ...], tuple[tuple[str, ...], dict[str, slice]]] = {}
_STRETCHES: dict[bytes, tuple[str, ...]] = {}
_NAMES: dict[tuple[str, ...], tuple[str, ...]] = {}


def is_class_metric(name: str) -> bool:
    """Tell whether a metric belongs to one class, as ``IoU.water`` does."""
    return CLASS_METRIC.fullmatch(name) is not None


def is_lower_better(name: str) -> bool:
    """Tell whether small values of a metric are good: losses and errors."""
    tail = name.lower()
    return "loss" in tail or tail.endswith(("error", "rmse", "mae"))


def evaluation_from_row(
    row: Mapping[str, Any], step: int | None, *, scale: float = 1.0, wanted: Container[str] = ()
) -> Evaluation | None:
    """Make an evaluation of a log row, with its summary metrics alone.

    Args:
        row: names and values of one row.
        step: training iterations done.
        scale: factor on metrics; 100 for logs that hold fractions.
        wanted: per-class metrics to keep among the summary metrics, such as ``IoU.water``.

    Returns:
        The evaluation, or None where the row holds no metric.
    """
    metrics: dict[str, float] = {}
    is_evaluation = False
    for key, value in row.items():
        role, name = _role(key)
        if role == _SKIP or not _is_number(value):
            continue
        is_evaluation = is_evaluation or role != _OTHER
        if role == _CLASS and key not in wanted:
            continue
        metrics.setdefault(name, round(value * scale if role != _OTHER else value, 6))
    return Evaluation(step, metrics) if is_evaluation else None


_SKIP, _SUMMARY, _CLASS, _OTHER = range(4)


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1e15)


@lru_cache(maxsize=65536)
def _role(key: str) -> tuple[int, str]:
    """Tell what a name in a log row stands for, and the metric's name."""
    if key in _BOOKKEEPING:
        return _SKIP, key
    if CLASS_METRIC.fullmatch(key):
        return _CLASS, key
    role = _SUMMARY if _SUMMARY_METRIC.fullmatch(key.rsplit("/", 1)[-1]) else _OTHER
    return role, printable(metric_name(key))


def metric_name(key: str) -> str:
    """Take the evaluator's prefix off a name in a log: val/mIoU is mIoU, binary/IoU is IoU.

    Example:
        >>> [metric_name(key) for key in ("binary/IoU", "test/original/mIoU", "IoU.water")]
        ['IoU', 'original/mIoU', 'IoU.water']
    """
    name = key.rsplit("/", 1)[-1]
    return ORIGINAL_PREFIX + name if key.endswith(ORIGINAL_PREFIX + name) else name


def is_summary_metric(name: str) -> bool:
    """Tell whether a metric is a mean over the classes or the images: mIoU, aAcc, original/mIoU."""
    return _SUMMARY_METRIC.fullmatch(name.removeprefix(ORIGINAL_PREFIX)) is not None


def keep_class_values(evaluation: Evaluation, row: Mapping[str, Any], scale: float = 1.0) -> None:
    """Store the per-class numbers of a log row in an evaluation; nothing is stored where it has none.

    Args:
        evaluation: the evaluation of the row.
        row: names and values of one row.
        scale: factor on the numbers; 100 for logs that hold fractions.
    """
    keys = tuple(row)
    layout = _LAYOUTS.get(keys)
    if layout is None:
        if len(_LAYOUTS) > 1000:
            _LAYOUTS.clear()
        layout = _LAYOUTS[keys] = _make_layout(keys)
    names, places = layout
    values = list(row.values())
    if all(set(map(type, values[place])) <= {float, int} for place in places.values()):
        with contextlib.suppress(OverflowError):  # a whole number of hundreds of digits
            numbers = {kind: list(map(float, values[place])) for kind, place in places.items()}
            if scale != 1.0:
                numbers = {kind: [round(value * scale, 6) for value in column] for kind, column in numbers.items()}
            evaluation.class_names, evaluation.class_values = names, numbers
    if evaluation.class_names or not any(map(_class_of, keys)):
        return
    by_kind: dict[str, dict[str, float]] = {}  # a row with gaps or odd values: name by name
    for key, value in row.items():
        named = _class_of(key)
        if named is not None and _is_number(value):
            by_kind.setdefault(named[0], {})[named[1]] = round(value * scale, 6)
    set_class_values(evaluation, by_kind)


def _make_layout(keys: tuple[str, ...]) -> tuple[tuple[str, ...], dict[str, slice]]:
    """Find where the classes of every kind stand side by side in a row; nothing where they differ between kinds."""
    found: dict[str, list[tuple[int, str]]] = {}
    for index, key in enumerate(keys):
        named = _class_of(key)
        if named is not None:
            found.setdefault(named[0], []).append((index, named[1]))
    columns = list(found.values())
    names = tuple(name for _, name in columns[0]) if columns else ()
    is_regular = all(
        tuple(name for _, name in column) == names and column[-1][0] - column[0][0] + 1 == len(column)
        for column in columns
    )
    if not is_regular:
        return (), {}
    return share_names(names), {kind: slice(column[0][0], column[-1][0] + 1) for kind, column in found.items()}


@lru_cache(maxsize=65536)
def _class_of(key: str) -> tuple[str, str] | None:
    match = CLASS_METRIC.fullmatch(key)
    return (match[1], match[2].strip()) if match else None


def set_class_values(evaluation: Evaluation, by_kind: Mapping[str, Mapping[str, float]]) -> None:
    """Store per-class numbers, given by kind and class, in an evaluation; a class without a number becomes nan."""
    names = tuple(dict.fromkeys(name for table in by_kind.values() for name in table))
    evaluation.class_names = share_names(names)
    evaluation.class_values = {kind: [table.get(name, math.nan) for name in names] for kind, table in by_kind.items()}


def share_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return one shared tuple for equal tuples of class names: a thousand runs hold the names once."""
    known = _NAMES.get(names)
    if known is None:
        known = _NAMES[names] = tuple(printable(name) for name in names)
    return known


def better(name: str, value: float, than: float | None) -> bool:
    """Tell whether a value beats another one; nan beats nothing and everything beats None."""
    if math.isnan(value):
        return False
    if than is None:
        return True
    return value < than if is_lower_better(name) else value > than


def class_stretch(names: Iterable[str]) -> tuple[str, ...]:
    """Return the kinds of per-class metrics where these stand side by side in a row; an empty tuple otherwise.

    Example:
        >>> class_stretch(["mIoU", "IoU.road", "IoU.water", "Acc.road", "Acc.water", "time"])
        ('IoU', 'Acc')
        >>> class_stretch(["IoU.road", "mIoU", "IoU.water"])
        ()
    """
    places = [_class_of(name) for name in names]
    flags = [place is not None for place in places]
    if True not in flags:
        return ()
    first = flags.index(True)
    if not all(flags[first : first + sum(flags)]):
        return ()
    return tuple(dict.fromkeys(place[0] for place in places if place))


def remembered_stretch(kind: bytes) -> tuple[str, ...] | None:
    """Return the class stretch of rows that are alike but for their digits; None where none was parsed yet."""
    return _STRETCHES.get(kind)


def remember_stretch(kind: bytes, names: Iterable[str]) -> None:
    """Remember the class stretch of a row that was parsed in full, for every row that is alike."""
    if len(_STRETCHES) > 1000:
        _STRETCHES.clear()
    _STRETCHES[kind] = class_stretch(names)


class BestAndLast(Generic[Payload]):
    """Remembers where the evaluation with the highest mIoU and the latest evaluation came from.

    Only these two keep their per-class numbers, so a long log costs little memory and time.
    """

    def __init__(self) -> None:
        self._best: tuple[float, Evaluation, Payload] | None = None
        self._last: tuple[Evaluation, Payload] | None = None

    def add(self, evaluation: Evaluation, payload: Payload) -> None:
        """Take note of the next evaluation."""
        self._last = (evaluation, payload)
        score = evaluation.metrics.get("mIoU")
        if score is not None and better("mIoU", score, self._best[0] if self._best else None):
            self._best = (score, evaluation, payload)

    def chosen(self) -> list[tuple[Evaluation, Payload]]:
        """Return the one or two evaluations to keep, with what was remembered of them."""
        chosen = [self._last] if self._last else []
        if self._best and (not self._last or self._best[1] is not self._last[0]):
            chosen.append((self._best[1], self._best[2]))
        return chosen
