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


def candidate(kind="missing object", side=40, label=0, **about):
    return Candidate(kind, label, 2, (0, side), (0, side), np.ones((side, side), bool), **about)


def scores_of(ranking, *candidates):
    return [ranking.score(c, PIXELS).score for c in candidates]


def test_usual_margins_are_those_of_the_points(ranking):
    margins = np.sort(2 * (0.49 - (ranking._probabilities_PC[ranking._labels_P == 1, 1])))
    for margin in (-0.5, 0.0, 0.5):
        assert ranking.usual(1, 2, margin) == pytest.approx(((margins >= margin).sum() + 1) / 502, abs=1e-9)


def test_the_margin_of_a_point_counts_more_where_it_is_unusual(ranking):
    sure, unsure = scores_of(ranking, *(candidate("point", 1, label, margin=0.6) for label in (0, 1)))
    assert sure > 3 * unsure


def test_the_size_of_a_point_does_not_count(ranking):
    assert scores_of(ranking, candidate("point", 1, margin=0.9))[0] > 0.5


@pytest.mark.parametrize("kind", [kind for kind in get_args(Kind) if kind != "point"])
def test_scores_grow_with_the_loss_and_lie_between_0_and_1(ranking, kind):
    scores = scores_of(ranking, *(candidate(kind, loss=loss, width=2.0) for loss in (0.0, 3.0, 11.5)))
    assert 0 < scores[0] < scores[1] < scores[2] < 1


@pytest.mark.parametrize("kind", ["missing object", "wrong class", "border"])
def test_scores_grow_with_the_size(ranking, kind):
    small, large = scores_of(ranking, *(candidate(kind, side, loss=3.0, width=2.0) for side in (20, 200)))
    assert small < large


@pytest.mark.parametrize("kind", ["extra object", "wrong class"])
def test_what_the_model_says_of_the_label_everywhere_in_the_image_says_little(ranking, kind):
    alone, everywhere = scores_of(ranking, *(candidate(kind, loss=4.0, elsewhere=e) for e in (0.0, 0.5)))
    assert alone > 3 * everywhere


def test_a_missing_object_counts_more_where_it_is_much_of_a_label(ranking):
    little, much = scores_of(ranking, *(candidate(loss=3.0, share=share) for share in (0.01, 0.4)))
    assert little < much


def test_a_border_counts_more_where_a_shift_explains_it(ranking):
    plain, shifted = scores_of(ranking, *(candidate("border", width=3.0, shift=shift) for shift in (0.0, 0.8)))
    assert 2 * plain < shifted


def test_an_image_whose_labels_are_all_wrong_comes_before_an_area_of_it(ranking):
    whole = candidate("other image's mask", 316, loss=3.0)
    assert scores_of(ranking, whole)[0] > scores_of(ranking, candidate("wrong class", loss=3.0))[0]
