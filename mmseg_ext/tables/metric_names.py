"""Which names in a log row are metrics, and which values of a metric are better."""

import math
import re
from collections.abc import Container, Iterable
from functools import lru_cache

from mmseg_ext.escaping import printable

from .records import Evaluation

ORIGINAL_PREFIX = "original/"
"""Prefix of the scores of a downsampled copy against its original labels: ``original/mIoU``."""

BOOKKEEPING = frozenset(
    {"mode", "epoch", "iter", "step", "lr", "base_lr", "time", "data_time", "memory", "eta", "grad_norm"}
)
"""Names in an evaluation row that are not metrics."""

_CLASS_METRIC = re.compile(r"(?!original/)(?:[\w-]+/)?([A-Z][A-Za-z]*)\.(.+)")
_SUMMARY_METRIC = re.compile(r"[am][A-Z][A-Za-z]*")
_EVALUATOR_METRIC = re.compile(r"[a-z][\w-]*/[A-Za-z]\w*")


@lru_cache(maxsize=65536)
def split_class_metric(name: str) -> tuple[str, str] | None:
    """Split a per-class metric into kind and class; None for any other name.

    Example:
        >>> split_class_metric("IoU.bed, double"), split_class_metric("mIoU")
        (('IoU', 'bed, double'), None)
    """
    match = _CLASS_METRIC.fullmatch(name)
    return (match[1], printable(match[2].strip())) if match else None


def is_class_metric(name: str) -> bool:
    """Return whether a metric belongs to one class, as ``IoU.water`` does."""
    return split_class_metric(name) is not None


def is_summary_metric(name: str) -> bool:
    """Return whether a metric is a mean over the classes or the images: mIoU, aAcc, original/mIoU."""
    return _SUMMARY_METRIC.fullmatch(name.removeprefix(ORIGINAL_PREFIX)) is not None


def is_shown_metric(name: str) -> bool:
    """Return whether a metric has a column: a mean, the loss of a validation, or one with its evaluator's name."""
    return name == "loss" or is_summary_metric(name) or _EVALUATOR_METRIC.fullmatch(name) is not None


def metric_name(key: str, others: Container[str] = ()) -> str:
    """Remove the name of the evaluation loop from a name in a log, and that of the evaluator from means and losses.

    Args:
        key: The name in the log.
        others: The other names in the row: a mean that stands there without a prefix is another one.

    Example:
        >>> [metric_name(key) for key in ("val/mIoU", "seg/mIoU", "binary/IoU", "test/original/mIoU", "IoU.water")]
        ['mIoU', 'mIoU', 'binary/IoU', 'original/mIoU', 'IoU.water']
        >>> metric_name("binary/mIoU", {"mIoU": 48.0})
        'binary/mIoU'
    """
    key = re.sub(r"^(?:val|test)/", "", key)
    name = key.rsplit("/", 1)[-1]
    is_plain = (is_summary_metric(name) or name == "loss") and name not in others
    return printable(name if is_plain and not key.startswith(ORIGINAL_PREFIX) else key)


def is_lower_better(name: str) -> bool:
    """Return whether small values of a metric are better: losses and errors."""
    tail = name.lower()
    return "loss" in tail or tail.endswith(("error", "rmse", "mae"))


def best_evaluation(evaluations: Iterable[Evaluation], metric: str) -> Evaluation | None:
    """Return the evaluation with the best finite value of a metric, the earliest of equals; None where none has one."""
    sign = -1 if is_lower_better(metric) else 1
    scored = [item for item in evaluations if math.isfinite(item.metrics.get(metric, math.nan))]
    return max(scored, key=lambda item: sign * item.metrics[metric], default=None)
