"""A model applied to large rasters and many images: python benchmarks/apply.py.

- memory: how much a process grows while it predicts a generated GeoTIFF, beyond what it held with the model loaded and
  one window predicted; with a small network, in a process of its own. The mark is 1.5 GB, and as much at twice the
  height.
- seams: a network whose field of view fits the overlap, in windows and on the whole image; the share of equal pixels,
  and how much more of the others lies at the windows' edges. Beside it windows without overlap.
- windows: pixels a second from GeoTIFF to GeoTIFF against the bare forward pass over the same windows in memory.
- images: a folder of small images against the bare loop decode → forward → encode.

Both sides take turns in one process with the same number of threads; times are wall-clock.
"""

import argparse
import multiprocessing
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

import numpy as np  # noqa: E402
import torch  # noqa: E402
from comparison import add_torch_arguments, more_is_better, publish, start_torch, within  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.dataset import pseudo_collate  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402
from PIL import Image  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from mmseg_ext.masks.class_maps import as_array, pack_labels  # noqa: E402
from mmseg_ext.prediction.checkpoint_predictor import CheckpointPredictor, sample_of  # noqa: E402
from mmseg_ext.prediction.geo_packages import load_rasterio  # noqa: E402
from mmseg_ext.prediction.input_files import find_inputs  # noqa: E402
from mmseg_ext.prediction.model_files import find_model  # noqa: E402
from mmseg_ext.prediction.output_folder import OutputFolder  # noqa: E402
from mmseg_ext.prediction.prediction_run import PredictionRun  # noqa: E402
from mmseg_ext.prediction.predictor import Prediction, Predictor, WindowSettings  # noqa: E402
from mmseg_ext.prediction.raster_prediction import WindowOptions  # noqa: E402
from mmseg_ext.prediction.raster_source import RasterSettings  # noqa: E402
from mmseg_ext.prediction.results import ResultOptions  # noqa: E402

NUM_CLASSES = 7
ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "configs/demo/fpn_r18w32_1xb8-600_lovedademo-128x128.py"


class SmallPredictor(Predictor):
    """Three convolutions, two of them with a stride: a field of view of 23 pixels with the enlarging."""

    def __init__(self, window: int, overlap: int) -> None:
        settings = WindowSettings((window, window), (overlap, overlap))
        palette = np.arange(NUM_CLASSES * 3, dtype=np.uint8).reshape(-1, 3)
        super().__init__([f"class {n}" for n in range(NUM_CLASSES)], palette, None, settings, np.full(3, 128.0))
        torch.manual_seed(0)
        self.network = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, NUM_CLASSES, 3, 1, 1)
        ).eval()

    @torch.no_grad()
    def logits(self, images_NHWC: np.ndarray) -> Tensor:
        """Predict windows."""
        pixels = torch.from_numpy(images_NHWC).permute(0, 3, 1, 2).float().sub(128).div(64)
        return nn.functional.interpolate(self.network(pixels), images_NHWC.shape[1:3], mode="bilinear")

    def predict_prepared(self, images: Sequence, prepared: Sequence, probabilities: bool = False) -> list[Prediction]:
        """Predict no image: it is applied to rasters alone, window by window."""
        raise NotImplementedError


def draw_raster(path: Path, height: int, width: int) -> None:
    """Write a GeoTIFF of smooth colours, in rows of tiles."""
    rasterio = load_rasterio()
    image = smooth_image(512, min(width, 4096))
    rows = np.tile(image, (1, -(-width // image.shape[1]), 1))[:, :width].transpose(2, 0, 1)
    place = {"crs": "EPSG:32618", "transform": rasterio.transform.from_origin(512_000, 4_096_000, 0.5, 0.5)}
    tiles = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "zlevel": 1}
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=3,
        dtype="uint8",
        bigtiff="IF_SAFER",
        **place,
        **tiles,
    ) as raster:
        for top in range(0, height, 512):
            part = np.roll(rows, top // 7, axis=2)[:, : min(512, height - top)]
            raster.write(part, window=rasterio.windows.Window(0, top, width, part.shape[1]))


def smooth_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Draw blobs of colour with grain, uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 24 + 2, width // 24 + 2, 3), np.uint8)
    smooth = np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.int16)
    return np.clip(smooth + rng.integers(-12, 13, smooth.shape), 0, 255).astype(np.uint8)


def make_run(predictor: Predictor, out: Path, batch: int = 1, results: ResultOptions | None = None) -> PredictionRun:
    """Prepare a run that keeps nothing of an earlier one."""
    windows = WindowOptions(predictor.window.size, predictor.window.overlap, batch)
    rasters = RasterSettings(None, None, predictor.fill, True)
    return PredictionRun(predictor, OutputFolder(out, {}, resume=False), results or ResultOptions(), windows, rasters)


def peak_mb() -> float:
    """Return the most that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def grow(path: str, out: str, pipe: Any) -> None:
    """Predict a raster, and send the growth of the process in MB and the seconds."""
    predictor = SmallPredictor(1024, 128)
    predictor.logits(np.zeros((1, 1024, 1024, 3), np.uint8))
    before, start = peak_mb(), time.perf_counter()
    summary = make_run(predictor, Path(out)).run(find_inputs([path]))
    pipe.send((peak_mb() - before, time.perf_counter() - start, len(summary.failures)))


def measure_memory(sizes: Sequence[str], folder: Path) -> None:
    """Print the growth at each size and at twice its height."""
    for size in sizes:
        height, width = map(int, size.split("x"))
        grown = []
        for factor in (1, 2):
            path = folder / f"{height * factor}x{width}.tif"
            draw_raster(path, height * factor, width)
            receiving, sending = multiprocessing.Pipe(duplex=False)
            process = multiprocessing.get_context("spawn").Process(
                target=grow, args=(str(path), str(folder / "o"), sending)
            )
            process.start()
            megabytes, seconds, failures = receiving.recv()
            process.join()
            grown.append(megabytes)
            path.unlink()
            rate = height * factor * width / seconds / 1e6
            size_text = f"{height * factor} × {width}"
            print(
                f"memory: {size_text} pixels: grew by {megabytes:.0f} MB in {seconds:.0f} s, {rate:.2f} Mpixels/s, "
                f"{failures} failed",
                flush=True,
            )
        publish(within(f"apply, {size}, memory", grown[0], 1500, "MB", mark=1.0, against="1.5 GB"))
        publish(within(f"apply, {size}, twice the height", grown[1], grown[0], "MB", mark=1.1, against="once"))


def read_map(path: Path) -> np.ndarray:
    """Read the classes of a map."""
    with load_rasterio().open(path) as raster:
        return raster.read(1)


def measure_seams(folder: Path, height: int, width: int) -> None:
    """Print the share of pixels as in the whole image, and where the others lie."""
    path = folder / "seams.tif"
    draw_raster(path, height, width)
    with load_rasterio().open(path) as raster:
        image = np.ascontiguousarray(raster.read().transpose(1, 2, 0))
    for overlap in (128, 0):
        predictor = SmallPredictor(512, overlap)
        whole = predictor.logits(image[None])[0].argmax(0).numpy()
        make_run(predictor, folder / "seams").run(find_inputs([str(path)]))
        differs = read_map(folder / "seams/class_maps/seams.tif") != whole
        step = 512 - overlap
        at_edge = np.zeros(differs.shape, bool)
        for offset in (-1, 0, 511, 512):
            at_edge[(np.arange(height) - offset) % step == 0] = True
            at_edge[:, (np.arange(width) - offset) % step == 0] = True
        equal = 1 - differs.mean()
        print(
            f"seams: overlap {overlap}: {100 * equal:.4f} % of {differs.size} pixels as in the whole image; of those "
            f"at the windows' edges {100 * differs[at_edge].mean():.4f} % differ, elsewhere "
            f"{100 * differs[~at_edge].mean():.4f} %",
            flush=True,
        )
        if overlap:
            publish(more_is_better("apply, pixels as in the whole image", 100 * equal, 100, "%", 0.999, "whole image"))


def save_fpn(folder: Path) -> Path:
    """Leave a work dir with the demo's network, of random weights."""
    config = Config.fromfile(CONFIG)
    for part in (config.model.backbone, config.model.neck, config.model.decode_head):
        if "norm_cfg" in part:
            part.norm_cfg = {"type": "BN"}
    with DefaultScope.overwrite_default_scope("mmseg"):
        model = MODELS.build(config.model)
    folder.mkdir(exist_ok=True)
    config.dump(folder / CONFIG.name)
    torch.save({"state_dict": model.state_dict(), "meta": {}}, folder / "iter_1.pth")
    return folder / "iter_1.pth"


def take_turns(ours: Callable[[], None], bare: Callable[[], None], repeats: int) -> tuple[float, float]:
    """Return seconds of both sides, whose ratio is the median of the ratios of all turns.

    A turn is short: what other programs take away meanwhile is taken from both sides.
    """
    seconds = np.zeros((repeats + 1, 2))
    for turn in range(repeats + 1):
        for side, run in enumerate((ours, bare)):
            start = time.perf_counter()
            run()
            seconds[turn, side] = time.perf_counter() - start
    seconds = seconds[1:]  # the first turn loads what is loaded once
    typical = float(np.median(seconds[:, 1]))
    return typical * float(np.median(seconds[:, 0] / seconds[:, 1])), typical


def measure_windows(folder: Path, model: Path, device: str, size: int, repeats: int) -> None:
    """Print the rate from file to file against the bare forward pass."""
    path = folder / "windows.tif"
    draw_raster(path, size, size)
    predictor = CheckpointPredictor(find_model(model), device=device)
    segmentor = predictor.segmentor
    run = make_run(predictor, folder / "windows", predictor.batch_size)
    seen: list[np.ndarray] = []
    logits = predictor.logits
    predictor.logits = lambda images: (seen.append(images), logits(images))[1]  # type: ignore[method-assign]
    run.run(find_inputs([str(path)]))
    predictor.logits = logits  # type: ignore[method-assign]

    @torch.no_grad()
    def bare() -> None:
        for images in seen:
            packed = [predictor._from_window(sample_of(image)) for image in images]
            data = segmentor.data_preprocessor(pseudo_collate(packed), False)
            segmentor.inference(data["inputs"], [sample.metainfo for sample in data["data_samples"]])
        if device == "cuda":
            torch.cuda.synchronize()

    def ours() -> None:
        make_run(predictor, folder / "windows", predictor.batch_size).run(find_inputs([str(path)]))

    times = take_turns(ours, bare, repeats)
    count = sum(len(images) for images in seen)
    rates = [count / seconds for seconds in times]
    print(
        f"windows: {count} of 1024 × 1024 from GeoTIFF to GeoTIFF {rates[0]:.3g} a second, the bare forward pass "
        f"{rates[1]:.3g}: {rates[0] / rates[1]:.3f}",
        flush=True,
    )
    publish(more_is_better("apply, windows a second", *rates, "1/s", mark=0.9, against="bare forward"))


def measure_images(folder: Path, model: Path, device: str, count: int, repeats: int) -> None:
    """Print the rate of a folder of images against the bare loop."""
    images = folder / "images"
    images.mkdir()
    for number in range(count):
        Image.fromarray(smooth_image(256, 256, seed=number)).save(images / f"{number:04}.jpg", quality=92)
    predictor = CheckpointPredictor(find_model(model), device=device)
    paths = sorted(images.iterdir())
    out = folder / "bare"
    out.mkdir()

    @torch.no_grad()
    def bare() -> None:
        for path in paths:
            (sample,) = predictor.segmentor.test_step(pseudo_collate([predictor.prepare(path)]))
            classes = as_array(sample.pred_sem_seg.data).astype(np.uint8)
            (out / f"{path.stem}.png").write_bytes(pack_labels(classes, predictor.palette))

    def ours() -> None:
        make_run(predictor, folder / "found").run(find_inputs([str(images)]))

    times = take_turns(ours, bare, repeats)
    rates = [count / seconds for seconds in times]
    print(
        f"images: {count} of 256 × 256, {rates[0]:.3g} a second, decode → forward → encode in a loop {rates[1]:.3g}: "
        f"{rates[0] / rates[1]:.3f}",
        flush=True,
    )
    publish(more_is_better("apply, images a second", *rates, "1/s", mark=0.9, against="bare loop"))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=["memory", "seams", "windows", "images"])
    parser.add_argument("--sizes", nargs="*", default=["20000x20000", "3000x100000"], help="height x width, for memory")
    parser.add_argument("--seams", nargs=2, type=int, default=[2048, 2560], help="height and width")
    parser.add_argument("--side", type=int, default=2816, help="of the raster for windows")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    add_torch_arguments(parser)
    args = parser.parse_args(argv)
    print(start_torch(args, "rasterio"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "memory" in args.parts:
            measure_memory(args.sizes, folder)
        if "seams" in args.parts:
            measure_seams(folder, *args.seams)
        model = save_fpn(folder / "run")
        if "windows" in args.parts:
            measure_windows(folder, model, args.device, args.side, args.repeats)
        if "images" in args.parts:
            measure_images(folder, model, args.device, args.images, args.repeats)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
