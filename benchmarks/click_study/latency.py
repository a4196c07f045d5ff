"""How long a click takes to change the picture, and how much memory the page's model needs, at many images."""

import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from mmseg_ext.annotation.point_database import PointDatabase
    from mmseg_ext.annotation.prediction_loop import PredictionLoop

SIZE = (768, 1024)
LABELLED_IMAGES = 50
POINTS_AN_IMAGE = 5
NUM_CLICKS = 7
PAGE = "benchmark"
PATIENCE = 1800.0
"""Seconds to wait for anything."""


class Latency(NamedTuple):
    """What was measured at one number of images.

    Attributes:
        points: Points before the first click.
        seconds: From a click to its picture, the median.
        slowest: The slowest click.
        processor_seconds: Of all threads, for one click, the median.
        peak_mb: Peak memory of the process.
    """

    points: int
    seconds: float
    slowest: float
    processor_seconds: float
    peak_mb: float


def measure_latency(counts: Sequence[int]) -> str:
    """Measure each number of images in a process of its own; returns a Markdown table."""
    lines = [
        f"Images of {SIZE[1]} × {SIZE[0]}, {os.environ.get('OMP_NUM_THREADS', 'all')} threads, {os.cpu_count()} cores",
        "",
        "| images | points | s from click to picture | slowest | processor s | peak memory, MB |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for count in counts:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found = pool.submit(measure, count).result()
        lines.append(
            f"| {count} | {found.points} | {found.seconds:.2f} | {found.slowest:.2f} | {found.processor_seconds:.2f} "
            f"| {found.peak_mb:.0f} |"
        )
    return "\n".join(lines) + "\n"


def measure(count: int) -> Latency:
    """Click in the first of `count` images, of which the first ones have points already."""
    from mmseg_ext import stack

    stack.prepare()
    from mmseg_ext.annotation.image_folder import ImageFolder
    from mmseg_ext.annotation.live_model import LiveModel
    from mmseg_ext.annotation.point_database import PointDatabase
    from mmseg_ext.annotation.prediction_loop import PredictionLoop

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "images"
        root.mkdir()
        blocks = rng.integers(0, 256, (SIZE[0] // 64, SIZE[1] // 64, 3), dtype=np.uint8)
        Image.fromarray(blocks.repeat(64, 0).repeat(64, 1)).save(root / "00000.jpg")
        for number in range(1, count):
            os.link(root / "00000.jpg", root / f"{number:05}.jpg")
        images = ImageFolder(root)
        database = PointDatabase(Path(folder) / "points.sqlite", ["a", "b"])
        names = images.names[:LABELLED_IMAGES]
        points = [
            (name, int(rng.integers(SIZE[1])), int(rng.integers(SIZE[0])), label % 2)
            for name in names
            for label in range(POINTS_AN_IMAGE)
        ]
        database.add_many(points, "benchmark")
        colors = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)
        loop = PredictionLoop(images, database, colors, lambda: LiveModel(2, cache_dir=Path(folder) / "features"))
        loop.start()
        loop.view(0, PAGE)
        try:
            _wait(lambda: set(range(len(names))) <= loop.ready and _is_shown(loop, 0))
            spent = [_click(loop, database, names[0], rng) for _ in range(NUM_CLICKS)]
        finally:
            loop.stop()
            database.close()
    seconds, processor = zip(*spent, strict=True)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Latency(len(points), median(seconds), max(seconds), median(processor), peak_mb)


def _click(
    loop: "PredictionLoop", database: "PointDatabase", name: str, rng: np.random.Generator
) -> tuple[float, float]:
    """Click once; returns seconds on the clock and of the processor."""
    before = loop.version
    start, processor = time.perf_counter(), time.process_time()
    database.add(name, int(rng.integers(SIZE[1])), int(rng.integers(SIZE[0])), int(rng.integers(2)))
    loop.notice_click()
    _wait(lambda: _is_shown(loop, before))
    return time.perf_counter() - start, time.process_time() - processor


def _is_shown(loop: "PredictionLoop", before: int) -> bool:
    """Whether the picture in view is that of a fit after `before`, and no newer fit is there."""
    said = loop.progress(PAGE)
    if said["model"] == "failed":
        raise RuntimeError(said["error"])
    return said["version"] > before and said["picture"] == said["version"]


def _wait(is_reached: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_reached():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing after {PATIENCE:.0f} s")
        time.sleep(0.005)
