"""Do the intervals hold what they say, and what do they cost: python benchmarks/intervals.py [--data data/dubai].

Coverage: the share of the 95 % intervals that hold the true score, over 1,000 draws of images. False alarms: how often
two runs that are equal are called different. Power: how often runs that differ by the smallest difference which
``smallest_difference`` names are called different. All of it for images that are independent, and for groups of alike
images, resampled by group and, wrongly, by image.

Generated images have five classes of unequal shares, accuracies that vary from image to image and with the group, and
any number of images: the true score is that of 400,000 of them. The Dubai images are scored with two classifiers of
pixels, by colour and by colour and surroundings, each trained on four tiles at a quarter of the resolution. A draw
takes images out of the 54 with replacement, so that their own score is the true one; runs are made equal by exchanging
the two results of an image, or of a tile, at random.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]

from comparison import less_is_better, publish, within  # noqa: E402

from mmseg_ext.scores.class_scores import counts_of, score_function  # noqa: E402
from mmseg_ext.scores.image_groups import Units  # noqa: E402
from mmseg_ext.scores.image_matrices import ImageMatrices, cells_of, pack_image_matrices  # noqa: E402
from mmseg_ext.scores.intervals import Sample, estimate_interval, score_interval  # noqa: E402
from mmseg_ext.scores.paired_difference import difference_in_sample, smallest_difference  # noqa: E402

SHARES_C = np.array([0.30, 0.35, 0.08, 0.10, 0.17])
LOGITS_C = np.array([2.2, 2.5, 0.7, 1.8, 3.0])
MEAN_IOU = score_function("mIoU", "abcde")
NUM_RESAMPLES = 1000
TRUE_IMAGES = 400_000


def generate(
    rng: np.random.Generator, num_groups: int, group_size: int, spread: float, skills: Sequence[float] = (0.0,)
) -> np.ndarray:
    """Generate images and score them with runs of some skill, all on the same images.

    Args:
        rng: Random numbers.
        num_groups: Groups of images.
        group_size: Images of each.
        spread: How unlike the groups are; 0 for independent images.
        skills: Of each run, in logits.

    Returns:
        Counts (N, K, 3, C), the images of a group one after the other.
    """
    num, classes = num_groups * group_size, len(SHARES_C)

    def of_groups(values: np.ndarray) -> np.ndarray:
        return values.repeat(group_size, axis=0)

    shares = of_groups(rng.dirichlet(SHARES_C * 4, num_groups)) if spread else np.broadcast_to(SHARES_C, (num, classes))
    gamma = rng.standard_gamma(3 * shares + 1e-3)
    pixels = np.round(gamma / gamma.sum(1, keepdims=True) * rng.uniform(8000, 12000, (num, 1)))
    hard = rng.normal(size=(num, classes)) + spread * of_groups(rng.normal(size=(num_groups, classes)))
    counts = []
    for skill in skills:
        own = 0.4 * rng.normal(size=(num, classes)) + 0.4 * spread * of_groups(rng.normal(size=(num_groups, classes)))
        right = np.round(pixels / (1 + np.exp(-(LOGITS_C + skill + hard + own))))
        wrong = (pixels - right).sum(1, keepdims=True)
        counts.append(np.stack([right, pixels, right + np.round(wrong * SHARES_C)], axis=1))
    return np.stack(counts, axis=1)


def sample_of(counts_NK3C: np.ndarray, group_size: int = 1) -> Sample:
    """Add up the counts of groups of neighbours."""
    num = len(counts_NK3C) // group_size
    counts = counts_NK3C.reshape(num, group_size, *counts_NK3C.shape[1:]).sum(1)
    units = Units(np.arange(num), tuple(map(str, range(num))), group_size > 1)
    return Sample(counts, units, (0,) * counts.shape[1])


def coverage(draws: Iterator[Sample], truth: float, method: str) -> str:
    """Return the share of intervals that hold the truth, those below and above it, and their mean width."""
    low, high = np.array(
        [
            [interval.low, interval.high]
            for interval in (estimate_interval(s, MEAN_IOU, 0.95, NUM_RESAMPLES, 0, method) for s in draws)
        ]
    ).T
    holds = (low <= truth) & (truth <= high)
    return f"{100 * holds.mean():5.1f} % | {np.mean(high - low):5.2f}"


def alarms(draws: Iterator[Sample]) -> tuple[float, float]:
    """Return the share of pairs that are called different, in percent, and the mean smallest difference."""
    found = [difference_in_sample(s, 1, MEAN_IOU, 0.95, NUM_RESAMPLES) for s in draws]
    called = 100 * np.mean([item.p_value < 0.05 for item in found])
    return float(called), float(np.mean([smallest_difference(item) for item in found]))


def generated_draws(num_draws: int, seed: int, *settings: float, skills: Sequence[float] = (0.0,)) -> list[np.ndarray]:
    """Draw test sets of generated images."""
    rng = np.random.default_rng(seed)
    return [generate(rng, *settings, skills=skills) for _ in range(num_draws)]


def true_scores(spread: float, skills: Sequence[float]) -> np.ndarray:
    """Return the scores of very many images, (K,)."""
    rng, total = np.random.default_rng(99), 0.0
    for _ in range(20):
        total = total + generate(rng, TRUE_IMAGES // 20, 1, spread, skills).sum(0)
    return MEAN_IOU(total)


def report_coverage(num_draws: int) -> None:
    """Print how often intervals of generated images hold the true score."""
    print(
        f"\nCoverage of 95 % intervals of mIoU, {num_draws} draws (± {196 * (0.05 * 0.95 / num_draws) ** 0.5:.1f}):\n"
    )
    print("| images | resampled | auto | width | percentile, plain | width | BCa | width |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for num_groups, size, spread in (
        (18, 1, 0.0),
        (54, 1, 0.0),
        (200, 1, 0.0),
        (6, 9, 0.7),
        (12, 9, 0.7),
        (40, 9, 0.7),
    ):
        truth = float(true_scores(spread, [0.0])[0])
        draws = generated_draws(num_draws, 0, num_groups, size, spread)
        name = f"{num_groups * size}" if size == 1 else f"{num_groups * size}, {num_groups} groups"
        for by in (1, size) if size > 1 else (1,):
            cells = [
                coverage((sample_of(d, by) for d in draws), truth, "auto"),
                plain_coverage([sample_of(d, by) for d in draws], truth),
                coverage((sample_of(d, by) for d in draws), truth, "bca"),
            ]
            print(f"| {name} | {'images' if by == 1 else 'groups'} | {' | '.join(cells)} |", flush=True)


def plain_coverage(draws: Sequence[Sample], truth: float) -> str:
    """Return the coverage of the percentile interval as it is."""
    from mmseg_ext.scores.bootstrap import percentile_interval, resample

    ends = [percentile_interval(resample(s.counts_UK3C[:, 0], MEAN_IOU, NUM_RESAMPLES, 0), 0.95) for s in draws]
    holds = [low <= truth <= high for low, high in ends]
    return f"{100 * np.mean(holds):5.1f} % | {np.mean([high - low for low, high in ends]):5.2f}"


def report_tests(num_draws: int) -> None:
    """Print false alarms and power of the paired test on generated images."""
    print(f"\nThe paired test at 5 %, {num_draws} pairs of runs (± {196 * (0.05 * 0.95 / num_draws) ** 0.5:.1f}):\n")
    print("| images | resampled | false alarms | smallest difference | true difference | found |")
    print("|---|---|---:|---:|---:|---:|")
    for num_groups, size, spread in ((54, 1, 0.0), (200, 1, 0.0), (6, 9, 0.7), (12, 9, 0.7), (40, 9, 0.7)):
        name = f"{num_groups * size}" if size == 1 else f"{num_groups * size}, {num_groups} groups"
        equal = generated_draws(num_draws, 1, num_groups, size, spread, skills=(0.0, 0.0))
        for by in (1, size) if size > 1 else (1,):
            false, smallest = alarms(sample_of(d, by) for d in equal)
            skill, true = skill_of(smallest, spread)
            better = generated_draws(num_draws, 2, num_groups, size, spread, skills=(0.0, skill))
            found, _ = alarms(sample_of(d, by) for d in better)
            unit = "images" if by == 1 else "groups"
            print(f"| {name} | {unit} | {false:.1f} % | {smallest:.2f} | {true:.2f} | {found:.1f} % |", flush=True)


def skill_of(difference: float, spread: float) -> tuple[float, float]:
    """Return the skill that gains a difference of mIoU, and the difference that it truly gains."""
    per_skill = np.diff(true_scores(spread, [0.0, 0.1]))[0] / 0.1
    skill = difference / per_skill
    return skill, float(np.diff(true_scores(spread, [0.0, skill]))[0])


def score_dubai(folder: Path) -> tuple[np.ndarray, list[str]]:
    """Score the Dubai images with two classifiers of pixels; returns counts (54, 2, 3, C) and names."""
    import cv2
    from label_filters import IGNORED, LAYOUTS, MEANING, list_pairs
    from sklearn.ensemble import ExtraTreesClassifier

    pairs, _ = list_pairs(folder, LAYOUTS["dubai"])
    tiles = [Path(pair.mask).parts[0] for pair in pairs]
    features, labels = [], []
    for pair in pairs:
        image = cv2.imread(str(folder / pair.image))[::4, ::4].astype(np.float32)
        smooth = [cv2.GaussianBlur(image, None, sigma) for sigma in (2, 8)]
        rough = cv2.GaussianBlur(np.abs(image - smooth[0]), None, 4)
        features.append(np.concatenate([image, *smooth, rough], axis=2))
        labels.append(MEANING.read_mask(folder / pair.mask)[::4, ::4])
    rng, counts = np.random.default_rng(0), np.zeros((len(pairs), 2, 3, 5))
    for held_out in (("tile_1", "tile_2"), ("tile_3", "tile_4"), ("tile_5", "tile_6")):
        train = [i for i, tile in enumerate(tiles) if tile not in held_out]
        x = np.concatenate([features[i][labels[i] != IGNORED] for i in train])
        y = np.concatenate([labels[i][labels[i] != IGNORED] for i in train])
        chosen = rng.choice(len(y), 30_000, replace=False)
        for k, channels in enumerate((3, features[0].shape[2])):
            trees = ExtraTreesClassifier(20, max_depth=14, random_state=0).fit(x[chosen, :channels], y[chosen])
            for i in set(range(len(pairs))) - set(train):
                known = labels[i] != IGNORED
                found = trees.predict(features[i][known][:, :channels])
                matrix = np.bincount(5 * labels[i][known].astype(int) + found, minlength=25).reshape(5, 5)
                counts[i, k] = counts_of(matrix)
    return counts, tiles


def report_dubai(folder: Path, num_draws: int) -> None:
    """Print coverage and false alarms on the matrices of real images."""
    counts, tiles = score_dubai(folder)
    truth = MEAN_IOU(counts.sum(0))
    rng = np.random.default_rng(3)
    drawn = [rng.integers(0, len(counts), len(counts)) for _ in range(num_draws)]
    print(f"\nThe Dubai images, {len(counts)} of {len(set(tiles))} tiles; mIoU by colour {truth[0]:.1f}, ", end="")
    print(f"with the surroundings {truth[1]:.1f}:\n")
    found = difference_in_sample(sample_of(counts), 1, MEAN_IOU)
    ends = f"{float(found.estimate):+.1f} [{float(found.low):+.1f}, {float(found.high):+.1f}]"
    print(f"- the difference by images: {ends}, p {float(found.p_value):.3f}; ", end="")
    print(f"smallest difference {smallest_difference(found):.1f} points")
    order, sizes = sorted(range(len(tiles)), key=tiles.__getitem__), len(tiles) // len(set(tiles))
    by_tile = difference_in_sample(sample_of(counts[order], sizes), 1, MEAN_IOU)
    ends = f"{float(by_tile.estimate):+.1f} [{float(by_tile.low):+.1f}, {float(by_tile.high):+.1f}]"
    print(f"- by tiles: {ends}, p {float(by_tile.p_value):.3f}; ", end="")
    print(f"smallest difference {smallest_difference(by_tile):.1f} points")
    for method in ("auto", "bca"):
        print(f"- coverage, {num_draws} draws of 54 images, {method}: ", end="")
        print(coverage((sample_of(counts[index][:, 1:]) for index in drawn), float(truth[1]), method))
    for what, size in (("image", 1), ("tile", sizes)):
        exchanged = (exchange(counts[order], size, rng) for _ in range(num_draws))
        first, second = [], []
        for item in exchanged:
            first.append(difference_in_sample(sample_of(item), 1, MEAN_IOU, 0.95, NUM_RESAMPLES).p_value < 0.05)
            second.append(difference_in_sample(sample_of(item, sizes), 1, MEAN_IOU, 0.95, NUM_RESAMPLES).p_value < 0.05)
        print(
            f"- equal runs, exchanged by {what}: false alarms of the test by images {100 * np.mean(first):.1f} %, ",
            end="",
        )
        print(f"by tiles {100 * np.mean(second):.1f} %", flush=True)


def exchange(counts_NK3C: np.ndarray, group_size: int, rng: np.random.Generator) -> np.ndarray:
    """Exchange the results of both runs in random groups."""
    num = len(counts_NK3C) // group_size
    is_exchanged = rng.integers(0, 2, num).astype(bool).repeat(group_size)
    return np.where(is_exchanged[:, None, None, None], counts_NK3C[:, ::-1], counts_NK3C)


def large_matrices(num_images: int, num_classes: int) -> np.ndarray:
    """Generate matrices of many classes, of which an image shows eight and 30 more are found by mistake."""
    rng = np.random.default_rng(0)
    matrices = np.zeros((num_images, num_classes, num_classes), np.int64)
    for matrix in matrices:
        shown = rng.choice(num_classes, 8, replace=False)
        matrix[shown, shown] = rng.integers(1000, 30000, 8)
        np.add.at(matrix, (rng.choice(shown, 60), rng.choice(num_classes, 60)), rng.integers(1, 500, 60))
    return matrices


def clock(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the least of some times, in s."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def report_cost(num_images: int, num_classes: int) -> None:
    """Print what the intervals and the file cost, beside a plain loop and beside counting the matrices."""
    import torch

    from mmseg_ext.scores.confusion_matrix import count_confusion

    matrices = large_matrices(num_images, num_classes)
    classes, names = [f"class {i}" for i in range(num_classes)], [f"val/{i:06}.jpg" for i in range(num_images)]
    cells = list(map(cells_of, matrices))
    run = ImageMatrices.of(names, cells, classes)
    rng, few = np.random.default_rng(0), 3

    def loop() -> None:
        for _ in range(few):
            total = np.zeros((num_classes, num_classes), np.int64)
            for index in rng.integers(0, num_images, num_images):
                total += matrices[index]
            MEAN_IOU(counts_of(total))

    ours = clock(lambda: score_interval(run, num_resamples=1000))
    plain = clock(loop, 1) / few * 1000
    labels = torch.from_numpy(rng.integers(0, num_classes, (512, 683)))
    counted = clock(lambda: count_confusion(labels, labels, num_classes))
    kept = clock(lambda: list(map(cells_of, matrices))) / num_images
    content = pack_image_matrices(run)
    packed = clock(lambda: pack_image_matrices(run))
    memory = sum(item.nbytes for pair in cells for item in pair)
    print(f"\n{num_images} images, {num_classes} classes:\n")
    print(f"- an interval of mIoU, 1,000 resamples: {ours:.2f} s; adding up matrices in a loop: {plain:.0f} s")
    print(f"- kept while evaluating: {memory / 1e6:.1f} MB, {1e3 * kept:.3f} ms an image; ", end="")
    print(f"counting its matrix (512 × 683): {1e3 * counted:.2f} ms")
    print(
        f"- the file: {len(content) / 1e6:.2f} MB, written in {packed:.2f} s; "
        f"whole matrices: {matrices.nbytes / 1e6:.0f} MB"
    )
    publish(
        less_is_better("intervals: 1,000 resamples", ours, plain, "s", against="a loop"),
        within(
            "intervals: keeping an image's matrix", 1e3 * (counted + kept), 1e3 * counted, "ms", against="counting it"
        ),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--data", type=Path, default=Path("data/dubai"), help="the Dubai images")
    parser.add_argument("--images", type=int, default=2000, help="of the measurement of time")
    parser.add_argument("--classes", type=int, default=150)
    parser.add_argument("--only", nargs="+", choices=["coverage", "tests", "dubai", "cost"])
    args = parser.parse_args(argv)
    only = args.only or ["coverage", "tests", "dubai", "cost"]
    print(f"{time.strftime('%Y-%m-%d')}, numpy {np.__version__}, scipy {version('scipy')}")
    if "coverage" in only:
        report_coverage(args.draws)
    if "tests" in only:
        report_tests(args.draws)
    if "dubai" in only:
        if args.data.is_dir():
            report_dubai(args.data, args.draws)
        else:
            print(f"\nNo Dubai images in {args.data}: name their folder with --data.")
    if "cost" in only:
        report_cost(args.images, args.classes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
