"""The filters against a reference written out cell by cell with fractions."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from mmseg_ext.downsampling import reduce as module
from mmseg_ext.downsampling.reduce import cut_axis, reduce_image, reduce_labels, reduced_size

SIZES = [(8, 12), (7, 9), (13, 3), (3, 13), (1, 5), (17, 23)]


def cells_of(size, factor):
    """The pixels of each cell: those whose middle lies in [i · size / n, (i + 1) · size / n)."""
    count = reduced_size(size, factor)
    length = Fraction(size, count)
    return [[p for p in range(size) if i * length <= p + Fraction(1, 2) < (i + 1) * length] for i in range(count)]


def vote_by_hand(labels, factor, ignored=()):
    rows, columns = (cells_of(size, factor) for size in labels.shape[:2])
    reduced = np.zeros((len(rows), len(columns), *labels.shape[2:]), labels.dtype)
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            cell = [tuple(np.atleast_1d(labels[p, q]).tolist()) for p in row for q in column]
            votes = Counter(label for label in cell if label not in ignored)
            # max takes the first of several, and a Counter keeps the order in which labels were met.
            winner = max(votes, key=votes.get) if votes else cell[0]
            reduced[y, x] = winner if labels.ndim == 3 else winner[0]
    return reduced


@pytest.mark.parametrize(
    ("size", "factor", "expected"),
    [
        (8, 2, 4),
        (7, 2, 4),
        (683, 2, 342),
        (683, 4, 171),
        (685, 4, 171),
        (686, 4, 172),
        (1, 8, 1),
        (3, 8, 1),
        (12, 8, 2),
    ],
)
def test_sizes_are_the_nearest_whole_number_halves_up_at_least_one(size, factor, expected):
    assert reduced_size(size, factor) == expected
    assert sum(map(len, cells_of(size, factor))) == size


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
@pytest.mark.parametrize("size", [1, 2, 5, 6, 8, 13, 64, 683])
def test_every_pixel_lies_in_one_cell(size, factor):
    axis = cut_axis(size, factor)
    by_hand = cells_of(size, factor)
    assert axis.first.tolist() == [cell[0] for cell in by_hand]
    assert axis.length.tolist() == [len(cell) for cell in by_hand]
    assert set(axis.lengths) == {len(cell) for cell in by_hand}
    assert axis.middle.tolist() == [int((2 * i + 1) * Fraction(size, len(by_hand)) / 2) for i in range(len(by_hand))]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("ignored", [(), (0,), (0, 2)])
@pytest.mark.parametrize("factor", [2, 3, 4, 8, 16])
@pytest.mark.parametrize("size", SIZES)
def test_majority_equals_counting_by_hand(size, factor, ignored, dtype):
    labels = np.random.default_rng(sum(size)).integers(0, 4, size).astype(dtype)
    found = reduce_labels(labels, factor, ignored)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, vote_by_hand(labels, factor, [(i,) for i in ignored]))


@pytest.mark.parametrize("factor", [2, 3, 8])
@pytest.mark.parametrize("size", SIZES)
def test_colours_are_voted_on_as_labels(size, factor):
    colors = np.array([[0x9B, 0x9B, 0x9B], [0x9B, 0x9B, 0], [0, 0x9B, 0x9B], [1, 2, 3]], np.uint8)
    labels = colors[np.random.default_rng(sum(size)).integers(0, 4, size)]
    found = reduce_labels(labels, factor, [(0x9B, 0x9B, 0x9B), (0, 0, 0)])
    np.testing.assert_array_equal(found, vote_by_hand(labels, factor, [(0x9B, 0x9B, 0x9B)]))


def test_large_smooth_regions_as_in_real_masks():
    labels = np.kron(np.random.default_rng(0).integers(0, 6, (7, 9)), np.ones((11, 13), int)).astype(np.uint8)
    for factor in (2, 4, 8):
        np.testing.assert_array_equal(reduce_labels(labels, factor, (0,)), vote_by_hand(labels, factor, [(0,)]))


def test_a_tie_goes_to_the_label_met_first_in_reading_order():
    assert reduce_labels(np.array([[7, 2], [2, 7]], np.uint8), 2).tolist() == [[7]]
    assert reduce_labels(np.array([[0, 7], [2, 2]], np.uint8), 2).tolist() == [[2]]
    assert reduce_labels(np.array([[0, 9], [3, 3]], np.uint8), 2, (3,)).tolist() == [[0]]


def test_ignored_pixels_do_not_vote_and_a_cell_of_them_alone_stays_ignored():
    labels = np.array([[0, 0, 0, 0], [0, 5, 0, 0]], np.uint8)
    assert reduce_labels(labels, 2, (0,)).tolist() == [[5, 0]]
    assert reduce_labels(labels, 2).tolist() == [[0, 0]]


def test_a_line_of_two_pixels_across_two_cells_stays_one_pixel_wide():
    labels = np.zeros((8, 8), np.uint8)
    labels[:, 3:5] = 1
    assert reduce_labels(labels, 2).tolist() == [[0, 0, 1, 0]] * 4


def test_nearest_takes_the_middle_pixel():
    labels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert reduce_labels(labels, 4, how="nearest").tolist() == [[18, 22], [50, 54]]
    assert (
        reduce_labels(labels[:7, :7], 2, (0,), "nearest").tolist()
        == labels[:7, :7][np.ix_([0, 2, 4, 6], [0, 2, 4, 6])].tolist()
    )


def test_work_in_pieces_changes_nothing(monkeypatch):
    labels = np.random.default_rng(1).integers(0, 3, (40, 50)).astype(np.uint8)
    whole = reduce_labels(labels, 4, (0,))
    monkeypatch.setattr(module, "_COMPARED_AT_ONCE", 40)
    np.testing.assert_array_equal(reduce_labels(labels, 4, (0,)), whole)


@pytest.mark.parametrize("factor", [2, 3, 8])
@pytest.mark.parametrize("size", [(8, 12), (7, 9), (23, 17)])
def test_an_image_is_the_mean_of_its_cells(size, factor):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    shares = []
    for length in size:
        count = reduced_size(length, factor)
        edges = [Fraction(i * length, count) for i in range(count + 1)]
        overlap = [
            [max(0, min(p + 1, edges[i + 1]) - max(p, edges[i])) / (edges[i + 1] - edges[i]) for p in range(length)]
            for i in range(count)
        ]
        shares.append(np.array(overlap, float))
    expected = np.einsum("hH,wW,HWC->hwC", *shares, image)
    found = reduce_image(image, factor)
    assert found.dtype == np.uint8
    assert np.abs(found - expected).max() <= 0.51


def test_image_and_labels_agree_in_size_whatever_the_size():
    for height in range(1, 20):
        image, labels = np.zeros((height, 31, 3), np.uint8), np.zeros((height, 31), np.uint8)
        for factor in (2, 3, 4, 8):
            for how in ("majority", "nearest"):
                assert reduce_image(image, factor).shape[:2] == reduce_labels(labels, factor, how=how).shape
