"""How far two runs differ on the same images, and what a set of images can tell apart.

Most of a score's spread comes from which images are hard, and that is the same for both runs: the interval of their
difference is much narrower than those of the two scores.

Shape suffixes: R resamples, U units, K runs, C classes; 3 is true positives, truth, found; … is nothing, or C.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

from mmseg_ext.arguments import OpenFraction, PositiveInt, checked
from mmseg_ext.errors import MAX_LISTED, UserError
from mmseg_ext.scores.bootstrap import exchange_p_value, resample, variance_of
from mmseg_ext.scores.class_scores import class_scores, score_function
from mmseg_ext.scores.image_groups import Groups
from mmseg_ext.scores.image_matrices import ImageMatrices
from mmseg_ext.scores.intervals import (
    MIN_PERCENTILE_UNITS,
    NUM_RESAMPLES,
    Interval,
    Runs,
    Sample,
    Score,
    as_list,
    bounded,
    collect_sample,
    count_runs,
    make_interval,
    mean_over_runs,
    variance_of_runs,
)

_SIMULATED = 2000
"""Pairs of runs, and ways of exchanging them, that are simulated."""


@dataclass(frozen=True)
class Difference(Interval):
    """The second score minus the first, with its interval.

    Attributes:
        p_value: Of the hypothesis that the two are equal, two-sided; (C,) where there is one a class.
        is_exchanged: Whether the p-value is that of exchanging two single runs.
    """

    p_value: np.ndarray
    is_exchanged: bool = False


@checked
def paired_difference(
    first: Runs,
    second: Runs,
    score: str = "mIoU",
    groups: Groups = "folder",
    level: OpenFraction = 0.95,
    num_resamples: PositiveInt = NUM_RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Estimate by how much the second run is better, on the images of both.

    The p-value of two single runs is that of exchanging their results image by image
    (:func:`~mmseg_ext.scores.bootstrap.exchange_p_value`): it says whether these two models differ. Of several runs a
    side it is that of Student's t with the variation of images and runs: it says whether training another time and
    scoring other images would show the difference again. Few units bound the first: see :func:`least_p_value`.

    Args:
        first: One run, or several that were trained with other seeds or on other folds.
        second: Likewise, on the same images.
        score: See :func:`~mmseg_ext.scores.class_scores.score_function`.
        groups: See :data:`~mmseg_ext.scores.image_groups.Groups`.
        level: Share of intervals that hold the true difference.
        num_resamples: R.
        seed: Of the random numbers.

    Raises:
        UserError: The runs were not scored on the same images, or have other classes; there is no such score.
    """
    first, second = as_list(first), as_list(second)
    function = score_function(score, first[0].classes)
    return estimate_difference(first, second, function, groups, level, num_resamples, seed)


@checked
def class_differences(
    first: Runs,
    second: Runs,
    kind: str = "IoU",
    groups: Groups = "folder",
    level: OpenFraction = 0.95,
    num_resamples: PositiveInt = NUM_RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Estimate the difference of every class, (C,); see :func:`paired_difference`.

    Args:
        first: As there.
        second: As there.
        kind: IoU, Acc, Dice, Fscore or Precision.
        groups: As there.
        level: As there, of each class by itself.
        num_resamples: As there.
        seed: As there.
    """
    return estimate_difference(
        as_list(first), as_list(second), lambda counts: class_scores(counts)[kind], groups, level, num_resamples, seed
    )


def check_same_images(first: Sequence[ImageMatrices], second: Sequence[ImageMatrices]) -> None:
    """Make sure that two sides were scored on the same images.

    Raises:
        UserError: They were not; names some images.
    """
    names = [{name for run in side for name in run.names} for side in (first, second)]
    if names[0] == names[1]:
        return
    parts = []
    for which, missing in (("first", names[0] - names[1]), ("second", names[1] - names[0])):
        if missing:
            some = ", ".join(sorted(missing)[:MAX_LISTED])
            more = f" and {len(missing) - MAX_LISTED} more" if len(missing) > MAX_LISTED else ""
            parts.append(f"only the {which} has {some}{more}")
    raise UserError(
        f"Expected two runs that were scored on the same images, got {len(names[0])} and {len(names[1])} images: "
        f"{'; '.join(parts)}. Evaluate both on one set."
    )


def estimate_difference(
    first: Sequence[ImageMatrices],
    second: Sequence[ImageMatrices],
    score: Score,
    groups: Groups = "folder",
    level: float = 0.95,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Estimate the difference of a score given as a function; see :func:`paired_difference`.

    Args:
        first: As there.
        second: As there.
        score: From counts (…, 3, C) to scores, in percent.
        groups: As there.
        level: As there.
        num_resamples: As there.
        seed: As there.
    """
    check_same_images(first, second)
    sample = collect_sample([*first, *second], groups)
    return difference_in_sample(sample, len(first), score, level, num_resamples, seed)


def difference_in_sample(
    sample: Sample,
    num_first: int,
    score: Score,
    level: float = 0.95,
    num_resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Estimate the difference of two sides of a sample; see :func:`paired_difference`.

    Args:
        sample: The runs of the first side, and then those of the second.
        num_first: Runs of the first side.
        score: From counts (…, 3, C) to scores, in percent.
        level: As there.
        num_resamples: As there.
        seed: As there.
    """
    counts = sample.counts_UK3C

    def difference(scores_RK: np.ndarray) -> np.ndarray:
        return mean_over_runs(scores_RK[:, num_first:]) - mean_over_runs(scores_RK[:, :num_first])

    resampled = resample(counts, score, num_resamples, seed)
    estimates_K = score(counts.sum(0))
    between = _variance_of_sides(estimates_K, resampled, sample.folds, num_first)
    estimate = difference(estimates_K[None])[0]
    # The side with fewer runs has the fewer degrees of freedom.
    num_runs = min(count_runs(sample.folds[:num_first]), count_runs(sample.folds[num_first:]))
    interval = make_interval(estimate, difference(resampled), between, sample.units, num_runs, level)
    interval = bounded(interval, -100, 100)
    is_exchanged = counts.shape[1] == 2
    if is_exchanged:
        p_value = exchange_p_value(
            counts[:, 0], counts[:, 1], lambda sums: difference(score(sums)), num_resamples, seed + 1
        )
    else:
        p_value = _t_test(interval)
    return Difference(**vars(interval), p_value=p_value, is_exchanged=is_exchanged)


def _variance_of_sides(
    estimates_K: np.ndarray, resampled_RK: np.ndarray, folds: Sequence[int], num_first: int
) -> np.ndarray:
    """Return the variance of a difference that comes from training another time."""
    sides = (slice(None, num_first), slice(num_first, None))
    numbers = [sorted(set(folds[side])) for side in sides]
    if numbers[0] == numbers[1] and len(numbers[0]) > 1:  # the same folds: a hard fold is hard for both
        of_fold = np.array(folds)

        def by_fold(values: np.ndarray) -> np.ndarray:
            means = [[values[side][of_fold[side] == number].mean(0) for number in numbers[0]] for side in sides]
            return np.stack(means[1]) - np.stack(means[0])

        within = variance_of(np.moveaxis(by_fold(np.moveaxis(resampled_RK, 1, 0)), 1, 0))
        return variance_of_runs(by_fold(estimates_K), within, numbers[0])
    within_K = variance_of(resampled_RK)
    first, second = (variance_of_runs(estimates_K[side], within_K[side], folds[side]) for side in sides)
    return first + second


def _t_test(interval: Interval) -> np.ndarray:
    error = interval.standard_error
    ratio = np.abs(interval.estimate) / np.where(error > 0, error, 1)
    p_value = 2 * stdtr(np.maximum(interval.degrees, 1), -ratio)
    return np.where(np.isnan(error), 1.0, np.where(error > 0, p_value, interval.estimate == 0))


def least_p_value(num_units: int, num_resamples: int = NUM_RESAMPLES) -> float:
    """Return the smallest p-value that exchanging two runs can give: of all ways, two are as far from 0 as any.

    Example:
        >>> least_p_value(6)
        0.03125
    """
    return max(2.0 ** (1 - num_units), 1 / (num_resamples + 1))


def smallest_difference(difference: Difference, power: float = 0.8, level: float = 0.95) -> float:
    """Return the smallest true difference that these images show with a probability, in points.

    Args:
        difference: That of two runs, for its standard error and its test.
        power: The probability.
        level: 1 minus the level of the test.

    Returns:
        NaN where the test shows no difference, however large: see :func:`least_p_value`.
    """
    num_units = len(difference.units)
    if difference.is_exchanged and num_units < MIN_PERCENTILE_UNITS:
        return float(_errors_found_by_exchange(num_units, power, level) * difference.standard_error)
    degrees = np.maximum(difference.degrees, 1)
    quantiles = stdtrit(degrees, (1 + level) / 2) + stdtrit(degrees, power)
    return float(quantiles * difference.standard_error)


@lru_cache
def _errors_found_by_exchange(num_units: int, power: float, level: float) -> float:
    """Return the true difference that exchanging finds with a probability, in mean standard errors.

    Student's t finds more with few units. Simulated: units that differ by a normal distribution's numbers.
    """
    if least_p_value(num_units) >= 1 - level:
        return np.nan
    rng = np.random.default_rng(0)
    values_RU = rng.standard_normal((_SIMULATED, num_units))
    signs_EU = 1 - 2 * rng.integers(0, 2, (_SIMULATED, num_units))
    if num_units < 11:
        signs_EU = 1 - 2 * (np.arange(2**num_units)[:, None] >> np.arange(num_units) & 1)
    # Of the exchanged sums only the part of the difference grows with it.
    fixed_RE, moved_E, sums_R = values_RU @ signs_EU.T, signs_EU.sum(1), values_RU.sum(1)

    def share_found(shift: float) -> float:
        as_large_RE = np.abs(fixed_RE + shift * moved_E) >= np.abs(sums_R + num_units * shift)[:, None] - 1e-9
        return float((as_large_RE.mean(1) < 1 - level).mean())

    shift = brentq(lambda value: share_found(value) - power, 0, 10, xtol=1e-3)
    return float(shift * np.sqrt(num_units) / values_RU.std(1, ddof=1).mean())
