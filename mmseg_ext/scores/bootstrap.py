"""The bootstrap: units drawn with replacement, and intervals of what is computed from them.

Shape suffixes: R resamples, U units; … stands for any further axes.
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import ndtr, ndtri

VALUES_AT_ONCE = 1 << 23
"""Weights that are held at a time: 64 MB."""

Statistic = Callable[[np.ndarray], np.ndarray]
"""From sums over units, (R, …), to what is wanted of them, (R, …)."""


def draw_weights(num_units: int, num_resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Draw units with replacement; returns how often each was drawn, float64 (R, U)."""
    drawn_RU = rng.integers(0, num_units, (num_resamples, num_units))
    drawn_RU += np.arange(num_resamples)[:, None] * num_units
    weights = np.bincount(drawn_RU.ravel(), minlength=num_resamples * num_units)
    return weights.reshape(num_resamples, num_units).astype(np.float64)


def in_blocks(num_rows: int, num_columns: int) -> Iterator[int]:
    """Divide rows into blocks of at most :data:`VALUES_AT_ONCE` values; yields the rows of each."""
    step = max(1, VALUES_AT_ONCE // max(1, num_columns))
    for first in range(0, num_rows, step):
        yield min(step, num_rows - first)


def resample(values_U: np.ndarray, statistic: Statistic, num_resamples: int, seed: int) -> np.ndarray:
    """Compute a statistic of sums over resampled units.

    Args:
        values_U: What is added up, (U, …).
        statistic: From sums (R, …) to (R, …).
        num_resamples: R.
        seed: Of the random numbers.

    Returns:
        The statistic of each resample, (R, …).
    """
    rng = np.random.default_rng(seed)
    flat = values_U.reshape(len(values_U), -1)
    parts = []
    for rows in in_blocks(num_resamples, len(values_U)):
        sums = draw_weights(len(values_U), rows, rng) @ flat
        parts.append(statistic(sums.reshape(rows, *values_U.shape[1:])))
    return np.concatenate(parts)


def variance_of(values_R: np.ndarray) -> np.ndarray:
    """Return the sample variance over the first axis, (…), NaN left out; NaN where less than two values are there."""
    is_known = np.isfinite(values_R)
    count = is_known.sum(0)
    mean = np.where(is_known, values_R, 0).sum(0) / np.maximum(count, 1)
    squares = np.where(is_known, values_R - mean, 0) ** 2
    return np.where(count < 2, np.nan, squares.sum(0) / np.maximum(count - 1, 1))


def percentile_interval(resampled_R: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the percentile interval, (…); a NaN among the resamples is left out.

    Args:
        resampled_R: (R, …).
        level: Such as 0.95.
    """
    tail = (1 - level) / 2
    has_nan = bool(np.isnan(resampled_R).any())
    low, high = (np.nanquantile if has_nan else np.quantile)(resampled_R, [tail, 1 - tail], axis=0)
    return low, high


def bca_interval(
    estimate: float, resampled_R: np.ndarray, leave_one_out_U: np.ndarray, level: float
) -> tuple[float, float]:
    """Return the ends of the interval that is corrected for bias and acceleration.

    Args:
        estimate: From all units.
        resampled_R: (R,).
        leave_one_out_U: The statistic without each unit, (U,).
        level: Such as 0.95.

    Reference:
        Efron, Better bootstrap confidence intervals, JASA 1987.
    """
    resampled_R = resampled_R[np.isfinite(resampled_R)]
    below = ((resampled_R < estimate).sum() + (resampled_R <= estimate).sum()) / (2 * len(resampled_R))
    bias = ndtri(below)
    deviations_U = np.nanmean(leave_one_out_U) - leave_one_out_U[np.isfinite(leave_one_out_U)]
    scale = (deviations_U**2).sum() ** 1.5
    if scale == 0 or not np.isfinite(bias):  # every unit says the same, or the estimate is beyond every resample
        low, high = percentile_interval(resampled_R, level)
        return float(low), float(high)
    acceleration = (deviations_U**3).sum() / (6 * scale)
    z = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(resampled_R, ndtr(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def exchange_p_value(
    first_U: np.ndarray, second_U: np.ndarray, difference: Statistic, num_resamples: int, seed: int
) -> np.ndarray:
    """Test whether two runs are alike, by exchanging their results on single units.

    Were the runs alike, either could have given the one result on a unit and the other one the second. Where there are
    at most `num_resamples` ways of exchanging, all of them are tried, else that many random ones.

    Args:
        first_U: What is added up of the first run, (U, …).
        second_U: Of the second.
        difference: From the sums of the first and the second run, (R, 2, …), to the difference (R, …).
        num_resamples: R.
        seed: Of the random numbers.

    Returns:
        Two-sided p-values, (…): the share of the exchanges that differ by as much; 1 where the difference is NaN.
    """
    num_units = len(first_U)
    flat = (second_U - first_U).reshape(num_units, -1)
    totals = np.stack([first_U.sum(0), second_U.sum(0)])
    observed = np.abs(difference(totals[None])[0])
    is_exact = num_units < 60 and 2**num_units <= num_resamples
    count = 2**num_units if is_exact else num_resamples
    rng = np.random.default_rng(seed)
    as_large = np.zeros(observed.shape)
    first_row = 0
    for rows in in_blocks(count, num_units):
        if is_exact:
            bits = np.arange(first_row, first_row + rows)[:, None] >> np.arange(num_units)
            exchanged = (bits & 1).astype(np.float64)
        else:
            exchanged = rng.integers(0, 2, (rows, num_units)).astype(np.float64)
        first_row += rows
        moved = (exchanged @ flat).reshape(rows, *totals.shape[1:])
        found = np.abs(difference(np.stack([totals[0] + moved, totals[1] - moved], axis=1)))
        as_large += (found >= observed - 1e-9).sum(0)
    p_value = as_large / count if is_exact else (as_large + 1) / (count + 1)
    return np.where(np.isnan(observed), 1.0, p_value)
