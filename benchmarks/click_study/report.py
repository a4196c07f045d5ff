"""What the cells of benchmarks/clicks.py add up to: mIoU against clicks, and the clicks that reach the same mIoU.

Shape suffixes: K budgets, U images, R resampled sets of images, C classes; 3 is true positives, labelled and predicted
pixels.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmseg_ext.files import replace_file
from mmseg_ext.scores.bootstrap import draw_weights
from mmseg_ext.scores.class_scores import class_scores, mean_over_classes

NUM_RESAMPLES = 1000
WHERE = ("annotated", "held out")
POLICIES = ("suggestions", "random", "grid")


class Cell(NamedTuple):
    """One simulated session."""

    policy: str
    dataset: str
    fold: str
    seed: int


class Record(NamedTuple):
    """What a session came to.

    Attributes:
        budgets: Clicks, K.
        names: Of the images, by :data:`WHERE`.
        counts: (K, N, 3, C), by :data:`WHERE`.
        about: Date, versions, seconds a click.
    """

    budgets: list[int]
    names: dict[str, list[str]]
    counts: dict[str, np.ndarray]
    about: dict[str, Any]


class Results:
    """The finished sessions, a file each, so that several processes may write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, cell: Cell) -> Path:
        return self.folder / f"{'-'.join(map(str, cell))}.json"

    def find(self, cell: Cell) -> Record | None:
        """Read one; None where it has not finished."""
        path = self._path(cell)
        if not path.is_file():
            return None
        row = json.loads(path.read_text())
        counts = {where: np.array(values, np.int64) for where, values in row["counts"].items()}
        return Record(row["budgets"], row["names"], counts, row["about"])

    def add(self, cell: Cell, record: Record) -> None:
        """Write one."""
        counts = {where: values.tolist() for where, values in record.counts.items()}
        replace_file(self._path(cell), json.dumps({**record._asdict(), "counts": counts}))


def add_up(records: Sequence[Record], where: str) -> dict[str, np.ndarray]:
    """Add the counts of each image over folds and seeds: (K, 3, C) by its name."""
    totals: dict[str, np.ndarray] = {}
    for record in records:
        for index, name in enumerate(record.names[where]):
            totals[name] = totals.get(name, 0) + record.counts[where][:, index]
    return dict(sorted(totals.items()))


def clicks_for(curve_RK: np.ndarray, budgets_K: Sequence[int], target_R: np.ndarray) -> np.ndarray:
    """Find the clicks at which curves reach a target, between budgets linearly in the logarithm of clicks.

    Returns:
        (R,); infinite where a curve does not reach it, the first budget where it is above from there on.

    Example:
        >>> clicks_for(np.array([[10.0, 20.0, 15.0, 30.0]]), [10, 20, 40, 80], np.array([25.0])).round(1).tolist()
        [56.6]
    """
    best_RK, logs_K = np.maximum.accumulate(curve_RK, axis=1), np.log(budgets_K)
    is_there_RK = best_RK >= target_R[:, None]
    after_R = is_there_RK.argmax(1)
    before_R = np.maximum(after_R - 1, 0)
    rows = np.arange(len(best_RK))
    low_R, high_R = best_RK[rows, before_R], best_RK[rows, after_R]
    share_R = np.where(high_R > low_R, (target_R - low_R) / np.where(high_R > low_R, high_R - low_R, 1), 1.0)
    logs_R = logs_K[before_R] + np.clip(share_R, 0, 1) * (logs_K[after_R] - logs_K[before_R])
    return np.where(is_there_RK.any(1), np.exp(logs_R), np.inf)


def compare(cells: Mapping[Cell, Record], dataset: str, where: str, classes: Sequence[str]) -> str:
    """Write the table of one dataset: a row a budget.

    The clicks of "suggestions" and "grid" that reach the best that random clicks have reached by then are given as a
    share of the clicks that random took, with the 95 % interval of images that are drawn again, the same for all
    policies.
    """
    shared = {c[2:] for c in cells if c.dataset == dataset}
    for policy in POLICIES:  # the same folds and seeds of all policies
        shared &= {c[2:] for c in cells if (c.policy, c.dataset) == (policy, dataset)}
    shown = {
        policy: [r for c, r in cells.items() if (c.policy, c.dataset) == (policy, dataset) and c[2:] in shared]
        for policy in POLICIES
    }
    if not shared:
        return f"{dataset}, {where}: no fold and seed has finished with every policy\n"
    budgets = next(iter(shown.values()))[0].budgets
    totals = {policy: np.stack(list(add_up(shown[policy], where).values())) for policy in POLICIES}  # (U, K, 3, C)
    num_images, num_annotated = len(totals["random"]), len(shown["random"][0].names["annotated"])
    weights_RU = np.concatenate(
        [np.ones((1, num_images)), draw_weights(num_images, NUM_RESAMPLES, np.random.default_rng(0))]
    )
    curves = {}
    for policy, counts_UK3C in totals.items():
        sums = np.tensordot(weights_RU, counts_UK3C, axes=1)  # (R, K, 3, C), all images first
        ious = class_scores(sums)["IoU"]
        curves[policy] = (mean_over_classes(ious), ious[0])
    lines = [
        f"{dataset}, {where}: {num_images} images, folds and seeds {sorted(shared)}",
        "",
        "| clicks an image | suggestions | random | grid | worst class: suggestions | random | grid "
        "| clicks of random's, suggestions | clicks of random's, grid |",
        "|---:|" + "---:|" * 8,
    ]
    for index, budget in enumerate(budgets):
        means = " | ".join(f"{curves[policy][0][0, index]:.1f}" for policy in POLICIES)
        worst = " | ".join(_worst(curves[policy][1][index], classes) for policy in POLICIES)
        target_R = np.maximum.accumulate(curves["random"][0], axis=1)[:, index]
        needed_R = clicks_for(curves["random"][0], budgets, target_R)
        shares = " | ".join(
            _format_share(clicks_for(curves[policy][0], budgets, target_R) / needed_R)
            for policy in ("suggestions", "grid")
        )
        lines.append(f"| {budget / num_annotated:.3g} | {means} | {worst} | {shares} |")
    return "\n".join(lines) + "\n"


def _worst(ious_C: np.ndarray, classes: Sequence[str]) -> str:
    index = int(np.nanargmin(ious_C))
    return f"{ious_C[index]:.1f} ({classes[index]})"


def _format_share(shares_R: np.ndarray) -> str:
    def percent(share: float) -> str:
        return "not reached" if np.isinf(share) else f"{100 * share:.0f} %"

    # Of the samples themselves: what lies between a share and one that is not reached is no share.
    low, high = np.quantile(shares_R[1:], [0.025, 0.975], method="inverted_cdf")
    return f"{percent(float(shares_R[0]))} [{percent(low)} … {percent(high)}]"
