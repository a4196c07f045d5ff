import numpy as np
import pytest

from mmseg_ext.audit.candidates import Candidate
from mmseg_ext.audit.held_out_points import HeldOutPoints
from mmseg_ext.audit.ranking import Ranking

PIXELS = 100_000


@pytest.fixture
def ranking():
    """Class 0 is predicted well, class 1 is often taken for class 2."""
    rng = np.random.default_rng(0)
    sure_PC = np.tile([0.96, 0.02, 0.02], (500, 1))
    unsure_PC = np.stack([np.full(500, 0.02), *((x := rng.uniform(0, 0.98, 500)), 0.98 - x)], 1)
    return Ranking(HeldOutPoints(np.concatenate([sure_PC, unsure_PC]), np.repeat([0, 1], 500), 1.0, 0.0))


def candidate(label, predicted, margin, side=40, kind="missing object", shift=0.0):
    return Candidate(kind, label, predicted, (0, side), (0, side), np.ones((side, side), bool), margin, shift)


def test_usual_margins_are_those_of_the_points(ranking):
    margins = np.sort(2 * (0.49 - (ranking._probabilities_PC[ranking._labels_P == 1, 1])))
    for margin in (-0.5, 0.0, 0.5):
        assert ranking.usual(1, 2, margin) == pytest.approx(((margins >= margin).sum() + 1) / 502, abs=1e-9)


def test_a_margin_counts_more_where_it_is_unusual(ranking):
    assert ranking.score(candidate(0, 2, 0.6), PIXELS).score > 3 * ranking.score(candidate(1, 2, 0.6), PIXELS).score


def test_scores_grow_with_margin_and_size_and_stay_below_one(ranking):
    scores = [ranking.score(candidate(0, 2, m, side), PIXELS).score for m, side in ((0.3, 40), (0.9, 40), (0.9, 200))]
    assert 0 < scores[0] < scores[1] < scores[2] < 1


def test_a_border_counts_more_where_a_shift_explains_it(ranking):
    plain, shifted = (ranking.score(candidate(0, 2, 3.0, 40, "border", s), PIXELS).score for s in (0.0, 0.8))
    assert 0 < 2 * plain < shifted < 1


def test_the_size_of_a_point_does_not_count(ranking):
    assert ranking.score(candidate(0, 2, 0.9, 1, "point"), PIXELS).score > 0.5
