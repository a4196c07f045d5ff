"""How far a score could be from what many more images would give: its interval.

The interval is that of the images, or of groups of images, drawn with replacement; with several runs, trained with
other seeds or on other folds, also that of the runs. Which formula, and why:

- With 30 units or more, the percentile interval, moved outwards as Student's t and n - 1 ask (Hesterberg 2015): a
  plain one is too narrow by √(1 - 1/n) and by the quantile of the normal distribution.
- With fewer, or where few runs make most of the spread, Student's t with the standard deviation of the resamples. A
  mean over classes is lower in resamples than in the population, as rare classes are missing in some; with few groups
  the percentiles are then far off (``benchmarks/intervals.py``).
- BCa (``method="bca"``) is offered for comparison: its correction for this is estimated from the same few units, and
  covers less than either.

Shape suffixes: R resamples, U units, K runs, C classes; 3 is true positives, truth, found; … is nothing, or C.

Reference:
    Hesterberg, What teachers should know about the bootstrap, The American Statistician 2015, section 3.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from mmseg_ext.arguments import OpenFraction, PositiveInt, checked
from mmseg_ext.errors import MAX_LISTED, UserError
from mmseg_ext.scores.bootstrap import bca_interval, percentile_interval, resample, variance_of
from mmseg_ext.scores.class_scores import class_scores, mean_over_classes, score_function
from mmseg_ext.scores.image_groups import Groups, Units, group_images
from mmseg_ext.scores.image_matrices import ImageMatrices

NUM_RESAMPLES = 2000
MIN_PERCENTILE_UNITS = 30
"""With fewer units Student's t is used."""

Method = Literal["auto", "percentile", "t", "bca"]
Runs = ImageMatrices | Sequence[ImageMatrices]
Score = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Interval:
    """A score, or a difference of scores, and its interval, in percent; arrays (C,) where there is one a class.

    Attributes:
        estimate: The score of all images; the mean over the runs where there are several.
        low: Lower end; NaN where nothing can be said, as with one image.
        high: Upper end.
        standard_error: Of the estimate.
        degrees: Degrees of freedom of the standard error.
        units: What was resampled.
    """

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    standard_error: np.ndarray
    degrees: np.ndarray
    units: Units


@dataclass(frozen=True)
class Sample:
    """Counts of several runs on the same units.

    Attributes:
        counts_UK3C: float64; 0 where a run has no image of a unit.
        units: The units.
        folds: For each run the images it was scored on, as a number: equal for runs on the same images.
    """

    counts_UK3C: np.ndarray
    units: Units
    folds: tuple[int, ...]


def collect_sample(runs: Sequence[ImageMatrices], groups: Groups = "folder") -> Sample:
    """Add up the counts of each run's images by unit.

    Args:
        runs: One or several.
        groups: See :data:`~mmseg_ext.scores.image_groups.Groups`; a list goes with the images of the first run.

    Raises:
        UserError: There is no image, or the runs have other classes.
    """
    classes = runs[0].classes
    for run in runs:
        if run.classes != classes:
            raise UserError(
                f"Expected runs with the same classes, got {', '.join(classes[:MAX_LISTED])} and "
                f"{', '.join(run.classes[:MAX_LISTED])}."
            )
    names = list(dict.fromkeys(name for run in runs for name in run.names))
    if not names:
        raise UserError("Expected confusion matrices of one image at least, got none.")
    units = group_images(names, groups)
    place = dict(zip(names, units.index_N.tolist(), strict=True))
    counts_UK3C = np.zeros((len(units), len(runs), 3, len(classes)))
    for k, run in enumerate(runs):
        np.add.at(counts_UK3C[:, k], [place[name] for name in run.names], run.counts_N3C)
    known: dict[frozenset[str], int] = {}
    folds = tuple(known.setdefault(frozenset(run.names), len(known)) for run in runs)
    return Sample(counts_UK3C, units, folds)


@checked
def score_interval(
    runs: Runs,
    score: str = "mIoU",
    groups: Groups = "folder",
    level: OpenFraction = 0.95,
    num_resamples: PositiveInt = NUM_RESAMPLES,
    seed: int = 0,
    method: Method = "auto",
) -> Interval:
    """Estimate a score and its interval.

    Args:
        runs: One run, or several that were trained with other seeds or on other folds: the score is then their mean.
        score: See :func:`~mmseg_ext.scores.class_scores.score_function`.
        groups: See :data:`~mmseg_ext.scores.image_groups.Groups`.
        level: Share of intervals that hold the true score.
        num_resamples: R.
        seed: Of the random numbers; equal runs get equal intervals.
        method: 'auto' as the module says, or one formula.

    Returns:
        Numbers as arrays without dimensions.

    Raises:
        UserError: There is no such score, or no image; classes differ.
    """
    runs = as_list(runs)
    function = score_function(score, runs[0].classes)
    return estimate_interval(collect_sample(runs, groups), function, level, num_resamples, seed, method)


@checked
def class_intervals(
    runs: Runs,
    kind: str = "IoU",
    groups: Groups = "folder",
    level: OpenFraction = 0.95,
    num_resamples: PositiveInt = NUM_RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Estimate a score of every class and its interval, (C,); see :func:`score_interval`.

    Args:
        runs: As there.
        kind: IoU, Acc, Dice, Fscore or Precision.
        groups: As there.
        level: As there, of each class by itself.
        num_resamples: As there.
        seed: As there.
    """
    return estimate_interval(
        collect_sample(as_list(runs), groups), lambda counts: class_scores(counts)[kind], level, num_resamples, seed
    )


def as_list(runs: Runs) -> list[ImageMatrices]:
    """Return runs as a list."""
    return [runs] if isinstance(runs, ImageMatrices) else list(runs)


def mean_over_runs(scores_RK: np.ndarray) -> np.ndarray:
    """Average scores (R, K, …) over the runs that have one, (R, …)."""
    return mean_over_classes(np.moveaxis(scores_RK, 1, -1))


def estimate_interval(
    sample: Sample,
    score: Score,
    level: float = 0.95,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
    method: Method = "auto",
) -> Interval:
    """Estimate the mean of a score over the runs of a sample, and its interval within 0 to 100.

    Args:
        sample: The runs.
        score: From counts (…, 3, C) to scores, in percent.
        level: Of the interval.
        num_resamples: R.
        seed: Of the random numbers.
        method: See :func:`score_interval`.
    """
    counts_UK3C = sample.counts_UK3C
    resampled = resample(counts_UK3C, score, num_resamples, seed)
    estimates_K = score(counts_UK3C.sum(0))
    between = variance_of_runs(estimates_K, variance_of(resampled), sample.folds)
    mean_R = mean_over_runs(resampled)
    estimate = mean_over_runs(estimates_K[None])[0]
    leave_one_out = None
    if method == "bca":
        leave_one_out = mean_over_runs(score(counts_UK3C.sum(0) - counts_UK3C))
    interval = make_interval(
        estimate, mean_R, between, sample.units, count_runs(sample.folds), level, method, leave_one_out
    )
    return bounded(interval, 0, 100)


def bounded(interval: Interval, lowest: float, highest: float) -> Interval:
    """Cut the ends of an interval that lie where no score can be."""
    low, high = np.clip(interval.low, lowest, highest), np.clip(interval.high, lowest, highest)
    return Interval(interval.estimate, low, high, interval.standard_error, interval.degrees, interval.units)


def variance_of_runs(estimates_K: np.ndarray, within_K: np.ndarray, folds: Sequence[int]) -> np.ndarray:
    """Return the variance of a mean over runs, (…), that comes from training another time; 0 for one run.

    Args:
        estimates_K: The score of each run, (K, …).
        within_K: Its variance over resampled images. Runs on other images differ by that as well: it is subtracted.
        folds: See :class:`Sample`. Where there are several, those of one fold count as one run, their mean.
    """
    numbers = sorted(set(folds))
    if len(numbers) > 1:
        of_fold = np.array(folds)
        estimates_K = np.stack([estimates_K[of_fold == number].mean(0) for number in numbers])
        within_K = np.stack([within_K[of_fold == number].mean(0) for number in numbers])
    num_runs = len(estimates_K)
    if num_runs == 1:
        return np.zeros(estimates_K.shape[1:])
    variance = variance_of(estimates_K)
    if len(numbers) > 1:
        variance = np.maximum(variance - within_K.mean(0), 0)
    return np.nan_to_num(variance / num_runs)


def count_runs(folds: Sequence[int]) -> int:
    """Return the number of runs whose spread is known: the folds, or the runs where all are of one."""
    num_folds = len(set(folds))
    return num_folds if num_folds > 1 else len(folds)


def make_interval(
    estimate: np.ndarray,
    resampled_R: np.ndarray,
    between: np.ndarray,
    units: Units,
    num_runs: int,
    level: float,
    method: Method = "auto",
    leave_one_out_U: np.ndarray | None = None,
) -> Interval:
    """Make an interval of resamples.

    Args:
        estimate: Of all units, (…).
        resampled_R: Of each resample, (R, …).
        between: Variance of the estimate that comes from the runs, (…).
        units: What was resampled.
        num_runs: How many runs `between` comes from; see :func:`count_runs`.
        level: Of the interval.
        method: See :func:`score_interval`.
        leave_one_out_U: For 'bca', of one score: the statistic without each unit.
    """
    num_units = len(units)
    nothing = np.full(np.shape(estimate), np.nan)
    if num_units < 2:
        return Interval(np.asarray(estimate), nothing, nothing, nothing, np.zeros_like(nothing), units)
    plain = variance_of(resampled_R)
    images = plain * num_units / (num_units - 1)
    total = images + between
    # Welch and Satterthwaite
    terms = images**2 / (num_units - 1) + between**2 / max(1, num_runs - 1)
    degrees = np.where(terms > 0, total**2 / np.where(terms > 0, terms, 1), num_units - 1)
    error = np.sqrt(total)
    tail = (1 - level) / 2
    quantile = -stdtrit(degrees, tail)
    if method == "bca" and leave_one_out_U is not None:
        low, high = map(np.asarray, bca_interval(float(estimate), resampled_R, leave_one_out_U, level))
        return Interval(estimate, low, high, error, degrees, units)
    by_t = estimate - quantile * error, estimate + quantile * error
    # Further out in the resamples, where the quantile of t lies in a normal distribution; then by the runs' share.
    outer = quantile * np.sqrt(num_units / (num_units - 1))
    low, high = by_t
    use_percentiles = degrees >= MIN_PERCENTILE_UNITS - 1 if method == "auto" else np.full(degrees.shape, True)
    if method != "t" and use_percentiles.any():
        widest = float(np.min(1 - 2 * ndtr(-outer[use_percentiles])))
        ends = percentile_interval(resampled_R, widest)
        scale = np.sqrt(total / np.where(images > 0, images, 1)) * outer / -ndtri((1 - widest) / 2)
        moved = [estimate + (end - estimate) * scale for end in ends]
        low, high = (np.where(use_percentiles, m, t) for m, t in zip(moved, by_t, strict=True))
    return Interval(np.asarray(estimate), np.asarray(low), np.asarray(high), error, degrees, units)
