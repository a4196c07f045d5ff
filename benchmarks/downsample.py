"""Making copies against bare decoding, resizing and encoding: python benchmarks/downsample.py.

Both sides read the same files and write into folders of the same disk, with the same decoder, the same image filter and
the same encoder settings, in one process with one thread. The bare side is a loop over ``cv2.imread``, ``cv2.resize``
(INTER_AREA for images, INTER_NEAREST for labels) and ``cv2.imwrite``; ours votes on labels, writes whole files or none,
checks sizes, and keeps a record. The two take turns. Images are generated in ADE20K's layout (683 × 512, JPEG of
quality 95, index PNGs), or those of ``--data``.

Then the same on two processes, and the memory that a run takes at most with four times as many images.
"""

import argparse
import multiprocessing
import os
import platform
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from comparison import more_is_better, publish

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext.downsampling.copies import Filters, Target
from mmseg_ext.downsampling.copying import make_copies
from mmseg_ext.downsampling.layouts import Layout, Pair, detect_layout, list_pairs
from mmseg_ext.downsampling.reduce import reduced_size

QUALITY = 95
JPEG = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]


def generate(root: Path, num_images: int) -> None:
    """Write images in ADE20K's layout: smooth regions of 20 classes with ragged borders, and texture."""
    rng = np.random.default_rng(0)
    for n in range(num_images):
        coarse = rng.integers(0, 20, (7, 9)).astype(np.float32)
        drift = cv2.resize(rng.normal(0, 14, (24, 32, 2)).astype(np.float32), (683, 512), interpolation=cv2.INTER_CUBIC)
        x, y = np.meshgrid(np.arange(683, dtype=np.float32), np.arange(512, dtype=np.float32))
        maps = (x + drift[..., 0]) * 9 / 683 - 0.5, (y + drift[..., 1]) * 7 / 512 - 0.5
        labels = cv2.remap(coarse, *maps, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)
        texture = cv2.GaussianBlur(rng.normal(0, 60, (512, 683, 3)).astype(np.float32), (0, 0), 1.2)
        colors = rng.integers(0, 256, (20, 3))
        image = np.clip(colors[labels] + texture, 0, 255).astype(np.uint8)
        for kind, suffix, pixels in (("images", "jpg", image), ("annotations", "png", labels)):
            path = root / kind / "training" / f"ADE_{n:08d}.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels, JPEG if suffix == "jpg" else [])


def bare(source: Path, target: Path, pairs: Sequence[Pair], factors: Sequence[int]) -> None:
    """Decode, resize, encode."""
    for pair in pairs:
        for name, flag, method, options in (
            (pair.image, cv2.IMREAD_COLOR, cv2.INTER_AREA, JPEG),
            (pair.mask, cv2.IMREAD_UNCHANGED, cv2.INTER_NEAREST, []),
        ):
            if name is None:
                continue
            pixels = cv2.imread(str(source / name), flag)
            height, width = pixels.shape[:2]
            for factor in factors:
                small = cv2.resize(
                    pixels, (reduced_size(width, factor), reduced_size(height, factor)), interpolation=method
                )
                path = target / str(factor) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), small, options if path.suffix == ".jpg" else [])


def timed(step: Callable[[], object], workers: int = 1) -> tuple[float, float]:
    """Return wall-clock and processor seconds, the latter with those of ended children."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    before = [resource.getrusage(kind) for kind in kinds]
    start = time.perf_counter()
    step()
    wall = time.perf_counter() - start
    after = [resource.getrusage(kind) for kind in kinds]
    used = sum(a.ru_utime + a.ru_stime - b.ru_utime - b.ru_stime for a, b in zip(after, before, strict=True))
    return wall, used


def _peak_of_copy(source: Path, target: Path, layout: Layout, factors: Sequence[int], pipe: object) -> None:
    make_copies(source, _targets(target, factors), layout, Filters(ignored=layout.ignored, quality=QUALITY))
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def peak_memory(source: Path, target: Path, layout: Layout, factors: Sequence[int]) -> int:
    """Return the bytes that one process, fresh, takes at most to make the copies."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_peak_of_copy, args=(source, target, layout, factors, theirs))
    process.start()
    peak = mine.recv()
    process.join()
    return peak


def _targets(root: Path, factors: Sequence[int]) -> list[Target]:
    return [Target(factor, root / f"ours_{factor}") for factor in factors]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--images", type=int, default=600, help="generated images; few of them hide two processes behind their start"
    )
    parser.add_argument("--data", type=Path, help="a dataset of your own instead")
    parser.add_argument("--factors", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args(argv)
    cv2.setNumThreads(1)
    print(
        f"{time.strftime('%Y-%m-%d')}, OpenCV {cv2.__version__}, numpy {version('numpy')}, Python "
        f"{platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = args.data or folder / "original"
        if args.data is None:
            generate(source, args.images)
        layout = detect_layout(source)
        pairs, _ = list_pairs(source, layout)
        print(f"{len(pairs)} images, {layout.name} tree\n")
        print("images/s, median of wall-clock (median of processor time)      bare        ours, majority   ratio")
        for factors in [*([factor] for factor in args.factors), args.factors]:
            _compare(source, folder, layout, pairs, factors, args.repeats)
        if args.data is None:
            _measure_memory(folder, args.images, args.factors)
    return 0


def _compare(
    source: Path, folder: Path, layout: Layout, pairs: Sequence[Pair], factors: Sequence[int], repeats: int
) -> None:
    filters = Filters(ignored=layout.ignored, quality=QUALITY)

    def ours(workers: int) -> Callable[[], object]:
        return lambda: make_copies(source, _targets(folder / "copies", factors), layout, filters, workers)

    sides = {
        "bare": lambda: bare(source, folder / "copies" / "bare", pairs, factors),
        "one process": ours(1),
        "two processes": ours(2),
    }
    seconds: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for turn in range(repeats + 1):
        for side, step in sides.items():
            shutil.rmtree(folder / "copies", ignore_errors=True)
            times = timed(step)
            if turn:  # the first warms the page cache
                seconds[side].append(times)
    middle = {
        side: [statistics.median(column) for column in zip(*times, strict=True)] for side, times in seconds.items()
    }
    rates = {side: [len(pairs) / time for time in times] for side, times in middle.items()}
    name = "1/" + ", 1/".join(map(str, factors))
    for side in ("one process", "two processes"):
        wall, used = (a / b for a, b in zip(rates[side], rates["bare"], strict=True))
        mark = 0.9 if side == "one process" else 1.8
        what = f"downsample, {name}, {side}"
        publish(more_is_better(what, rates[side][0], rates["bare"][0], "images/s", mark, against="bare loop"))
        print(
            f"{name:<16} {side:<14} {rates['bare'][0]:26.1f} ({rates['bare'][1]:.1f}) {rates[side][0]:10.1f} "
            f"({rates[side][1]:.1f}) {wall:8.2f} ({used:.2f})",
            flush=True,
        )


def _measure_memory(folder: Path, num_images: int, factors: Sequence[int]) -> None:
    peaks = []
    for times in (1, 4):
        root = folder / f"memory_{times}"
        generate(root / "original", num_images) if times == 1 else _repeat(
            folder / "memory_1" / "original", root, times
        )
        peaks.append(peak_memory(root / "original", root, detect_layout(root / "original"), factors))
    print(f"\nmemory at most, one process: {peaks[0] / 1e6:.1f} MB for {num_images} images, ", end="")
    print(f"{peaks[1] / 1e6:.1f} MB for {4 * num_images}")


def _repeat(original: Path, root: Path, times: int) -> None:
    """Make a tree of several times as many images by links."""
    for path in original.rglob("ADE_*"):
        for copy in range(times):
            link = root / "original" / path.relative_to(original).with_stem(f"{path.stem}_{copy}")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.hardlink_to(path)


if __name__ == "__main__":
    raise SystemExit(main())
