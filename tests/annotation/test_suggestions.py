"""Where the next label is suggested, against slow loops and by hand."""

import numpy as np
import pytest

from mmseg_ext.annotation.spot_suggestions import cell_doubt
from mmseg_ext.annotation.suggestions import (
    FEW_POINTS,
    PREFERENCE_IN_VIEW,
    REACH,
    CellPool,
    ImageCells,
    begins_with_spread,
    cell_grid,
    cell_positions,
    find_hesitation,
    spread_spot,
)

NOTHING = np.zeros((0, 2))
SIZE = (64, 64)
"""Of images with 16 × 16 cells of 4 × 4 pixels."""


def random_probabilities(size=(20, 30), num_classes=4, seed=0):
    logits = np.random.default_rng(seed).normal(size=(num_classes, *size)).cumsum(1).cumsum(2) / 4
    exp = np.exp(logits - logits.max(0))
    return exp / exp.sum(0)


def look_of(kinds_K, seed=0):
    """Cells of an image that look like one of some kinds each, nearly."""
    rng = np.random.default_rng(seed)
    kinds = np.random.default_rng(0).normal(size=(8, 40))
    network_KF = kinds[kinds_K] + 0.05 * rng.normal(size=(len(kinds_K), 40))
    return ImageCells(cell_positions(SIZE), network_KF, kinds[kinds_K, :9])


def kinds_in_rows(*numbers):
    """Kinds of the 256 cells of an image: so many rows of 16 cells of the first, of the second, …"""
    return np.repeat(np.arange(len(numbers)), np.array(numbers) * 16)


def test_hesitation_is_one_minus_the_margin():
    probabilities = random_probabilities()
    ordered = np.sort(probabilities, axis=0)
    assert np.allclose(find_hesitation(probabilities), 1 - ordered[-1] + ordered[-2])


def test_cells_cover_an_image():
    positions = cell_positions((100, 200)).reshape(8, 16, 2)
    assert cell_grid((100, 200)) == (8, 16)
    assert positions[0, 0].tolist() == [6, 6]
    assert positions[-1, -1].tolist() == [93, 193]
    assert cell_positions((2, 3)).tolist() == [[row, column] for row in range(2) for column in range(3)]
    probabilities = random_probabilities((16, 32))
    by_hand = find_hesitation(probabilities).reshape(8, 2, 16, 2).mean((1, 3))
    assert np.allclose(cell_doubt(probabilities, (100, 200)), by_hand.ravel())


def test_the_first_spots_show_each_look_once_the_most_common_first():
    kinds = kinds_in_rows(9, 4, 2, 1)
    pool = CellPool({5: look_of(kinds)})
    taken = []
    for _ in range(4):
        number, *place = pool.choose({}, {5: taken}, [5], 5)
        assert number == 5
        taken.append(tuple(place))
    found = [kinds[(cell_positions(SIZE) == place).all(1).argmax()] for place in taken]
    assert found == [0, 1, 2, 3]


def test_the_choice_against_a_slow_loop():
    rng = np.random.default_rng(1)
    images = {number: look_of(rng.integers(0, 8, 256), number) for number in (2, 7)}
    doubt = {number: rng.random(256) for number in images}
    taken = {2: [(33, 50), (10, 10)], 7: [(60, 60)]}
    found = CellPool(images).choose(doubt, taken, [2, 7], 7)

    parts = []
    for name, kept in (("network_KF", 32), ("descriptors_KD", 9)):
        values = np.concatenate([getattr(cells, name) for cells in images.values()])
        values = (values - values.mean(0)) / values.std(0)
        values = values @ np.linalg.svd(values, full_matrices=False)[2][:kept].T
        parts.append(values / np.sqrt((values**2).sum(1).mean()))
    vectors = np.concatenate(parts, 1)
    squared = ((vectors[:, None] - vectors) ** 2).sum(-1)
    likeness = np.exp(-squared / (REACH * np.median(squared)))
    used = [
        (place[0] // 4) * 16 + place[1] // 4 + offset
        for number, offset in ((2, 0), (7, 256))
        for place in taken[number]
    ]
    weights = np.concatenate([doubt[2], doubt[7]]) ** 2
    worth = [1 / np.sqrt(1 + 2 / FEW_POINTS), PREFERENCE_IN_VIEW / np.sqrt(1 + 1 / FEW_POINTS)]
    gains = np.array(
        [
            sum(weights * np.maximum(0, likeness[cell] - likeness[used].max(0))) * worth[cell >= 256]
            for cell in range(512)
        ]
    )
    gains[used] = -1
    number, row, column = found
    chosen = (row // 4) * 16 + column // 4 + (256 if number == 7 else 0)
    assert gains[chosen] == pytest.approx(gains.max(), rel=1e-3)  # components are fitted to a part of the cells


def test_doubt_draws_the_choice():
    kinds = kinds_in_rows(8, 8)
    pool = CellPool({0: look_of(kinds), 1: look_of(kinds, seed=1)})
    doubt = {0: np.full(256, 0.1), 1: np.where(kinds == 1, 0.9, 0.1)}
    _, row, column = pool.choose(doubt, {}, [0, 1], 0)
    assert kinds[(cell_positions(SIZE) == (row, column)).all(1).argmax()] == 1
    assert pool.choose(doubt, {}, [0], 0)[0] == 0
    assert pool.choose(doubt, {}, [], 0) is None
    # An image that the model has not looked at is as doubtful as the others.
    assert pool.choose({1: np.zeros(256)}, {}, [0, 1], 1) is not None


def test_what_is_taken_is_not_chosen_again():
    pool = CellPool({3: look_of(kinds_in_rows(16))})
    taken = []
    for _ in range(256):
        taken.append(pool.choose({}, {3: taken}, [3], 3)[1:])
    assert len(set(taken)) == 256
    assert pool.choose({}, {3: taken}, [3], 3) is None
    assert CellPool({}).choose({}, {}, [3], 3) is None


def test_images_without_a_network_or_without_colours():
    cells = look_of(kinds_in_rows(10, 6))
    for name in ("network_KF", "descriptors_KD"):
        pool = CellPool({0: cells._replace(**{name: np.zeros((256, 0), np.float32)})})
        first = pool.choose({}, {}, [0], 0)
        second = pool.choose({}, {0: [first[1:]]}, [0], 0)
        assert (first[1] < 40) != (second[1] < 40)


def test_a_spread_covers_the_image():
    size, taken = (300, 500), []
    for _ in range(30):
        taken.append(spread_spot(size, np.array(taken)))
    assert len(np.unique(np.array(taken) // [150, 125], axis=0)) == 8  # each of 2 × 4 parts has a point
    assert spread_spot(size, NOTHING) != spread_spot(size, NOTHING, seed=1)
    left = np.argwhere(np.ones((4, 4))) * 10 + 5  # the left part is full
    assert spread_spot((40, 200), left)[1] > 50


def test_a_model_is_asked_after_ten_points_of_two_classes():
    assert begins_with_spread(np.array([0, 0]))
    assert begins_with_spread(np.array([30, 0]))
    assert begins_with_spread(np.array([5, 4]))
    assert not begins_with_spread(np.array([5, 5]))
