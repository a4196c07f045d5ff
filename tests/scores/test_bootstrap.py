"""Resampling and intervals against scipy.stats."""

import numpy as np
import pytest
import scipy.stats
from image_counts import CLASSES, random_matrices

from mmseg_ext.scores import bootstrap
from mmseg_ext.scores.bootstrap import (
    bca_interval,
    draw_weights,
    exchange_p_value,
    percentile_interval,
    resample,
    variance_of,
)
from mmseg_ext.scores.class_scores import counts_of, score_function

MEAN_IOU = score_function("mIoU", CLASSES)


def by_scipy(counts, method, level):
    """scipy's bootstrap of the images of a set."""

    def statistic(index, axis):
        return MEAN_IOU(counts[index].sum(axis=axis if axis >= 0 else index.ndim + axis))

    return scipy.stats.bootstrap(
        (np.arange(len(counts)),),
        statistic,
        n_resamples=999,
        method=method,
        confidence_level=level,
        vectorized=True,
        rng=np.random.default_rng(0),
    )


@pytest.mark.parametrize("level", [0.95, 0.8])
@pytest.mark.parametrize("seed", range(3))
def test_intervals_of_the_same_resamples_are_those_of_scipy(seed, level):
    counts = counts_of(random_matrices(14, seed)).astype(float)
    expected = by_scipy(counts, "percentile", level)
    found = percentile_interval(expected.bootstrap_distribution, level)
    assert found == pytest.approx((expected.confidence_interval.low, expected.confidence_interval.high))
    expected = by_scipy(counts, "BCa", level)
    without = MEAN_IOU(counts.sum(0) - counts)
    found = bca_interval(float(MEAN_IOU(counts.sum(0))), expected.bootstrap_distribution, without, level)
    assert found == pytest.approx((expected.confidence_interval.low, expected.confidence_interval.high))


def test_resamples_spread_as_scipys_do():
    counts = counts_of(random_matrices(30)).astype(float)
    found = resample(counts, MEAN_IOU, 4000, seed=0)
    expected = by_scipy(counts, "percentile", 0.95)
    assert np.sqrt(variance_of(found)) == pytest.approx(expected.standard_error, rel=0.1)
    assert found.mean() == pytest.approx(expected.bootstrap_distribution.mean(), abs=0.3)


def test_each_resample_draws_as_many_units_as_there_are(monkeypatch):
    rng = np.random.default_rng(0)
    weights = draw_weights(7, 500, rng)
    assert weights.shape == (500, 7)
    assert (weights.sum(1) == 7).all()
    assert weights.mean(0) == pytest.approx(np.ones(7), abs=0.2)
    values = np.arange(6.0)[:, None]
    whole = resample(values, lambda sums: sums[:, 0], 50, seed=3)
    monkeypatch.setattr(bootstrap, "VALUES_AT_ONCE", 60)
    in_parts = resample(values, lambda sums: sums[:, 0], 50, seed=3)
    assert whole.shape == in_parts.shape == (50,)
    assert set(in_parts) <= set(map(float, range(31)))


def test_sums_by_hand():
    values = np.array([[1.0, 10.0], [2.0, 20.0]])
    found = resample(values, lambda sums: sums, 200, seed=0)
    assert {tuple(row) for row in found.tolist()} == {(2.0, 20.0), (3.0, 30.0), (4.0, 40.0)}


def test_variance_leaves_nan_out():
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, 5.0]])
    found = variance_of(values)
    assert found[0] == 2.0
    assert np.isnan(found[1])


@pytest.mark.parametrize("seed", range(3))
def test_exchanging_all_ways_is_scipys_permutation_test(seed):
    first, second = (counts_of(random_matrices(8, seed, share=share)).astype(float) for share in (0.6, 0.75))
    both = np.concatenate([first, second])

    def statistic(index_of_first, index_of_second):
        return MEAN_IOU(both[index_of_second].sum(0)) - MEAN_IOU(both[index_of_first].sum(0))

    data = np.arange(8), np.arange(8, 16)
    # scipy doubles the smaller tail; ours counts what is as far from 0: with all ways of exchanging they are one.
    expected = scipy.stats.permutation_test(
        data, statistic, permutation_type="samples", n_resamples=np.inf, vectorized=False
    )
    scores = lambda sums: MEAN_IOU(sums[:, 1]) - MEAN_IOU(sums[:, 0])  # noqa: E731
    found = exchange_p_value(first, second, scores, 256, seed=0)
    assert float(found) == pytest.approx(expected.pvalue)
    random = exchange_p_value(first, second, scores, 255, seed=0)
    assert float(random) == pytest.approx(expected.pvalue, abs=0.12)


def test_equal_runs_have_a_p_value_of_1():
    counts = counts_of(random_matrices(40)).astype(float)
    scores = lambda sums: MEAN_IOU(sums[:, 1]) - MEAN_IOU(sums[:, 0])  # noqa: E731
    assert float(exchange_p_value(counts, counts, scores, 500, seed=0)) == 1.0


def test_what_never_varies_has_an_interval_of_one_point():
    assert bca_interval(5.0, np.full(50, 5.0), np.full(4, 5.0), 0.95) == (5.0, 5.0)
