"""Points against a second implementation in plain Python integers, and against chance."""

from fractions import Fraction
from itertools import pairwise

import mmcv
import numpy as np
import pytest
from scipy.stats import chi2

from mmseg_ext.points.resizing import resize_points
from mmseg_ext.points.sampling import keep_points, pixel_ranks, seed_of_sample

MODES = [("image", "uniform"), ("image", "class_balanced"), ("class", "uniform")]
MASK = 2**64 - 1


def reference_rank(position, sample_seed):
    """SplitMix64's output function, in Python's unbounded integers."""
    z = (position * 0x9E3779B97F4A7C15 + sample_seed) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def reference_positions(labels, num_points, sample_seed, per, strategy):
    """The kept positions, chosen one by one."""
    flat = labels.flatten().tolist()
    ranked = sorted((p for p in range(len(flat)) if flat[p] != 255), key=lambda p: reference_rank(p, sample_seed))
    if (per, strategy) == ("image", "uniform"):
        return set(ranked[:num_points])
    queues = {c: [p for p in ranked if flat[p] == c] for c in set(flat) - {255}}
    if per == "class":
        return {p for queue in queues.values() for p in queue[:num_points]}
    kept = []
    while any(queues.values()):
        turn = [queue.pop(0) for queue in queues.values() if queue]
        kept += sorted(turn, key=lambda p: reference_rank(p, sample_seed))
    return set(kept[:num_points])


def positions(points):
    return set(np.flatnonzero(points != 255).tolist())


def random_labels(shape, num_classes=4, ignored=0.2, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, num_classes, shape).astype(np.uint8)
    labels[rng.random(shape) < ignored] = 255
    return labels


def labels_with_counts(counts, num_ignored=5):
    values = [c for c, n in counts.items() for _ in range(n)] + [255] * num_ignored
    return np.random.default_rng(1).permutation(np.array(values, dtype=np.uint8)).reshape(1, -1)


def test_the_set_of_a_known_image_never_changes():
    """These numbers are a promise to everyone who named labels by (seed, budget): they may never change."""
    name = "Train/Urban/images_png/0.png"
    assert seed_of_sample(0, name) == 3387788787507946184
    labels = (np.arange(48, dtype=np.uint8) % 5).reshape(6, 8)
    labels[0] = 255
    seed_0, seed_1 = seed_of_sample(0, name), seed_of_sample(1, name)
    assert positions(keep_points(labels, 5, seed_0)) == {11, 20, 22, 34, 45}
    assert positions(keep_points(labels, 5, seed_1)) == {8, 33, 35, 41, 44}
    assert positions(keep_points(labels, 7, seed_0, strategy="class_balanced")) == {11, 20, 22, 24, 28, 34, 45}
    assert positions(keep_points(labels, 1, seed_0, per="class")) == {11, 22, 28, 34, 45}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("num_points", [1, 2, 3, 7, 20, 60, 400, 1000])
def test_equals_the_reference(mode, num_points):
    for case, shape in enumerate([(9, 11), (1, 40), (16, 3), (1, 1), (60, 70)]):
        labels = random_labels(shape, seed=case)
        sample_seed = seed_of_sample(case, f"{case}.png")
        points = keep_points(labels, num_points, sample_seed, *mode)
        expected = np.full(shape, 255, dtype=np.uint8)
        for p in reference_positions(labels, num_points, sample_seed, *mode):
            expected.flat[p] = labels.flat[p]
        np.testing.assert_array_equal(points, expected)


@pytest.mark.parametrize("mode", MODES)
def test_smaller_budgets_are_subsets(mode):
    labels = random_labels((40, 50), num_classes=6, ignored=0.3)
    labels[labels == 5] = 255
    labels[3, 4:7] = 5  # a class of three pixels
    for seed in range(5):
        budgets = [1, 2, 3, 4, 5, 8, 13, 20, 21, 100, 400, 1999, 5000]
        sets = [positions(keep_points(labels, n, seed_of_sample(seed, "a.png"), *mode)) for n in budgets]
        for smaller, larger in pairwise(sets):
            assert smaller <= larger
        assert len(sets[0]) < len(sets[-1])
        assert sets[-1] == positions(labels)


@pytest.mark.parametrize("mode", MODES)
def test_keeps_labels_and_never_an_ignored_pixel(mode):
    labels = random_labels((30, 30), ignored=0.9)
    before = labels.copy()
    for seed in range(50):
        points = keep_points(labels, 10, seed_of_sample(seed, "a.png"), *mode)
        kept = points != 255
        assert kept.sum() >= 10
        np.testing.assert_array_equal(points[kept], labels[kept])
    np.testing.assert_array_equal(labels, before)


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        # classes 0, 3 and 7 with 1, 2 and 10 pixels: all have a first turn, 3 and 7 a second, 7 alone the others
        (3, {0: 1, 3: 1, 7: 1}),
        (5, {0: 1, 3: 2, 7: 2}),
        (6, {0: 1, 3: 2, 7: 3}),
        (9, {0: 1, 3: 2, 7: 6}),
        (13, {0: 1, 3: 2, 7: 10}),
        (50, {0: 1, 3: 2, 7: 10}),
    ],
)
def test_class_balanced_counts(budget, expected):
    labels = labels_with_counts({0: 1, 3: 2, 7: 10})
    for seed in range(10):
        points = keep_points(labels, budget, seed_of_sample(seed, "a.png"), strategy="class_balanced")
        values, counts = np.unique(points[points != 255], return_counts=True)
        assert dict(zip(values.tolist(), counts.tolist(), strict=True)) == expected


def test_class_balanced_draws_the_classes_of_an_unfinished_turn():
    """With a budget below the number of classes, each class gets the point in some images."""
    labels = labels_with_counts({0: 5, 1: 5, 2: 200})
    winners = [
        keep_points(labels, 1, seed_of_sample(s, "a.png"), strategy="class_balanced").min().item() for s in range(600)
    ]
    counts = np.bincount(winners, minlength=3)
    assert counts.sum() == 600
    assert counts.min() > 0


@pytest.mark.parametrize(("budget", "expected"), [(1, [1, 1, 1]), (2, [1, 2, 2]), (4, [1, 2, 4]), (99, [1, 2, 10])])
def test_per_class_counts(budget, expected):
    labels = labels_with_counts({0: 1, 3: 2, 7: 10})
    points = keep_points(labels, budget, seed_of_sample(0, "a.png"), per="class")
    assert [int((points == c).sum()) for c in (0, 3, 7)] == expected


@pytest.mark.parametrize("mode", MODES)
def test_fewer_labelled_than_asked_keeps_all_and_none_stays_none(mode):
    labels = random_labels((4, 5), ignored=0.7)
    np.testing.assert_array_equal(keep_points(labels, 1000, 7, *mode), labels)
    nothing = np.full((4, 5), 255, dtype=np.uint8)
    np.testing.assert_array_equal(keep_points(nothing, 3, 7, *mode), nothing)


@pytest.mark.parametrize("mode", MODES)
def test_the_memory_order_of_the_labels_does_not_matter(mode):
    labels = random_labels((12, 17))
    expected = keep_points(labels, 9, 3, *mode)
    assert (expected != 255).sum() >= 9
    padded = np.zeros((24, 20), dtype=np.uint8)
    padded[::2, 2:19] = labels
    for same in (np.asfortranarray(labels), labels.T.copy().T, padded[::2, 2:19], labels[::-1][::-1]):
        np.testing.assert_array_equal(keep_points(same, 9, 3, *mode), expected)


@pytest.mark.parametrize(("dtype", "ignore_index"), [(np.int64, 255), (np.int64, -1), (np.int16, -100), (np.uint8, 0)])
def test_other_dtypes_and_ignore_indices(dtype, ignore_index):
    labels = random_labels((12, 17)) + np.uint8(1)  # 1..4, and 255 + 1 = 0 where ignored
    expected = keep_points(labels, 9, 3, ignore_index=0)
    assert expected.dtype == np.uint8
    moved = np.where(labels == 0, ignore_index, labels.astype(dtype))
    points = keep_points(moved, 9, 3, ignore_index=ignore_index)
    assert points.dtype == dtype
    np.testing.assert_array_equal(points, np.where(expected == 0, ignore_index, expected.astype(dtype)))


def test_names_and_seeds_give_different_sets():
    labels = np.zeros((64, 64), dtype=np.uint8)
    seeds = [seed_of_sample(s, f"{n}.png") for s in range(3) for n in range(20)]
    seeds += [seed_of_sample(1, "1.png"), seed_of_sample(11, ".png"), seed_of_sample(0, "tile_1/0.png")]
    assert len(set(seeds)) == len(seeds) - 1  # (1, '1.png') is there twice
    sets = {frozenset(positions(keep_points(labels, 20, s))) for s in seeds}
    assert len(sets) == len(set(seeds))


def uniformity(counts, num_pixels, num_points):
    """The p-value of counts in cells of equal size, of points drawn from an image's pixels without replacement."""
    expected = counts.sum() / len(counts)
    statistic = ((counts - expected) ** 2 / expected).sum() * (num_pixels - 1) / (num_pixels - num_points)
    return chi2.sf(statistic, len(counts) - 1)


@pytest.mark.parametrize("vary", ["name", "seed"])
def test_points_are_uniform_among_the_labelled(vary):
    labels = np.zeros((10, 12), dtype=np.uint8)
    labels[2:5, 3:7] = 255
    counts = np.zeros(labels.size)
    for i in range(3000):
        sample_seed = seed_of_sample(0, f"{i}.png") if vary == "name" else seed_of_sample(i, "a.png")
        counts[list(positions(keep_points(labels, 8, sample_seed)))] += 1
    valid = labels.ravel() == 0
    assert valid.sum() == 108
    assert counts[~valid].sum() == 0
    assert counts.sum() == 3000 * 8
    assert 1e-3 < uniformity(counts[valid], 108, 8) < 1 - 1e-3


def test_points_of_one_large_image_are_uniform():
    """20,000 points of one image, in 64 tiles: no trace of rows or columns."""
    labels = np.zeros((1024, 1024), dtype=np.uint8)
    y, x = np.nonzero(keep_points(labels, 20000, seed_of_sample(0, "a.png")) == 0)
    assert len(y) == 20000
    for cells in (y // 128 * 8 + x // 128, y % 8 * 8 + x % 8):
        assert 1e-3 < uniformity(np.bincount(cells, minlength=64), 2**20, 20000) < 1 - 1e-3


def test_ranks_equal_the_reference_and_are_a_bijection():
    """The function is inverted step by step: every rank leads back to its position, so no two positions tie."""
    chosen = np.array([0, 1, 2, 63, 64, 10**6, 2**31, 2**40 + 7])

    def unshift(z, bits):
        original = z
        for _ in range(64 // bits):
            original = z ^ (original >> bits)
        return original

    for sample_seed in (0, 1, 2**63, MASK, seed_of_sample(0, "a.png")):
        ranks = pixel_ranks(chosen, sample_seed)
        assert ranks.dtype == np.uint64
        for position, rank in zip(chosen.tolist(), ranks.tolist(), strict=True):
            assert rank == reference_rank(position, sample_seed)
            z = unshift(rank, 31) * pow(0x94D049BB133111EB, -1, 2**64) & MASK
            z = unshift(z, 27) * pow(0xBF58476D1CE4E5B9, -1, 2**64) & MASK
            assert (unshift(z, 30) - sample_seed) * pow(0x9E3779B97F4A7C15, -1, 2**64) & MASK == position
        assert len(np.unique(pixel_ranks(np.arange(200000), sample_seed))) == 200000


SHAPES = [
    (round(97 * s), round(131 * t)) for s, t in [(0.3, 0.3), (0.5, 0.5), (0.75, 1.3), (1, 1), (1.37, 0.9), (3, 3)]
]


@pytest.mark.parametrize("shape", SHAPES)
def test_resized_points_stay_single_pixels_at_their_place(shape):
    labels = keep_points(random_labels((97, 131), num_classes=7, ignored=0), 200, 5)
    resized, num_merged = resize_points(labels, shape)
    assert resized.shape == shape
    assert resized.dtype == np.uint8
    expected, merged = {}, 0
    for y, x in zip(*(index.tolist() for index in np.nonzero(labels != 255)), strict=True):
        center_y, center_x = Fraction(2 * y + 1, 2 * 97) * shape[0], Fraction(2 * x + 1, 2 * 131) * shape[1]
        place = int(center_y), int(center_x)  # the pixel that the scaled centre lies in
        assert abs(place[0] + Fraction(1, 2) - center_y) <= Fraction(1, 2)
        assert abs(place[1] + Fraction(1, 2) - center_x) <= Fraction(1, 2)
        merged += place in expected
        expected.setdefault(place, labels[y, x].item())  # the first in reading order stays
    found = {(y, x): resized[y, x].item() for y, x in np.argwhere(resized != 255).tolist()}
    assert found == expected
    assert num_merged == merged == 200 - len(found)


def test_merges_are_counted_and_the_first_stays():
    labels = np.full((4, 4), 255, dtype=np.uint8)
    labels[0, 1], labels[1, 0], labels[1, 1], labels[3, 3] = 6, 5, 4, 3
    resized, num_merged = resize_points(labels, (2, 2))
    assert resized.tolist() == [[6, 255], [255, 3]]
    assert num_merged == 2


def test_resizing_to_the_same_size_changes_nothing_and_enlarging_merges_nothing():
    labels = random_labels((13, 7), ignored=0.5)
    same, num_merged = resize_points(labels, (13, 7))
    np.testing.assert_array_equal(same, labels)
    assert num_merged == 0
    larger, num_merged = resize_points(labels, (14, 23))
    assert num_merged == 0
    assert np.sort(larger[larger != 255]).tolist() == np.sort(labels[labels != 255]).tolist()


def test_resizing_nothing_gives_nothing():
    resized, num_merged = resize_points(np.full((5, 6), 255, dtype=np.uint8), (3, 9))
    assert resized.tolist() == [[255] * 9] * 3
    assert num_merged == 0


@pytest.mark.parametrize("scale", [0.5, 0.75, 1.5, 2.0])
def test_stock_resizing_loses_or_copies_points_and_ours_does_not(scale):
    """Nearest-neighbour resizing keeps each point with probability scale², or copies it scale² times."""
    labels = keep_points(random_labels((512, 512), num_classes=7, ignored=0), 200, seed_of_sample(0, "a.png"))
    size = int(512 * scale)
    stock = mmcv.imresize(labels, (size, size), interpolation="nearest")
    num_stock = int((stock != 255).sum())
    assert abs(num_stock - 200 * scale**2) <= 20
    ours, num_merged = resize_points(labels, (size, size))
    assert int((ours != 255).sum()) == 200 - num_merged
    assert num_merged <= 1
