"""Which numbers of a log row are metrics, and how they are named."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from .records import Evaluation

Payload = TypeVar("Payload")

CLASS_METRIC = re.compile(r"([A-Z][A-Za-z]*)\.(.+)")
"""``IoU.water``: a kind and a class."""

_SUMMARY_METRIC = re.compile(r"[am][A-Z][A-Za-z]*")
_BOOKKEEPING = frozenset(
    {"mode", "epoch", "iter", "step", "lr", "base_lr", "time", "data_time", "memory", "eta", "grad_norm"}
)
_NAMES: dict[tuple[str, ...], tuple[str, ...]] = {}


def is_class_metric(name: str) -> bool:
    """Tell whether a metric belongs to one class, as ``IoU.water`` does."""
    return CLASS_METRIC.fullmatch(name) is not None


def is_lower_better(name: str) -> bool:
    """Tell whether small values of a metric are good: losses and errors."""
    tail = name.lower()
    return "loss" in tail or tail.endswith(("error", "rmse", "mae"))


def plain_name(key: str) -> str:
    """Drop an evaluator's prefix: ``val/mIoU`` is ``mIoU``."""
    return key if CLASS_METRIC.fullmatch(key) else key.rsplit("/", 1)[-1]


def evaluation_from_row(
    row: Mapping[str, Any], step: int | None, *, scale: float = 1.0, wanted: Iterable[str] = ()
) -> Evaluation | None:
    """Make an evaluation of a log row.

    Args:
        row: names and values of one row.
        step: training iterations done.
        scale: factor on metrics; 100 for logs that hold fractions.
        wanted: per-class metrics to keep among the summary metrics, such as ``IoU.water``.

    Returns:
        The evaluation, or None where the row holds no metric.
    """
    metrics: dict[str, float] = {}
    by_kind: dict[str, dict[str, float]] = {}
    is_evaluation = False
    for key, value in row.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or key in _BOOKKEEPING:
            continue
        match = CLASS_METRIC.fullmatch(key)
        if match:
            is_evaluation = True
            scaled = round(value * scale, 6)
            by_kind.setdefault(match[1], {})[match[2].strip()] = scaled
            if key in wanted:
                metrics[key] = scaled
            continue
        name = plain_name(key)
        if _SUMMARY_METRIC.fullmatch(name):
            is_evaluation = True
            metrics.setdefault(name, round(value * scale, 6))
        else:
            metrics.setdefault(name, round(value, 6))
    if not is_evaluation:
        return None
    evaluation = Evaluation(step, metrics)
    set_class_values(evaluation, by_kind)
    return evaluation


def set_class_values(evaluation: Evaluation, by_kind: Mapping[str, Mapping[str, float]]) -> None:
    """Store per-class numbers, given by kind and class, in an evaluation; a class without a number becomes nan."""
    names = tuple(dict.fromkeys(name for values in by_kind.values() for name in values))
    evaluation.class_names = share_names(names)
    evaluation.class_values = {kind: [values.get(name, math.nan) for name in names] for kind, values in by_kind.items()}


def share_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return one shared tuple for equal tuples of class names: a thousand runs hold the names once."""
    return _NAMES.setdefault(names, names)


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
    matches = [CLASS_METRIC.fullmatch(name) for name in names]
    flags = [match is not None for match in matches]
    if True not in flags:
        return ()
    first = flags.index(True)
    if not all(flags[first : first + sum(flags)]):
        return ()
    return tuple(dict.fromkeys(match[1] for match in matches if match))


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
