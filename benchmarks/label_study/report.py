"""What the cells of the label-budget study add up to: scores, intervals by image, a table, a plot."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from label_study.cells import Cell, Record
from mmseg_ext.scores.bootstrap import percentile_interval, resample
from mmseg_ext.scores.class_scores import class_scores, counts_of, mean_over_classes
from mmseg_ext.scores.confusion_matrix import mean_scores, scores_of_classes
from mmseg_ext.scores.intervals import mean_over_runs

BUDGETS = ("1", "5", "20", "100")
NUM_RESAMPLES = 1000


class Score(NamedTuple):
    """What a method reaches with a budget.

    Attributes:
        mean: mIoU in percent, the folds of each seed added up, averaged over the seeds.
        std: Over the seeds (n − 1); None with a single one.
        interval: 95 % of the resampled sets of images; None where matrices of single images were not kept.
        folds: What was held out.
        seeds: Seeds that have all of it.
        seconds: Seconds of the processor of a fit, and of the prediction of an image; None where not measured.
        by_class: IoU in percent.
        images_SNCC: Confusion matrices of the images, for each seed; None where they were not kept.
    """

    mean: float
    std: float | None
    interval: tuple[float, float] | None
    folds: tuple[str, ...]
    seeds: tuple[int, ...]
    seconds: tuple[float, float] | None
    by_class: np.ndarray
    images_SNCC: np.ndarray | None


def mean_iou(total_CC: np.ndarray) -> float:
    """Compute mIoU in percent."""
    return mean_scores(total_CC)["mIoU"]


def interval_by_image(
    images_SNCC: np.ndarray, full_SNCC: np.ndarray | None = None, num_resamples: int = NUM_RESAMPLES
) -> tuple[float, float]:
    """Bound the mean over the seeds of mIoU by the 2.5th and 97.5th percentile of resampled sets of images.

    Args:
        images_SNCC: Confusion matrices of the same N images for each seed.
        full_SNCC: Those of another method on the same images: its share in percent is bounded instead, and both are
            scored on the same sets.
        num_resamples: Sets of N images that are drawn with replacement.
    """
    num_seeds = len(images_SNCC)
    both = images_SNCC if full_SNCC is None else np.concatenate([images_SNCC, full_SNCC])
    counts_NS3C = np.moveaxis(counts_of(both), 0, 1)
    values_RS = resample(counts_NS3C, lambda counts: mean_over_classes(class_scores(counts)["IoU"]), num_resamples, 0)
    bounded_R = mean_over_runs(values_RS[:, :num_seeds])
    if full_SNCC is not None:
        bounded_R = 100 * bounded_R / mean_over_runs(values_RS[:, num_seeds:])
    low, high = percentile_interval(bounded_R, 0.95)
    return float(low), float(high)


def is_tile(fold: str) -> bool:
    """Whether a place is left out whole."""
    return not fold.isdigit()


def score(
    cells: Mapping[Cell, Record], dataset: str, method: str, budget: str, folds: Sequence[str], any_folds: bool = False
) -> Score | None:
    """Add up the folds of every seed, and score the sums.

    Args:
        cells: Finished cells.
        dataset: As in `Cell`.
        method: Likewise.
        budget: Likewise.
        folds: What is added up.
        any_folds: Also score a part of them, where no seed has all.

    Returns:
        None where no seed has all folds, or, with `any_folds`, any.
    """
    chosen = {
        c: r
        for c, r in cells.items()
        if (c.dataset, c.method, c.budget) == (dataset, method, budget) and c.fold in folds
    }
    found = {c.fold for c in chosen}
    wanted = [fold for fold in folds if fold in found] if any_folds else list(folds)
    seeds = [s for s in sorted({c.seed for c in chosen}) if all(any(c[2::2] == (f, s) for c in chosen) for f in wanted)]
    if not seeds or not wanted:
        return None
    by_seed = [[chosen[Cell(method, dataset, fold, budget, seed)] for fold in wanted] for seed in seeds]
    totals = [np.sum([record.images_NCC.sum(0) for record in records], axis=0) for records in by_seed]
    values = [mean_iou(total_CC) for total_CC in totals]
    everything = [record for records in by_seed for record in records]
    interval = seconds = images_SNCC = None
    if all(record.by_image for record in everything):
        images_SNCC = np.stack([np.concatenate([record.images_NCC for record in records]) for records in by_seed])
        interval = interval_by_image(images_SNCC)
    if all("seconds" in record.about for record in everything):
        spent = [record.about["seconds"] for record in everything]
        seconds = (float(np.mean([s["fit"] for s in spent])), float(np.mean([s["predict"] for s in spent])))
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    by_class = np.mean([scores_of_classes(total_CC)["IoU"] for total_CC in totals], axis=0)
    return Score(float(np.mean(values)), std, interval, tuple(wanted), tuple(seeds), seconds, by_class, images_SNCC)


def best_of_all_labels(
    cells: Mapping[Cell, Record], dataset: str, methods: Sequence[str], folds: Sequence[str]
) -> tuple[str, Score] | None:
    """Find the method that is best with all labels on the same folds."""
    scores = [(method, score(cells, dataset, method, "all", folds)) for method in methods]
    found = [(method, got) for method, got in scores if got is not None]
    return max(found, key=lambda pair: pair[1].mean, default=None)


def format_table(
    cells: Mapping[Cell, Record], dataset: str, methods: Sequence[str], folds: Sequence[str], classes: Sequence[str]
) -> str:
    """Write the scores as a Markdown table: a row a budget and method.

    Shares are of the best model with all labels on the same folds, intervals those of resampled sets of images.
    """
    lines = [
        f"| points | method | mIoU | 95 % by image | of the best with all labels | {' | '.join(classes)} "
        "| s a fit | s an image | held out | seeds |",
        "|---:|---|---:|---:|---:|" + "---:|" * (len(classes) + 2) + "---|---|",
    ]
    for budget in ("all", *BUDGETS[::-1]):
        for method in methods:
            got = score(cells, dataset, method, budget, folds, any_folds=True)
            if got is None:
                continue
            best = best_of_all_labels(cells, dataset, methods, got.folds)
            share = _format_share(got, best[1]) if best else "–"
            spread = f" ± {got.std:.2f}" if got.std is not None else ""
            interval = _range(got.interval) if got.interval else "–"
            ious = " | ".join(f"{v:.1f}" for v in got.by_class)
            seconds = " | ".join(f"{s:.1f}" for s in got.seconds) if got.seconds else "– | –"
            lines.append(
                f"| {budget} | {method} | {got.mean:.2f}{spread} | {interval} | {share} | {ious} | {seconds} "
                f"| {', '.join(got.folds)} | {', '.join(map(str, got.seeds))} |"
            )
    return "\n".join(lines) + "\n"


def _format_share(part: Score, full: Score) -> str:
    share = f"{100 * part.mean / full.mean:.1f} %"
    if part.images_SNCC is None or full.images_SNCC is None or np.array_equal(part.images_SNCC, full.images_SNCC):
        return share
    return f"{share} ({_range(interval_by_image(part.images_SNCC, full.images_SNCC))})"


def _range(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.1f} … {ends[1]:.1f}"


def draw_plot(
    cells: Mapping[Cell, Record], dataset: str, methods: Sequence[str], folds: Sequence[str], path: Path
) -> None:
    """Draw mIoU over the budget, a line a method, of the methods that have all folds."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    best = best_of_all_labels(cells, dataset, methods, folds)
    if best is None:
        return
    figure, axes = pyplot.subplots(figsize=(9, 4.5), layout="constrained")
    full = best[1].mean
    axes.axhline(full, color="black", linewidth=1, label=f"{best[0]}, all labels: {full:.1f}")
    for share in (0.97, 0.88):
        axes.axhline(share * full, color="gray", linewidth=0.8, linestyle=":")
        axes.annotate(f"{share:.0%} of it", (1, share * full), va="bottom", fontsize=8, color="gray")
    for method in methods:
        found = [(int(b), score(cells, dataset, method, b, folds)) for b in BUDGETS]
        line = [(b, s.mean, s.std or 0.0) for b, s in found if s is not None]
        if line:
            budgets, means, stds = zip(*line, strict=True)
            axes.errorbar(budgets, means, stds, label=method, marker="o", capsize=3)
    axes.set_xscale("log")
    axes.set_xlim(0.8, 125)
    axes.set_xticks([int(b) for b in BUDGETS], BUDGETS)
    axes.minorticks_off()
    axes.set_xlabel("labelled points a class and image")
    axes.set_ylabel(f"mIoU in percent, {', '.join(folds)} added up")
    figure.legend(loc="outside right upper")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
