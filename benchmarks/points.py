"""The loss of a point head against that of the stock head: python benchmarks/points.py.

Both sides get the same logits and labels, in one process with the same number of threads: the head's ``loss_by_feat``
(the stock head's includes its accuracy, as ours does) and the backward pass down to the logits. Times are wall-clock;
the two sides take turns. Memory is what torch's allocator holds at most, beyond what it held before.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path[:0] = [str(Path(__file__).resolve().parents[i]) for i in (1, 0)]

from mmseg_ext import stack  # noqa: E402

stack.prepare()

import torch  # noqa: E402
from comparison import add_torch_arguments, less_is_better, publish, start_torch  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402
from torch import Tensor  # noqa: E402
from torch_memory import peak_memory  # noqa: E402

LOSSES = {
    "FCNHead": {"type": "CrossEntropyLoss", "avg_non_ignore": True, "loss_name": "loss_seg"},
    "mmseg_ext.PointFCNHead": {"type": "mmseg_ext.PartialCrossEntropyLoss", "loss_name": "loss_seg"},
}


class Measured(NamedTuple):
    """One side: its loss and accuracy, the gradient, seconds a step (each repeat), bytes at most."""

    loss: float
    accuracy: float
    gradient: Tensor
    seconds: list[float]
    memory: int


def build_head(kind: str, num_classes: int) -> Any:
    """Build a head; only its loss is used."""
    settings = {"in_channels": 4, "channels": 4, "in_index": 0, "num_convs": 0, "concat_input": False}
    return MODELS.build(
        {"type": kind, **settings, "num_classes": num_classes, "loss_decode": LOSSES[kind], "align_corners": False}
    )


def make_batch(
    images: int, num_classes: int, small: int, large: int, points: int | None, device: str
) -> tuple[Tensor, list]:
    """Make logits, and labels of all pixels or of some points an image."""
    generator = torch.Generator().manual_seed(0)
    logits_NChw = torch.randn(images, num_classes, small, small, generator=generator).mul(3).to(device)
    labels_NHW = torch.randint(num_classes, (images, large, large), generator=generator)
    if points is not None:
        for labels_HW in labels_NHW:
            places = torch.randperm(large * large, generator=generator)[:points]
            kept = labels_HW.flatten()[places]
            labels_HW.fill_(255).view(-1)[places] = kept
    samples = [SegDataSample(gt_sem_seg=PixelData(data=labels_HW[None].to(device))) for labels_HW in labels_NHW]
    return logits_NChw.requires_grad_(), samples


def measure(heads: Sequence[Any], logits: Tensor, samples: list, repeats: Sequence[int], device: str) -> list[Measured]:
    """Measure each head, taking turns."""

    def step(head: Any) -> dict[str, Tensor]:
        logits.grad = None
        losses = head.loss_by_feat(logits, samples)
        losses["loss_seg"].backward()
        if device == "cuda":
            torch.cuda.synchronize()
        return losses

    seconds: list[list[float]] = [[] for _ in heads]
    results = []
    for head in heads:
        losses = step(head)  # also warms up
        gradient = logits.grad.clone()
        logits.grad = None
        memory = peak_memory(lambda head=head: step(head), device)
        results.append((losses["loss_seg"].item(), losses["acc_seg"].item(), gradient, memory))
    for turn in range(max(repeats)):
        for head, times, wanted in zip(heads, seconds, repeats, strict=True):
            if turn < wanted:
                start = time.perf_counter()
                step(head)
                times.append(time.perf_counter() - start)
    return [
        Measured(loss, accuracy, gradient, times, memory)
        for (loss, accuracy, gradient, memory), times in zip(results, seconds, strict=True)
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--classes", type=int, default=150)
    parser.add_argument("--sizes", nargs="+", default=["37:518", "128:512"], help="of logits and labels")
    parser.add_argument("--points", type=int, default=100, help="points an image")
    parser.add_argument("--repeats", type=int, default=5, help="steps of the stock head; ours takes four times as many")
    add_torch_arguments(parser)
    args = parser.parse_args(argv)
    print(
        f"{start_torch(args, 'onedl-mmsegmentation')}\n"
        f"{args.images} images, {args.classes} classes, float32, forward and backward"
    )
    print(f"{'':<32} {'stock head':>22} {'point head':>22} {'ratio of':>12} {'ratio of':>9}  difference of")
    unit = "ms (least)      MB"
    print(f"{'logits → labels':<32} {unit:>22} {unit:>22} {'ms (least)':>12} {'MB':>9}")
    with DefaultScope.overwrite_default_scope("mmseg"):
        heads = [build_head(kind, args.classes) for kind in LOSSES]
    for size in args.sizes:
        small, large = (int(part) for part in size.split(":"))
        for points in (args.points, None):
            logits, samples = make_batch(args.images, args.classes, small, large, points, args.device)
            stock, ours = measure(heads, logits, samples, (args.repeats, 4 * args.repeats), args.device)
            name = f"{small}² → {large}², " + ("dense labels" if points is None else f"{points} points an image")
            print(_format_row(name, stock, ours), flush=True)
            times = [statistics.median(side.seconds) * 1e3 for side in (ours, stock)]
            publish(
                less_is_better(f"point head: {name}", *times, "ms"),
                less_is_better(f"point head: {name}", ours.memory / 1e6, stock.memory / 1e6, "MB"),
            )
    return 0


def _format_row(name: str, stock: Measured, ours: Measured) -> str:
    cells, middles, leasts = [], [], []
    for side in (stock, ours):
        middle, least = statistics.median(side.seconds) * 1e3, min(side.seconds) * 1e3
        middles.append(middle)
        leasts.append(least)
        cells.append(f"{middle:7.4g} ({least:.4g}) {side.memory / 1e6:8.3g}".rjust(22))
    largest = stock.gradient.abs().max().item()
    difference = (ours.gradient - stock.gradient).abs().max().item() / largest
    return (
        f"{name:<32} {cells[0]} {cells[1]} {middles[0] / middles[1]:5.0f} ({leasts[0] / leasts[1]:.0f}) "
        f"{stock.memory / ours.memory:9.1f}  value {abs(ours.loss - stock.loss) / stock.loss:.0e}, gradient "
        f"{difference:.0e}, accuracy {abs(ours.accuracy - stock.accuracy):.0e}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
