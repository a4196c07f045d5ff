import pytest
import torch
from comparisons import assert_same_classes, near_ties


def scores_with_a_tie(channels):
    """Scores (channels, 20, 20) whose pixel (0, 0) is undecided within rounding."""
    scores = torch.rand(channels, 20, 20, generator=torch.Generator().manual_seed(0))
    scores[0, 0, 0] = scores[-1, 0, 0] = 1.5
    scores[-1, 0, 0] += 1e-7
    return scores


def test_a_near_tie_may_go_either_way_and_nothing_else_may():
    scores = scores_with_a_tie(4)
    found = scores.argmax(0)
    assert near_ties(scores).nonzero().tolist() == [[0, 0]]
    for either in (0, 3):
        found[0, 0] = either
        assert_same_classes(found, scores)
    found[5, 5] = (found[5, 5] + 1) % 4
    with pytest.raises(AssertionError, match="1 of 400 pixels"):
        assert_same_classes(found, scores)


def test_a_probability_at_the_threshold_may_go_either_way_and_no_other_may():
    scores = scores_with_a_tie(1)
    scores[0, 0, 0] = 0.4 + 1e-7
    found = (scores[0] > 0.4).float()
    for either in (0.0, 1.0):
        found[0, 0] = either
        assert_same_classes(found, scores, 0.4)
    found[5, 5] = 1 - found[5, 5]
    with pytest.raises(AssertionError, match="1 of 400 pixels"):
        assert_same_classes(found, scores, 0.4)


def test_many_near_ties_are_no_comparison():
    with pytest.raises(AssertionError, match="too many"):
        near_ties(torch.zeros(3, 20, 20))
