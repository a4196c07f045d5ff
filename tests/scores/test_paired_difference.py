"""Differences of two runs on the same images."""

import numpy as np
import pytest
import scipy.stats
from image_counts import random_matrices, run_of

from mmseg_ext.errors import UserError
from mmseg_ext.scores.confusion_matrix import mean_scores
from mmseg_ext.scores.holm import holm
from mmseg_ext.scores.image_groups import Units
from mmseg_ext.scores.intervals import score_interval
from mmseg_ext.scores.paired_difference import (
    Difference,
    class_differences,
    least_p_value,
    paired_difference,
    smallest_difference,
)
from mmseg_ext.scores.run_comparison import compare_runs


def test_the_difference_is_that_of_the_scores_and_narrower_than_either_interval():
    first = random_matrices(40)
    second = first.copy()
    second[:, 0, 0] += second[:, 0, 1] // 2  # half of one confusion is mended in every image
    second[:, 0, 1] -= second[:, 0, 1] // 2
    found = paired_difference(run_of(first), run_of(second), groups="image")
    scores = [mean_scores(matrices.sum(0))["mIoU"] for matrices in (first, second)]
    assert float(found.estimate) == pytest.approx(scores[1] - scores[0])
    assert 0 < found.low < found.estimate < found.high
    alone = score_interval(run_of(first), groups="image")
    assert found.high - found.low < 0.5 * (alone.high - alone.low)
    assert float(found.p_value) < 0.001
    back = paired_difference(run_of(second), run_of(first), groups="image")
    assert float(back.estimate) == -float(found.estimate)
    assert float(back.low) == pytest.approx(-float(found.high))


def test_few_images_by_hand():
    # The second run is 1, 2 and 3 of 10 pixels better: 20 points, a sample deviation of 10.
    right = np.array([[2, 3], [4, 6], [5, 8]])
    first, second = (
        run_of(np.array([[[r, 10 - r], [0, 0]] for r in column]), classes=("a", "b")) for column in right.T
    )
    found = paired_difference(first, second, "aAcc", groups="image", num_resamples=20_000)
    assert float(found.estimate) == pytest.approx(20)
    assert float(found.standard_error) == pytest.approx(10 / np.sqrt(3), rel=0.02)
    assert float(found.p_value) == 2 / 8 == least_p_value(3)  # all exchanged or none, of eight ways
    assert np.isnan(smallest_difference(found))  # so no difference is ever shown


def difference_of(num_units, is_exchanged=True):
    units = Units(np.arange(num_units), tuple(map(str, range(num_units))), False)
    numbers = map(np.array, (1.0, 0.0, 2.0, 1.0, num_units - 1.0))
    return Difference(*numbers, units, np.array(0.5), is_exchanged)


def test_the_smallest_difference_by_hand():
    # Of six units all must be on one side; the mean of a sample deviation of six is 0.9515 of the true one.
    all_above = scipy.stats.norm.ppf(0.8 ** (1 / 6)) * np.sqrt(6) / 0.9515
    assert smallest_difference(difference_of(6)) == pytest.approx(all_above, rel=0.03)
    for found in (difference_of(30), difference_of(6, is_exchanged=False)):
        t = scipy.stats.t(found.degrees)
        assert smallest_difference(found) == pytest.approx(t.ppf(0.975) + t.ppf(0.8))
    assert smallest_difference(difference_of(29)) == pytest.approx(smallest_difference(difference_of(30)), rel=0.03)


def test_equal_runs_do_not_differ():
    run = run_of(random_matrices(20))
    for groups in ("image", "folder"):
        found = paired_difference(run, run, groups=groups)
        assert (found.estimate, found.low, found.high, found.p_value) == (0, 0, 0, 1)
    by_class = class_differences(run, run)
    assert by_class.p_value.tolist() == [1, 1, 1]


def test_the_order_of_the_images_does_not_matter():
    matrices, others = random_matrices(12), random_matrices(12, seed=1)
    names = [f"{i}.png" for i in range(12)]
    order = np.random.default_rng(0).permutation(12)
    found = paired_difference(run_of(matrices, names), run_of(others, names))
    shuffled = run_of(others[order], [names[i] for i in order])
    assert paired_difference(run_of(matrices, names), shuffled).low == found.low


def test_other_images_are_refused_by_name():
    matrices = random_matrices(4)
    first, second = run_of(matrices, ["a", "b", "c", "d"]), run_of(matrices, ["a", "b", "c", "e"])
    with pytest.raises(
        UserError, match=r"same images, got 4 and 4 images: only the first has d; only the second has e"
    ):
        paired_difference(first, second)
    many = run_of(random_matrices(9), list("abcdfghij"))
    with pytest.raises(
        UserError, match=r"only the second has e\. Evaluate|only the first has d, f, g, h, i and 1 more"
    ):
        paired_difference(many, run_of(matrices[:3], ["a", "b", "c"]))


def test_one_image_says_nothing():
    found = paired_difference(run_of(random_matrices(1)), run_of(random_matrices(1, seed=1)))
    assert float(found.p_value) == 1
    assert np.isnan([found.low, found.high, smallest_difference(found)]).all()


def test_a_class_without_a_pixel_has_no_difference():
    matrices = [random_matrices(10, seed) for seed in (0, 1)]
    for item in matrices:
        item[:, 2] = item[:, :, 2] = 0
    found = class_differences(*map(run_of, matrices))
    assert np.isnan([found.estimate[2], found.low[2]]).all()
    assert found.p_value[2] == 1


def test_seeds_make_a_difference_less_certain():
    first = [run_of(random_matrices(60, seed, share=share)) for seed, share in ((1, 0.6), (2, 0.65))]
    second = [run_of(random_matrices(60, seed, share=share)) for seed, share in ((3, 0.66), (4, 0.71))]
    together = paired_difference(first, second, groups="image")
    alone = paired_difference(first[0], second[0], groups="image")
    scores = [[float(score_interval(run).estimate) for run in side] for side in (first, second)]
    assert float(together.estimate) == pytest.approx(np.mean(scores[1]) - np.mean(scores[0]))
    assert together.p_value > alone.p_value
    welch = scipy.stats.ttest_ind(scores[1], scores[0], equal_var=False).pvalue
    assert float(together.p_value) == pytest.approx(welch, rel=0.8)
    same = paired_difference(first, first)
    assert float(same.p_value) == 1


def test_folds_are_paired():
    names = [f"{i}.png" for i in range(90)]
    hard = [0.5, 0.7, 0.9]  # the folds differ much, the runs little and always alike
    sides = []
    for gain in (0.0, 0.05):
        matrices = [random_matrices(30, fold, share=share + gain) for fold, share in enumerate(hard)]
        sides.append([run_of(m, names[k * 30 : k * 30 + 30]) for k, m in enumerate(matrices)])
    found = paired_difference(*sides, groups="image")
    assert found.units.words == "90 images"
    assert found.low > 0
    apart = [float(score_interval(side, groups="image").standard_error) for side in sides]
    assert found.standard_error < 0.5 * min(apart)
    with pytest.raises(UserError, match="same images"):
        paired_difference(sides[0], sides[1][:2])


def test_holm_is_the_definition():
    rng = np.random.default_rng(0)
    for _ in range(20):
        p_values = (rng.random(6) ** 3).tolist()
        corrected = holm(p_values)
        order = np.argsort(p_values)
        for level in (0.01, 0.05, 0.2):
            rejected = set()
            for rank, index in enumerate(order):
                if p_values[index] > level / (6 - rank):
                    break
                rejected.add(int(index))
            assert {i for i, p in enumerate(corrected) if p <= level} == rejected
    assert holm([]) == []


def test_a_comparison_in_all_detail():
    first, second = random_matrices(24), random_matrices(24, seed=1)
    found = compare_runs([run_of(first)], [run_of(second)], "mIoU")
    assert [item.name for item in found.totals] == ["mIoU", "mAcc", "aAcc"]
    assert found.totals[0].first == pytest.approx(mean_scores(first.sum(0))["mIoU"])
    assert [item.name for item in found.classes] == ["land", "water", "road"]
    assert [item.name for item in found.groups] == [f"scene_{i}" for i in range(6)]
    assert found.groups[2].second == pytest.approx(mean_scores(second[8:12].sum(0))["mIoU"])
    assert found.groups[2].num_images == 4
    gains = [item.difference for item in found.images]
    assert gains == sorted(gains, reverse=True)
    best = found.images[0]
    index = int(best.name.split("/")[1].removesuffix(".png"))
    assert best.first == pytest.approx(mean_scores(first[index])["mIoU"])
    assert found.units == "6 groups of images"
    few = compare_runs([run_of(first[:8])], [run_of(second[:8])])
    assert (few.units, [item.name for item in few.groups]) == ("8 images", ["scene_0", "scene_1"])
    assert "of 2 folders, too few to resample" in few.note
