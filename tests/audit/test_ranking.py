from typing import get_args

import numpy as np
import pytest

from mmseg_ext.audit.candidates import Candidate, Kind
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


def candidate(kind="missing object", side=40, label=0, margin=0.6, **about):
    return Candidate(kind, label, 2, (0, side), (0, side), np.ones((side, side), bool), margin, **about)


def scores_of(ranking, *candidates):
    return [ranking.score(c, PIXELS).score for c in candidates]


def test_usual_margins_are_those_of_the_points(ranking):
    margins = np.sort(2 * (0.49 - (ranking._probabilities_PC[ranking._labels_P == 1, 1])))
    for margin in (-0.5, 0.0, 0.5):
        assert ranking.usual(1, 2, margin) == pytest.approx(((margins >= margin).sum() + 1) / 502, abs=1e-9)


@pytest.mark.parametrize("kind", ["point", "missing object", "wrong class"])
def test_a_margin_counts_more_where_it_is_unusual(ranking, kind):
    sure, unsure = scores_of(ranking, *(candidate(kind, label=label) for label in (0, 1)))
    assert sure > 3 * unsure


def test_the_size_of_a_point_does_not_count(ranking):
    assert scores_of(ranking, candidate("point", 1, margin=0.9))[0] > 0.5


@pytest.mark.parametrize("kind", [kind for kind in get_args(Kind) if kind not in ("point", "border")])
def test_scores_grow_with_margin_and_size_and_lie_between_0_and_1(ranking, kind):
    pairs = ((0.3, 40), (0.9, 40), (0.9, 200))
    scores = scores_of(ranking, *(candidate(kind, side, margin=margin, loss=3.0) for margin, side in pairs))
    assert 0 < scores[0] < scores[1] < scores[2] < 1


def test_a_border_counts_more_where_a_shift_explains_it(ranking):
    plain, shifted = scores_of(ranking, *(candidate("border", width=3.0, shift=shift) for shift in (0.0, 0.8)))
    assert 0 < 2 * plain < shifted < 1


def test_an_extra_object_counts_more_the_less_its_label_is_believed(ranking):
    scores = scores_of(ranking, *(candidate("extra object", loss=loss) for loss in (0.0, 3.0, 11.5)))
    assert scores == sorted(scores)
    assert scores[0] < 0.1 < 0.9 < scores[2]


def test_what_the_model_says_of_a_label_everywhere_in_an_image_says_little_of_an_extra_object(ranking):
    alone, everywhere = scores_of(ranking, *(candidate("extra object", loss=4.0, elsewhere=e) for e in (0.0, 0.5)))
    assert alone > 2 * everywhere


def test_candidates_without_any_doubt_have_a_score(ranking):
    assert 0 < scores_of(ranking, candidate(margin=0.0))[0] < 1e-3
