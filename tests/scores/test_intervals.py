"""Intervals of scores: hand-computed cases, groups, several runs, edges."""

import numpy as np
import pytest
from image_counts import CLASSES, random_matrices, run_of
from scipy.special import stdtrit

from mmseg_ext.errors import UserError
from mmseg_ext.scores.bootstrap import resample
from mmseg_ext.scores.class_scores import score_function
from mmseg_ext.scores.confusion_matrix import mean_scores, scores_of_classes
from mmseg_ext.scores.intervals import class_intervals, score_interval


@pytest.mark.parametrize("name", ["mIoU", "aAcc", "mAcc", "mDice", "mFscore", "mPrecision", "mRecall"])
def test_the_estimate_is_the_score_of_the_sum(name):
    matrices = random_matrices(12)
    interval = score_interval(run_of(matrices), name, groups="image")
    assert float(interval.estimate) == pytest.approx(mean_scores(matrices.sum(0))[name])
    assert 0 <= interval.low < interval.estimate < interval.high <= 100


def test_scores_of_a_class_and_of_the_foreground():
    matrices = random_matrices(12, num_classes=2)
    run = run_of(matrices, classes=("rest", "roof"))
    expected = scores_of_classes(matrices.sum(0))
    for name, kind in (("IoU.roof", "IoU"), ("binary/IoU", "IoU"), ("F1", "Dice"), ("binary/precision", "Precision")):
        assert float(score_interval(run, name).estimate) == pytest.approx(expected[kind][1])
    for name in ("mBIoU", "IoU.tree", "IoU.", "val_loss"):
        with pytest.raises(UserError, match="Expected a score of confusion matrices: aAcc, mIoU"):
            score_interval(run, name)
    with pytest.raises(UserError, match="got 'IoU'"):
        score_interval(run_of(random_matrices(3)), "IoU")


def test_few_images_by_hand():
    # Accuracies of 2, 4 and 6 in 10 pixels: a mean of 40 %, a sample deviation of 20 points.
    matrices = np.array([[[right, 10 - right], [0, 0]] for right in (2, 4, 6)])
    interval = score_interval(run_of(matrices, classes=("a", "b")), "aAcc", groups="image", num_resamples=20_000)
    error = 20 / np.sqrt(3)
    assert float(interval.estimate) == 40
    assert float(interval.standard_error) == pytest.approx(error, rel=0.02)
    assert float(interval.low) == 0  # 40 - 49.7
    assert float(interval.high) == pytest.approx(40 + stdtrit(2, 0.975) * error, rel=0.02)


def test_many_images_have_the_percentiles_moved_outwards():
    run = run_of(random_matrices(60))
    plain = resample(run.counts_N3C, score_function("mIoU", CLASSES), 2000, 0)
    interval = score_interval(run, groups="image", num_resamples=2000)
    low, high = np.quantile(plain, [0.025, 0.975])
    wider = stdtrit(59, 0.975) / 1.959964 * np.sqrt(60 / 59)
    assert high - low < interval.high - interval.low < (high - low) * wider * 1.03
    for method in ("percentile", "bca", "t"):
        other = score_interval(run, groups="image", method=method)
        assert float(other.low) == pytest.approx(float(interval.low), abs=0.4 * float(interval.standard_error))


def test_groups_are_resampled_whole():
    matrices = np.repeat(random_matrices(8), 4, axis=0)  # four equal images a scene
    run = run_of(matrices)
    by_scene, by_image = score_interval(run), score_interval(run, groups="image")
    assert (by_scene.units.words, by_image.units.words) == ("8 groups of images", "32 images")
    once = score_interval(run_of(matrices[::4]), groups="image")
    assert float(by_scene.standard_error) == pytest.approx(float(once.standard_error))
    assert by_scene.standard_error > 1.5 * by_image.standard_error
    of_scene = [f"{i // 4}" for i in range(32)]
    for groups in (r"scene_\d", lambda name: name.split("/")[0], of_scene):
        assert score_interval(run, groups=groups).low == by_scene.low


def test_a_class_that_is_absent_in_a_resample_is_left_out_of_it():
    matrices = random_matrices(12, num_classes=2)
    rare = np.zeros((12, 3, 3), np.int64)
    rare[:, :2, :2] = matrices
    rare[5, 2, 2] = 40  # one image alone, found without error
    interval = score_interval(run_of(rare), groups="image")
    assert np.isfinite([interval.low, interval.high]).all()
    by_class = class_intervals(run_of(rare), groups="image")
    assert by_class.estimate.tolist() == pytest.approx(scores_of_classes(rare.sum(0))["IoU"].tolist())
    assert (by_class.low[2], by_class.high[2]) == (100, 100)
    absent = class_intervals(run_of(rare[:5]), groups="image")
    assert np.isnan([absent.estimate[2], absent.low[2], absent.high[2]]).all()
    assert np.isfinite(absent.low[:2]).all()


def test_one_image_has_no_interval_and_none_is_refused():
    interval = score_interval(run_of(random_matrices(1)))
    assert np.isfinite(interval.estimate)
    assert np.isnan([interval.low, interval.high, interval.standard_error]).all()
    with pytest.raises(UserError, match="one image at least, got none"):
        score_interval(run_of(random_matrices(0), names=[]))


def test_equal_images_have_an_interval_of_one_point():
    run = run_of(np.repeat(random_matrices(1), 40, axis=0))
    interval = score_interval(run, groups="image")
    assert float(interval.low) == float(interval.high) == pytest.approx(float(interval.estimate))


def test_seeds_add_their_spread():
    runs = [run_of(random_matrices(40, seed, share=share)) for seed, share in ((1, 0.5), (2, 0.7), (3, 0.9))]
    alone = [score_interval(run, groups="image") for run in runs]
    both = score_interval(runs, groups="image")
    scores = [float(interval.estimate) for interval in alone]
    assert float(both.estimate) == pytest.approx(np.mean(scores))
    spread = np.var(scores, ddof=1) / 3
    assert float(both.standard_error) ** 2 > spread
    assert float(both.standard_error) ** 2 < spread + np.mean([float(i.standard_error) ** 2 for i in alone])
    assert float(both.degrees) < 5  # three runs make most of it
    assert float(both.high - both.low) > 3 * max(float(i.high - i.low) for i in alone)


def test_folds_that_differ_by_their_images_alone_add_nothing():
    matrices = random_matrices(120)
    names = [f"{i}.png" for i in range(120)]
    folds = [run_of(matrices[k::3], names[k::3]) for k in range(3)]
    together = score_interval(run_of(matrices, names), groups="image")
    interval = score_interval(folds, groups="image")
    assert interval.units.words == "120 images"
    assert float(interval.standard_error) == pytest.approx(float(together.standard_error), rel=0.35)


def test_runs_of_other_classes_are_refused():
    other = run_of(random_matrices(4), classes=("a", "b", "c"))
    with pytest.raises(UserError, match="same classes, got land, water, road and a, b, c"):
        score_interval([run_of(random_matrices(4)), other])


def test_equal_questions_have_equal_answers():
    run = run_of(random_matrices(20))
    assert score_interval(run).low == score_interval(run).low
    assert score_interval(run, seed=1).low != score_interval(run).low
    with pytest.raises(UserError, match="`level`"):
        score_interval(run, level=1.0)
