"""Training from 2448² images and from copies at a quarter: python benchmarks/source_size.py.

Generated images and colour masks in DeepGlobe's layout, the pipeline and the U-Net of
``configs/unet/unet_resnet34_1xb8-20k_deepglobeds4-512x512.py`` (crops of 512², images brought to 612 before), from the
originals and from the copies that ``tools/downsample.py`` makes, by turns. Per side: images a second that one core
loads, that a DataLoader with two workers gives, and that training takes with two workers beside it, on a GPU if there
is one. On a processor the network is what a training waits for, whatever the source.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from mmseg_ext import stack  # noqa: E402

stack.prepare()

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from comparison import describe_machine, more_is_better, publish  # noqa: E402
from mmengine.dataset import InfiniteSampler, pseudo_collate  # noqa: E402
from mmengine.optim import build_optim_wrapper  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmseg.registry import DATASETS, MODELS  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from mmseg_ext.datasets.synthetic_aerial import generate_synthetic_aerial  # noqa: E402
from mmseg_ext.downsampling.copies import Filters, Target  # noqa: E402
from mmseg_ext.downsampling.copying import make_copies  # noqa: E402
from mmseg_ext.downsampling.layouts import detect_layout  # noqa: E402
from mmseg_ext.engine.launch import load_config, replace_sync_batchnorm  # noqa: E402

LEAF = ROOT / "configs" / "unet" / "unet_resnet34_1xb8-20k_deepglobeds4-512x512.py"
SIDE = 2448
FACTOR = 4
NUM_PREFETCHED = 4  # two batches of each worker


def generate(root: Path, num_images: int, palette: Sequence[Sequence[int]]) -> None:
    """Draw images in DeepGlobe's layout: JPEG of quality 95, PNG masks of the palette's colours and black."""
    colors = np.zeros((256, 3), np.uint8)
    colors[1 : 1 + len(palette)] = palette
    drawn = generate_synthetic_aerial(root / "drawn", -(-num_images // 2), num_val=0, num_test=0, size=SIDE)
    (root / "original" / "train").mkdir(parents=True)
    for number, path in enumerate(sorted(drawn.glob("Train/*/images_png/*.png"))[:num_images]):
        stem = str(root / "original" / "train" / str(number))
        cv2.imwrite(f"{stem}_sat.jpg", cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, 95])
        labels_HW = cv2.imread(str(path.parents[1] / "masks_png" / path.name), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(f"{stem}_mask.png", colors[labels_HW][..., ::-1])


def rate_of(step: Callable[[], object], num_images: int) -> float:
    """Return images a second of one call."""
    start = time.perf_counter()
    step()
    return num_images / (time.perf_counter() - start)


def load_all(dataset: Any) -> None:
    """Run the pipeline on every image, in this process."""
    for index in range(len(dataset)):
        dataset[index]


def drain(batches: Iterable, count: int, use: Callable[[Any], object] = lambda batch: None) -> None:
    """Take so many batches."""
    for batch in itertools.islice(batches, count):
        use(batch)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6, help="training steps of a turn")
    parser.add_argument("--batches", type=int, default=30, help="batches that the workers load in a turn")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args(argv)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = load_config(str(LEAF))
    config.model.backbone.encoder_weights = None
    config.model.decode_head.loss_decode.pop("class_weight", None)
    replace_sync_batchnorm(config)
    rates: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as name, DefaultScope.overwrite_default_scope("mmseg"):
        source, copy = Path(name) / "original", Path(name) / "copy"
        dataset = config.train_dataloader.dataset
        generate(Path(name), arguments.images, DATASETS.get("mmseg_ext.DeepGlobeLandCoverDataset").METAINFO["palette"])
        layout = detect_layout(source)
        make_copies(source, [Target(FACTOR, copy)], layout, Filters(ignored=layout.ignored), workers=2)
        model = MODELS.build(config.model).to(device).train()
        optimizer = build_optim_wrapper(model, {**config.optim_wrapper, "type": "OptimWrapper"})
        sides = {
            side: DATASETS.build({**dataset, "data_root": str(root), "split": "all", "factor": factor})
            for side, root, factor in (("original", source, 1), ("copy", copy, FACTOR))
        }
        loaders = {
            side: DataLoader(
                built,
                batch_size=arguments.batch_size,
                sampler=InfiniteSampler(built, shuffle=True, seed=0),
                num_workers=2,
                collate_fn=pseudo_collate,
                persistent_workers=True,
            )
            for side, built in sides.items()
        }
        batches = {side: iter(loader) for side, loader in loaders.items()}
        for turn in range(arguments.repeats + 1):
            for side, built in sides.items():
                found = {
                    "one core loads": rate_of(lambda b=built: load_all(b), len(built)),
                    f"training, {device}": rate_of(
                        lambda s=side: drain(batches[s], arguments.steps, lambda b: model.train_step(b, optimizer)),
                        arguments.steps * arguments.batch_size,
                    ),
                }
                drain(batches[side], NUM_PREFETCHED)  # what was made during the training
                found["two workers load"] = rate_of(
                    lambda s=side: drain(batches[s], arguments.batches), arguments.batches * arguments.batch_size
                )
                for what, rate in found.items():
                    if turn:  # the first warms caches
                        rates.setdefault((what, side), []).append(rate)
    print(f"{describe_machine()}\n")
    print(f"| images/s | {SIDE}² | {-(-SIDE // FACTOR)}² | ratio |\n|---|---:|---:|---:|")
    for what in dict.fromkeys(what for what, _ in rates):
        original, small = (statistics.median(rates[what, side]) for side in ("original", "copy"))
        print(f"| {what} | {original:.2f} | {small:.2f} | {small / original:.2f} |")
        publish(more_is_better(f"2448² at a quarter: {what}", small, original, "images/s", against="2448²"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
