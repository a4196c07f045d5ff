"""Where the next label is suggested, against slow loops and by hand."""

import numpy as np
import pytest

from mmseg_ext.annotation.spot_choice import SPREAD_AN_IMAGE, ImageSpots, choose_spot
from mmseg_ext.annotation.suggestions import (
    RELATIVE_SPACING,
    begins_with_spread,
    find_doubt,
    find_hesitation,
    suggest,
    value_classes,
)

NOTHING = np.zeros((0, 2))


def random_probabilities(size=(20, 30), num_classes=4, seed=0):
    logits = np.random.default_rng(seed).normal(size=(num_classes, *size)).cumsum(1).cumsum(2) / 4
    exp = np.exp(logits - logits.max(0))
    return exp / exp.sum(0)


def distances(positions_N2):
    return np.sqrt(((positions_N2[:, None] - positions_N2[None]) ** 2).sum(-1)) + 1e9 * np.eye(len(positions_N2))


def test_hesitation_is_one_minus_the_margin():
    probabilities = random_probabilities()
    ordered = np.sort(probabilities, axis=0)
    assert np.allclose(find_hesitation(probabilities), 1 - ordered[-1] + ordered[-2])


def test_the_first_suggestion_is_the_cell_of_most_doubt():
    probabilities = random_probabilities()
    doubt_hw = find_doubt(probabilities)
    found = suggest(probabilities, NOTHING, 3, (200, 300))
    row, column = np.unravel_index(doubt_hw.argmax(), doubt_hw.shape)
    assert found.positions_N2[0].tolist() == [row * 10 + 5, column * 10 + 5]
    assert found.values_N[0] == pytest.approx(doubt_hw.max())
    assert (np.diff(found.values_N) <= 0).all()


@pytest.mark.parametrize("number", [1, 5, 20])
def test_suggestions_keep_their_distance(number):
    taken = np.array([[100, 150], [20, 20], [180, 280]])
    found = suggest(random_probabilities(seed=number), taken, number, (200, 300)).positions_N2
    assert len(found) == number
    spacing = RELATIVE_SPACING * np.sqrt(200 * 300 / (number + 3))
    assert distances(np.concatenate([taken, found])).min() > spacing - 10  # centres of cells of 10 pixels
    assert (found >= 0).all()
    assert (found < [200, 300]).all()


def test_a_spread_covers_the_image_better_than_chance():
    size = (300, 500)
    spread = suggest(None, NOTHING, 30, size).positions_N2
    random = [np.random.default_rng(seed).integers(0, size, (30, 2)) for seed in range(20)]
    assert distances(spread).min() > max(distances(places).min() for places in random)
    assert len(np.unique(spread // [150, 125], axis=0)) == 8  # each of 2 × 4 parts has a point
    other = suggest(None, NOTHING, 30, size, seed=1).positions_N2
    assert not np.array_equal(spread, other)
    assert np.array_equal(spread, suggest(None, NOTHING, 30, size).positions_N2)


def test_a_spread_goes_on_from_what_is_there():
    taken = np.argwhere(np.ones((4, 4))) * 10 + 5  # the left part is full
    found = suggest(None, taken, 4, (40, 200)).positions_N2
    assert (found[:, 1] > 50).all()


@pytest.mark.parametrize("probabilities", [None, random_probabilities((1, 2))])
def test_more_suggestions_than_cells(probabilities):
    found = suggest(probabilities, NOTHING, 9, (1, 2))
    assert sorted(map(tuple, found.positions_N2)) == [(0, 0), (0, 1)]


def test_rare_classes_count_more():
    probabilities = np.full((2, 10, 20), 0.5)
    probabilities[:, :, :10] = [[[0.5]], [[0.5]]]
    third = np.full((1, 10, 20), 0.0)
    probabilities = np.concatenate([probabilities, third])
    probabilities[:, :, 10:] = np.array([0.5, 0.0, 0.5])[:, None, None]  # the right half may be the rare class
    counts_C = np.array([50, 50, 1])
    found = suggest(probabilities, NOTHING, 1, (100, 200), value_classes(counts_C))
    assert found.positions_N2[0][1] > 100
    assert value_classes(counts_C)[2] == 2


def test_a_model_is_asked_after_ten_points_of_two_classes():
    assert begins_with_spread(np.array([0, 0]))
    assert begins_with_spread(np.array([30, 0]))
    assert begins_with_spread(np.array([5, 4]))
    assert not begins_with_spread(np.array([5, 5]))


def choose(images, spots, taken=None, num_points=None):
    return choose_spot(images, spots, taken or {}, num_points or {}, lambda number: (100, 100))


def test_the_image_with_most_doubt_comes_next():
    spots = {
        0: ImageSpots(np.array([[1, 2], [3, 4]]), np.array([0.5, 0.4])),
        7: ImageSpots(np.array([[5, 6]]), np.array([0.9])),
    }
    assert choose([0, 7], spots) == (7, 5, 6)
    assert choose([0, 7], spots, num_points={7: 100}) == (0, 1, 2)
    assert choose([0, 7], spots, taken={7: [(5, 6)], 0: [(1, 2)]}) == (0, 3, 4)
    assert choose([], spots) is None


def test_an_image_that_the_model_has_not_looked_at_comes_too():
    # Who clicks fast leaves the model no time for other images than the one in view.
    spots = {0: ImageSpots(np.array([[1, 2]]), np.array([0.5]))}
    assert choose([0, 3, 7], spots, num_points={0: 5, 3: 5, 7: 5}) == (0, 1, 2)
    assert choose([0, 3, 7], spots, num_points={0: 20, 3: 5, 7: 5})[0] == 3
    assert choose([0, 3, 7], spots, num_points={0: 20, 3: 5, 7: 0})[0] == 7


def test_a_spread_goes_from_image_to_image():
    taken = {0: [(n, n) for n in range(SPREAD_AN_IMAGE)]}
    assert choose([0, 1, 2], {})[0] == 0
    assert choose([0, 1, 2], {}, taken)[0] == 1
    taken |= {1: taken[0], 2: taken[0]}
    assert choose([0, 1, 2], {}, taken)[0] == 0
