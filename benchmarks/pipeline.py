"""The training pipeline of the base configs: our drop-ins and the stock transforms, step by step and as a whole.

Usage: ``python benchmarks/pipeline.py [--images 8] [--rounds 25] [--sizes ade20k loveda dubai] [--quick]``

Each side runs in a process of its own, on one core, so that neither uses the other's memory; they take turns, each
with the same images and the same random numbers. Times are processor time. For each image and draw the least of
three turns counts; then the mean is taken. The floor is decoding the same two files, by the decoders that stock uses,
and nothing else. The last rows are images a second through a DataLoader with two workers, by the clock.

ade20k: JPEG and PNG of 683 × 512; loveda: PNG and PNG of 1024²; both drawn by the package's generator. dubai: the real
images beside the project, left out where they are missing; their masks are written as class indices first.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from mmseg_ext import stack  # noqa: E402

stack.prepare()

import cv2  # noqa: E402
import mmcv  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from comparison import Row, describe_machine, format_rows, less_is_better, more_is_better, publish, within  # noqa: E402
from mmengine.dataset import pseudo_collate  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmseg.registry import TRANSFORMS  # noqa: E402
from PIL import Image  # noqa: E402

from mmseg_ext.datasets import DubaiAerialDataset  # noqa: E402
from mmseg_ext.datasets.synthetic_aerial import generate_synthetic_aerial  # noqa: E402
from mmseg_ext.masks.color_masks import ColorMeaning  # noqa: E402
from mmseg_ext.masks.decoded_cache import KEY, DecodedCache  # noqa: E402
from mmseg_ext.masks.index_masks import decode_mask  # noqa: E402
from mmseg_ext.transforms.load_image_from_file import decode_bgr  # noqa: E402

DUBAI = ROOT.parent / "shared" / "data" / "dubai"
TURNS = 3
STEPS = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations"},
    {"type": "RandomResize", "scale": (2048, 512), "ratio_range": (0.5, 2.0), "keep_ratio": True},
    {"type": "RandomCrop", "crop_size": (512, 512), "cat_max_ratio": 0.75},
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "PhotoMetricDistortion"},
    {"type": "PackSegInputs"},
]
NUM_DECODING = 2  # the first steps
# Image and mask, by the decoders of stock's defaults and by ours.
DECODERS = (
    lambda content, path: mmcv.imfrombytes(content, flag="color", backend="cv2"),
    lambda content, path: mmcv.imfrombytes(content, flag="unchanged", backend="pillow"),
    decode_bgr,
    decode_mask,
)
Pair = tuple[str, str]


def make_files(size: str, count: int, folder: Path) -> list[Pair]:
    """Write image and mask files of a size; returns their paths."""
    folder.mkdir()
    pairs = []
    if size == "dubai":
        palette = [tuple(color) for color in DubaiAerialDataset.METAINFO["palette"]]
        meaning = ColorMeaning(palette, range(len(palette)), ignores_unknown=True)
        for image in sorted(DUBAI.glob("tile_*/images/*.jpg"))[:: max(54 // count, 1)][:count]:
            mask = folder / f"{image.parents[1].name}_{image.stem}.png"
            source = image.parents[1] / "masks" / f"{image.stem}.png"
            labels = meaning.read_mask(source)
            Image.fromarray(np.where(labels == 255, 0, labels + 1).astype(np.uint8)).save(mask)
            pairs.append((str(image), str(mask)))
        return pairs
    drawn = generate_synthetic_aerial(folder.parent / "drawn", (count + 1) // 2, num_val=0, num_test=0, size=1024)
    box, suffix = ((0, 0, 683, 512), ".jpg") if size == "ade20k" else ((0, 0, 1024, 1024), ".png")
    for path in sorted(drawn.glob("Train/*/images_png/*.png"))[:count]:
        image, mask = folder / f"{path.stem}{suffix}", folder / f"{path.stem}_mask.png"
        with Image.open(path) as picture, Image.open(path.parents[1] / "masks_png" / path.name) as labels:
            picture.convert("RGB").crop(box).save(image, **({"quality": 90} if suffix == ".jpg" else {}))
            labels.crop(box).save(mask)
        pairs.append((str(image), str(mask)))
    return pairs


def build_steps(ours: bool) -> list[Any]:
    """Build the pipeline of one side."""
    with DefaultScope.overwrite_default_scope("mmseg"):
        return [TRANSFORMS.build({**step, "type": f"{'mmseg_ext.' if ours else ''}{step['type']}"}) for step in STEPS]


def new_sample(pair: Pair, cache: DecodedCache | None = None) -> dict:
    """Make a dataset's entry, as the transforms get it."""
    info = {"img_path": pair[0], "seg_map_path": pair[1], "label_map": None, "reduce_zero_label": True}
    return {**info, "seg_fields": [], KEY: cache} if cache else {**info, "seg_fields": []}


def make_runner(side: str, cache: DecodedCache) -> Callable[[Pair, int], list[float]]:
    """Prepare a side in its process; what it returns gives the seconds of each step for an image and a draw."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    if side == "floor":

        def decode_all(pair: Pair, seed: int) -> list[float]:
            times = []
            for path, decode in zip((*pair, *pair), DECODERS, strict=True):
                start = time.process_time()
                with open(path, "rb") as file:
                    decode(file.read(), path)
                times.append(time.process_time() - start)
            return times

        return decode_all

    steps = build_steps(ours=side != "stock")

    def run(pair: Pair, seed: int) -> list[float]:
        random.seed(seed)
        np.random.seed(seed)
        results, times = new_sample(pair, cache if side == "cached" else None), []
        for step in steps:
            start = time.process_time()
            results = step(results)
            times.append(time.process_time() - start)
        return times

    return run


def _serve(connection: Any, side: str, cache: DecodedCache) -> None:
    run = make_runner(side, cache)
    for pairs, seed in iter(connection.recv, None):
        connection.send([run(pair, seed + index) for index, pair in enumerate(pairs)])


@contextmanager
def process_of(side: str, cache: DecodedCache) -> Iterator[Callable[[Sequence[Pair], int], list[list[float]]]]:
    """Run a side in a process of its own; gives what asks it for one turn."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, side, cache), daemon=True)
    process.start()

    def ask(pairs: Sequence[Pair], seed: int) -> list[list[float]]:
        here.send((pairs, seed))
        return here.recv()

    yield ask
    here.send(None)
    process.join()


def measure(pairs: Sequence[Pair], rounds: int, cache: DecodedCache) -> dict[str, np.ndarray]:
    """Measure all sides by turns.

    Returns:
        For each side the mean milliseconds of each step.
    """
    names = ("stock", "ours", "cached", "floor")
    with (
        process_of("stock", cache) as stock,
        process_of("ours", cache) as ours,
        process_of("cached", cache) as cached,
        process_of("floor", cache) as floor,
    ):
        sides = dict(zip(names, (stock, ours, cached, floor), strict=True))
        for ask in sides.values():  # warms up, and fills the cache
            ask(pairs, 0)
        times: dict[str, list] = {name: [] for name in names}
        for turn in range(rounds):
            repeats: dict[str, list] = {name: [] for name in names}
            for _ in range(TURNS):
                for name, ask in sides.items():
                    repeats[name].append(ask(pairs, turn * len(pairs)))
            for name in names:
                times[name] += np.min(repeats[name], axis=0).tolist()
    return {name: np.mean(values, axis=0) * 1e3 for name, values in times.items()}


class Files(torch.utils.data.Dataset):
    """Image and mask files through a pipeline, over and over."""

    def __init__(self, pairs: Sequence[Pair], ours: bool, cache: DecodedCache | None, length: int) -> None:
        self.pairs, self.steps, self.cache, self.length = pairs, build_steps(ours), cache, length

    def __len__(self) -> int:
        """Count the samples."""
        return self.length

    def __getitem__(self, index: int) -> dict:
        """Load a sample."""
        results = new_sample(self.pairs[index % len(self.pairs)], self.cache)
        for step in self.steps:
            results = step(results)
        return results


def images_per_second(pairs: Sequence[Pair], ours: bool, cache: DecodedCache | None, length: int) -> float:
    """Read samples through a DataLoader with two workers, in batches of four; the start is left out."""
    loader = torch.utils.data.DataLoader(
        Files(pairs, ours, cache, length), batch_size=4, num_workers=2, collate_fn=pseudo_collate, shuffle=True,
        worker_init_fn=_one_thread,
    )  # fmt: skip
    batches = iter(loader)
    for _ in range(4):
        next(batches)
    start = time.perf_counter()
    count = sum(len(batch["inputs"]) for batch in batches)
    return count / (time.perf_counter() - start)


def _one_thread(worker: int) -> None:
    cv2.setNumThreads(1)
    np.random.seed(worker)


def rows_of(size: str, pairs: Sequence[Pair], rounds: int, cache: DecodedCache, loaded: int) -> list[Row]:
    """Compare all sides on the files of one size."""
    means = measure(pairs, rounds, cache)
    stock, ours, cached, floor = (means[name] for name in ("stock", "ours", "cached", "floor"))
    rows = []
    for index, step in enumerate(STEPS):
        rows.append(less_is_better(f"{size}: {step['type']}", ours[index], stock[index], "ms"))
    stock_floor, our_floor = floor[:NUM_DECODING].sum(), floor[NUM_DECODING:].sum()
    rows += [
        less_is_better(f"{size}: whole", ours.sum(), stock.sum(), "ms", 1.5),
        less_is_better(f"{size}: whole, cached", cached.sum(), stock.sum(), "ms", 3),
        less_is_better(f"{size}: without decoding", ours.sum() - our_floor, stock.sum() - stock_floor, "ms", 2.2),
        less_is_better(f"{size}: decoding alone", our_floor, stock_floor, "ms"),
        within(f"{size}: whole", ours.sum(), stock_floor, "ms", 1.75),
    ]
    speeds: dict[str, list[float]] = {"stock": [], "ours": [], "cached": []}
    for _ in range(TURNS):
        for name, values in speeds.items():
            values.append(images_per_second(pairs, name != "stock", cache if name == "cached" else None, loaded))
    best = {name: max(values) for name, values in speeds.items()}
    rows.append(more_is_better(f"{size}: two workers", best["ours"], best["stock"], "images/s"))
    rows.append(more_is_better(f"{size}: two workers, cached", best["cached"], best["stock"], "images/s"))
    return rows


def rows(quick: bool = False, sizes: Sequence[str] = (), count: int = 8, rounds: int = 25) -> list[Row]:
    """Compare on files of every size.

    Args:
        quick: Fewer images and draws.
        sizes: Among 'ade20k', 'loveda' and 'dubai'; all of them by default, 'dubai' where its files are there.
        count: Images of a size.
        rounds: Draws of the random numbers, for each image.
    """
    count, rounds, loaded = (4, 8, 120) if quick else (count, rounds, 800)
    found = []
    with tempfile.TemporaryDirectory(prefix="pipeline-") as temporary:
        folder = Path(temporary)
        cache = DecodedCache(folder / "cache", limit_gb=1)
        for size in sizes or ("ade20k", "loveda", "dubai"):
            if size == "dubai" and not DUBAI.is_dir():
                print(f"left out: dubai, for want of {DUBAI}", file=sys.stderr)
                continue
            found += rows_of(size, make_files(size, count, folder / size), rounds, cache, loaded)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8, help="of each size")
    parser.add_argument("--rounds", type=int, default=25, help="draws of the random numbers, for each image")
    parser.add_argument("--sizes", nargs="+", choices=["ade20k", "loveda", "dubai"], default=[])
    parser.add_argument("--quick", action="store_true", help="as in `make bench`")
    arguments = parser.parse_args(argv)
    print(describe_machine())
    found = rows(arguments.quick, arguments.sizes, arguments.images, arguments.rounds)
    print(format_rows(found))
    publish(*found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
