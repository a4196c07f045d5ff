"""What a regulariser costs a training step: python benchmarks/regularizers.py.

Every regulariser beside the same formula written down directly in torch, with autograd's own gradient: one image of
512 × 512, logits of 128 × 128, features of 64 × 64; forward and backward down to the logits. The teacher is measured as
the growth of a training step of a ResNet-18 pyramid. Both sides get the same input, in one process with the same number
of threads, and take turns. Times are wall-clock; memory is what torch's allocator holds at most, beyond what it held
before.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack

stack.prepare()

import torch  # noqa: E402
from comparison import less_is_better, publish  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.model import revert_sync_batchnorm  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn.functional import adaptive_avg_pool2d, normalize, unfold  # noqa: E402
from torch_memory import peak_memory  # noqa: E402

from mmseg_ext.models.regularizers import TrainingBatch  # noqa: E402

NETWORK = Path(__file__).resolve().parent.parent / "configs/fpn/pointfpn_r18w32_1xb8-1500_dubai-128x128.py"


def direct_potts(batch: TrainingBatch) -> Tensor:
    """The collision divergence of neighbours, from probabilities."""
    h, w = batch.logits_NChw.shape[2:]
    p, colors = batch.logits_NChw.softmax(1), batch.colors_at((h, w))
    pairs = [(p[:, :, 1:], p[:, :, :-1]), (p[..., 1:], p[..., :-1])]
    contrasts = [(colors[:, :, 1:] - colors[:, :, :-1]), (colors[..., 1:] - colors[..., :-1])]
    contrasts = [c.square().sum(1) for c in contrasts]
    variance = sum(c.sum() for c in contrasts) / sum(c.numel() for c in contrasts)
    total = 0.0
    for (a, b), contrast in zip(pairs, contrasts, strict=True):
        cosine = (a * b).sum(1) / (a.square().sum(1).sqrt() * b.square().sum(1).sqrt())
        total = total - (torch.exp(-contrast / (2 * variance)) * cosine.log()).sum()
    return 6 * total / p[:, 0].numel()


def direct_gated_crf(batch: TrainingBatch, radius: int = 5, xy: float = 6.0, rgb: float = 0.1) -> Tensor:
    """The kernel over windows that are unfolded."""
    n, _, h, w = batch.logits_NChw.shape
    side = 2 * radius + 1

    def windows(values: Tensor) -> Tensor:
        return unfold(values, side, padding=radius).view(n, values.shape[1], side * side, h, w)

    p, colors = batch.logits_NChw.softmax(1), batch.colors_at((h, w))
    steps = torch.arange(-radius, radius + 1.0)
    distance = (steps[:, None].square() + steps.square()).flatten()[:, None, None]
    difference = (windows(colors) - colors[:, :, None]).square().sum(1)
    kernel = torch.exp(-distance / (2 * xy**2) - difference / (2 * rgb**2))
    kernel = kernel * windows(torch.ones(n, 1, h, w))[:, 0] * (distance > 0)
    agreement = (windows(p) * p[:, :, None]).sum(1)
    return 0.1 * (kernel * (1 - agreement)).sum() / (n * h * w)


def direct_affinity(batch: TrainingBatch, temperature: float = 0.1) -> Tensor:
    """The whole affinity matrix at once."""
    features = normalize(batch.features[0], dim=1).flatten(2).transpose(1, 2)
    h, w = batch.features[0].shape[2:]
    p = adaptive_avg_pool2d(batch.logits_NChw.softmax(1), (h, w)).flatten(2).transpose(1, 2)
    affinity = (features @ features.transpose(1, 2) / temperature).softmax(2)
    distance = (affinity @ p - p).abs().sum(2) * batch.unlabelled_at((h, w)).flatten(1)
    return 0.1 * distance.sum() / batch.unlabelled_at((h, w)).sum()


DIRECT: dict[str, Callable[[TrainingBatch], Tensor]] = {
    "PottsLoss": direct_potts,
    "GatedCRFLoss": direct_gated_crf,
    "FeatureAffinityLoss": direct_affinity,
}


def make_batch(num_classes: int) -> TrainingBatch:
    """Make one image of 512 × 512 with 100 labelled points."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.full((1, 512, 512), 255)
    labels.view(-1)[torch.randperm(512 * 512, generator=generator)[:100]] = 0
    return TrainingBatch(
        torch.rand(1, 3, 512, 512, generator=generator),
        [torch.randn(1, 384, 64, 64, generator=generator)],
        torch.randn(1, num_classes, 128, 128, generator=generator).requires_grad_(),
        labels,
        torch.ones(1, 512, 512, dtype=torch.bool),
    )


def take_turns(steps: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Run the steps in turn; the median of each, in milliseconds."""
    seconds: list[list[float]] = [[] for _ in steps]
    for _ in range(repeats):
        for step, times in zip(steps, seconds, strict=True):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
    return [statistics.median(times) * 1e3 for times in seconds]


def compare_losses(num_classes: int, repeats: int) -> None:
    """Print a row a regulariser."""
    batch = make_batch(num_classes)
    logits = batch.logits_NChw
    for name, direct in DIRECT.items():
        ours = MODELS.build({"type": f"mmseg_ext.{name}"})
        values, gradients, memory = [], [], []
        steps = []
        for loss in (ours, direct):

            def step(loss: Callable[[TrainingBatch], Tensor] = loss) -> Tensor:
                logits.grad = None
                value = loss(batch)
                value.backward()
                return value

            values.append(step().item())
            gradients.append(logits.grad.clone())
            logits.grad = None
            memory.append(peak_memory(step, "cpu") / 1e6)
            steps.append(step)
        times = take_turns(steps, repeats)
        apart = abs(values[0] - values[1]) / abs(values[1])
        slope = float((gradients[0] - gradients[1]).abs().max() / gradients[1].abs().max())
        title = f"{name}, {num_classes} classes"
        publish(
            less_is_better(title, *times, "ms", against="direct"),
            less_is_better(title, *memory, "MB", against="direct"),
        )
        print(
            f"{title:<34} {times[0]:9.1f} {memory[0]:8.1f}   {times[1]:9.1f} {memory[1]:8.1f}"
            f"   {times[1] / times[0]:7.1f} {memory[1] / memory[0]:7.1f}   value {apart:.0e}, gradient {slope:.0e}",
            flush=True,
        )


def compare_teacher(repeats: int) -> None:
    """Print what a training step of 512 × 512 takes with and without a teacher."""
    config = Config.fromfile(NETWORK).model
    config.data_preprocessor.size = (512, 512)
    batch = make_batch(5)
    sample = SegDataSample(gt_sem_seg=PixelData(data=batch.labels_NHW), metainfo={"img_shape": (512, 512)})
    steps, memory = [], []
    for added in ({}, {"teacher": {}}):
        torch.manual_seed(0)
        model = MODELS.build({**config, "type": "mmseg_ext.SparseEncoderDecoder", **added})
        model = revert_sync_batchnorm(model).train()

        def step(model: torch.nn.Module = model) -> None:
            model.zero_grad()
            losses = model.loss(batch.colors_N3HW, [sample])
            torch.stack([v for k, v in losses.items() if "loss" in k]).sum().backward()

        step()
        memory.append(peak_memory(step, "cpu") / 1e6)
        steps.append(step)
    times = take_turns(steps, repeats)
    print(
        f"training step without, with teacher: {times[0]:.1f} ms, {memory[0]:.1f} MB; {times[1]:.1f} ms, "
        f"{memory[1]:.1f} MB: {times[1] / times[0]:.2f} × the time, {memory[1] / memory[0]:.2f} × the memory"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="+", default=[5, 21, 150])
    parser.add_argument("--threads", type=int, help="of torch, for both sides; its own choice by default")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    print(
        f"{time.strftime('%Y-%m-%d')}, torch {torch.__version__}, mmsegmentation {version('onedl-mmsegmentation')}, "
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, load "
        f"{os.getloadavg()[0]:.2f}"
    )
    print(f"{'':<34} {'ours: ms':>9} {'MB':>8}   {'direct: ms':>9} {'MB':>8}   {'time ×':>7} {'memory ×':>7}   apart")
    with DefaultScope.overwrite_default_scope("mmseg"):
        for num_classes in args.classes:
            compare_losses(num_classes, args.repeats)
        compare_teacher(args.repeats)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
