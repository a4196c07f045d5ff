"""The best evaluation of a run, kept through a resume."""

import math
from collections.abc import Mapping
from typing import Any

from mmengine.logging import MessageHub

BEST_KEY = "mmseg_ext_best"  # in the message hub, so that checkpoints carry it through a resume


def numbers_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are numbers."""
    return {name: float(value) for name, value in metrics.items() if isinstance(value, (int, float))}


def best_score(hub: MessageHub) -> dict | None:
    """Return the best evaluation so far {score, iteration, metrics}, None before the first."""
    return hub.runtime_info.get(BEST_KEY)


def update_best_score(hub: MessageHub, metrics: Mapping[str, Any], metric: str, iteration: int) -> dict | None:
    """Keep an evaluation that is better than those before it.

    Args:
        hub: The run's message hub.
        metrics: As the evaluator returned them.
        metric: The score that decides, the higher the better. NaN is never the best.
        iteration: When.

    Returns:
        The best evaluation so far, None where there is none.
    """
    best, score = best_score(hub), metrics.get(metric)
    if score is not None and not math.isnan(score) and (best is None or score > best["score"]):
        best = {"score": float(score), "iteration": iteration, "metrics": numbers_of(metrics)}
        hub.update_info(BEST_KEY, best)
    return best
