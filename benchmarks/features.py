"""Features of a frozen network: extraction, cache, refit and memory. python benchmarks/features.py.

- Extraction against the network's bare forward pass; what sampling and keeping points, and colour and texture for the
  trees, add to it.
- A cached image, read through a new cache that compares all checksums, against extraction.
- A second fit of the light head after one more point, against the aim of 0.3 s at 20,000 points: the features are drawn
  (correlated, as those of a network are), so that no data are needed.
- The peak memory of the process after many images against that after a tenth of them; only the features at the
  labelled points are kept.

Both sides in one process, in turns; the least processor time of each counts.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack

stack.prepare()

import torch  # noqa: E402
from comparison import add_torch_arguments, format_rows, more_is_better, publish, start_torch, within  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

from mmseg_ext.features.feature_cache import FeatureCache  # noqa: E402
from mmseg_ext.features.light_head import LightHead  # noqa: E402
from mmseg_ext.features.point_features import PointFeatures  # noqa: E402

REGRESSION = {"type": "mmseg_ext.LogisticRegression", "C": 0.003}
TREES = {"type": "mmseg_ext.ExtraTrees"}
NUM_CLASSES, NUM_POINTS = 5, 20


def build(*classifiers: dict) -> Any:
    """Build a segmentor on an EfficientNet-Lite0 of random weights."""
    torch.manual_seed(0)
    config = {
        "type": "mmseg_ext.FeatureSegmentor",
        "data_preprocessor": {"type": "SegDataPreProcessor", "mean": [127.0] * 3, "std": [128.0] * 3},
        "backbone": {"type": "mmseg_ext.EfficientNetLite", "checkpoint": None},
        "decode_head": {"type": "mmseg_ext.LightHead", "num_classes": NUM_CLASSES, "classifiers": list(classifiers)},
        "test_cfg": {"mode": "whole"},
    }
    with DefaultScope.overwrite_default_scope("mmseg"):
        return MODELS.build(config).eval()


def take_turns(repeats: int, *sides: Callable[[], object]) -> list[float]:
    """Time each side; returns the least processor time of each in seconds."""
    best = [float("inf")] * len(sides)
    for _ in range(repeats):
        for index, side in enumerate(sides):
            start = time.process_time()
            side()
            best[index] = min(best[index], time.process_time() - start)
    return best


def compare_extraction(size: int, repeats: int) -> list[Any]:
    """Compare extraction with the forward pass, and a cached image with extraction."""
    plain, with_trees, cached = build(REGRESSION), build(REGRESSION, TREES), build(REGRESSION)
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    positions = torch.randint(0, size, (NUM_POINTS * NUM_CLASSES, 2), generator=torch.Generator().manual_seed(0))

    def forward() -> None:
        with torch.no_grad():
            plain.backbone(image)

    def read() -> None:
        cached.feature_cache = FeatureCache(folder)
        cached.extract_feat(image)

    def points() -> None:
        with tempfile.TemporaryDirectory() as other:
            cached.feature_cache = FeatureCache(other)
            cached.features_at(image, positions)

    with tempfile.TemporaryDirectory() as folder:
        read()  # writes it
        bare, maps, kept, described, reading = take_turns(
            repeats,
            forward,
            lambda: plain.extract_feat(image),
            points,
            lambda: with_trees.extract_feat(image),
            read,
        )
    where = f"{size}×{size}"
    return [
        within(f"features, {where}", 1000 * maps, 1000 * bare, "ms", 1.05, "forward"),
        within(
            f"features at {len(positions)} points, kept on disk, {where}",
            1000 * kept,
            1000 * bare,
            "ms",
            1.05,
            "forward",
        ),
        within(f"features, colour and texture, {where}", 1000 * described, 1000 * bare, "ms", against="forward"),
        more_is_better(f"cached maps read, {where}", 1 / reading, 1 / maps, "images/s", 10, "extraction"),
    ]


def draw_points(num_points: int, num_features: int = 512) -> PointFeatures:
    """Draw points of classes that overlap, whose features are correlated."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    labels = torch.arange(num_points) % NUM_CLASSES
    mixing = draw(num_features, num_features) / torch.arange(1, num_features + 1).sqrt()[:, None]
    network = (draw(num_points, num_features) + 0.3 * draw(NUM_CLASSES, num_features)[labels]) @ mixing
    descriptors = 20 * draw(num_points, 9) + 15 * draw(NUM_CLASSES, 9)[labels]
    images = torch.arange(num_points) * 36 // num_points
    return PointFeatures(network, descriptors, labels, torch.ones(num_points), images)


def time_refits(num_points: int, repeats: int) -> list[Any]:
    """Fit a head to all points but one, and then to all."""
    points = draw_points(num_points + 1)
    rows = []
    with DefaultScope.overwrite_default_scope("mmseg"):
        heads = [
            ("logistic regression", LightHead(NUM_CLASSES, [REGRESSION], calibrate=False), 1.0),
            ("with trees", LightHead(NUM_CLASSES, [REGRESSION, TREES], calibrate=False), None),
            ("with trees and calibration", LightHead(NUM_CLASSES, [REGRESSION, TREES]), None),
        ]
    for name, head, mark in heads:
        seconds = []
        for _ in range(repeats):
            head.fit(points.select(torch.arange(num_points)))
            start = time.process_time()
            head.fit(points)
            seconds.append(time.process_time() - start)
        rows.append(within(f"refit at {num_points:,} points, {name}", min(seconds), 0.3, "s", mark, "aim"))
    return rows


def measure_memory(num_images: int, size: int) -> Any:
    """Look at images one after another, and compare the peak of the process after a tenth and after all."""
    segmentor, images, peaks = build(REGRESSION, TREES), [], []
    segmentor.estimate_areas = False
    generator = torch.Generator().manual_seed(0)
    for index in range(num_images):
        labels = torch.full((size, size), 255)
        labels.view(-1)[: NUM_CLASSES * 2] = torch.arange(NUM_CLASSES * 2) % NUM_CLASSES
        sample = SegDataSample(gt_sem_seg=PixelData(data=labels[None]), metainfo={"img_path": f"{index}.png"})
        pixels = torch.randint(0, 256, (3, size, size), dtype=torch.uint8, generator=generator)
        images += segmentor.look_at({"inputs": [pixels], "data_samples": [sample]})
        if index + 1 in (num_images // 10, num_images):
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    segmentor.fit(images)
    what = f"peak memory after {num_images:,} images of {size}×{size}"
    return within(what, peaks[1], peaks[0], "MiB", 1.1, f"{num_images // 10:,} images")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, help="height and width of the image that is extracted")
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--images", type=int, default=2000, help="for the memory")
    parser.add_argument("--repeats", type=int, default=5)
    add_torch_arguments(parser)
    args = parser.parse_args(argv)
    print(start_torch(args, "timm"))
    rows = []
    for measure in (
        lambda: [measure_memory(args.images, 96)],  # first: the peak of a process never sinks
        lambda: compare_extraction(args.size, args.repeats),
        lambda: time_refits(args.points, args.repeats),
    ):
        found = measure()
        print(format_rows(found), flush=True)
        rows += found
    publish(*rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
