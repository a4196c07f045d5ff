"""Predicting large images block by block against stock mmseg: python benchmarks/prediction.py.

Both sides get the same logits of a head and predict one image, in one process with the same number of threads: mmseg's
``EncoderDecoder.predict`` and ``mmseg_ext.EncoderDecoder``'s, with a network that costs nothing. Where a loss is asked
for, stock computes it from its logits at full size. The two sides take turns; times are wall-clock and processor time.
Memory is what torch's allocator holds at most, beyond what it held before; on a processor the growth of the whole
process is measured too, for a size at which stock does not fit: the mark is 1 GB for 150 classes × 3000 × 4000.
"""

import argparse
import resource
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack

stack.prepare()

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from comparison import add_torch_arguments, less_is_better, publish, start_torch, within  # noqa: E402
from mmengine.config import ConfigDict  # noqa: E402
from mmengine.model import BaseModule  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.models.decode_heads.decode_head import BaseDecodeHead  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402
from torch import Tensor  # noqa: E402
from torch_memory import peak_memory  # noqa: E402

from mmseg_ext.registry import MODELS  # noqa: E402
from mmseg_ext.scores.confusion_matrix import count_confusion  # noqa: E402

Shape = tuple[int, int]


@MODELS.register_module()
class FixedLogitsBackbone(BaseModule):
    """Returns the same logits whatever it sees."""

    logits: Tensor

    def forward(self, inputs: Tensor) -> tuple[Tensor]:
        """Return them."""
        return (self.logits,)


@MODELS.register_module()
class PassingHead(BaseDecodeHead):
    """Takes features for logits."""

    def forward(self, inputs: tuple[Tensor]) -> Tensor:
        """Return the features."""
        return inputs[0]


class Case(NamedTuple):
    """Logits, the network's input, and the original image."""

    logits: Shape
    image: Shape
    original: Shape

    @classmethod
    def parse(cls, text: str) -> "Case":
        """Read three shapes: 'HxW:HxW:HxW'."""
        logits, image, original = (tuple(int(n) for n in part.split("x")) for part in text.split(":"))
        return cls(logits, image, original)

    def __str__(self) -> str:
        return " → ".join(f"{h}×{w}" for h, w in self)


def build(kind: str, num_classes: int, **kwargs: Any) -> Any:
    """Build a segmentor without a network."""
    with DefaultScope.overwrite_default_scope("mmseg"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MODELS.build(
            {
                "type": kind,
                "backbone": {"type": "mmseg_ext.FixedLogitsBackbone"},
                "decode_head": {
                    "type": "mmseg_ext.PassingHead",
                    "in_channels": 1,
                    "channels": 1,
                    "num_classes": num_classes,
                },
                "test_cfg": ConfigDict(mode="whole"),
                **kwargs,
            }
        )
    return model.eval()


def make_step(model: Any, case: Case, num_classes: int, device: str, with_loss: bool) -> Callable[[], tuple]:
    """Make a function that predicts the image and returns the class map, and the mean loss where it is asked for."""
    generator = torch.Generator().manual_seed(0)
    model.backbone.logits = torch.randn(1, num_classes, *case.logits, generator=generator).mul(3).to(device)
    labels_HW = torch.randint(num_classes, case.original, generator=generator, dtype=torch.uint8).to(device)
    inputs = torch.empty(1, 3, *case.image, device=device)
    meta = {"ori_shape": case.original, "img_shape": case.image, "pad_shape": case.image}

    @torch.no_grad()
    def step() -> tuple[Tensor, float | None]:
        sample = SegDataSample(metainfo=dict(meta))
        sample.gt_sem_seg = PixelData(data=labels_HW[None])
        (sample,) = model.predict(inputs, [sample])
        loss = None
        if with_loss and "cross_entropy" in sample:
            loss = sample.cross_entropy["sum"] / sample.cross_entropy["num_pixels"]
        elif with_loss:
            loss = float(F.cross_entropy(sample.seg_logits.data[None], labels_HW[None].long(), ignore_index=255))
        if device == "cuda":
            torch.cuda.synchronize()
        return sample.pred_sem_seg.data, loss

    return step


def measure_large(case: Case, num_classes: int) -> None:
    """Print how much the process grows by predicting and scoring an image at which stock does not fit."""
    for size in (Case((20, 20), (40, 40), (80, 80)), case):  # the first for what is loaded once
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        model = build("mmseg_ext.EncoderDecoder", num_classes, validation_loss=True)
        step = make_step(model, size, num_classes, "cpu", with_loss=True)
        start = time.perf_counter(), time.process_time()
        prediction_1HW, _ = step()
        seconds = time.perf_counter() - start[0], time.process_time() - start[1]
        count_confusion(prediction_1HW[0], torch.zeros(size.original, dtype=torch.uint8), num_classes)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    publish(within(f"prediction, {case}, loss, matrix", grown / 1e6, 1000, "MB", mark=1.0, against="1 GB"))
    full = num_classes * case.original[0] * case.original[1] * 4
    print(
        f"{case}, ours alone, with the loss and the confusion matrix: {seconds[0]:.2f} s ({seconds[1]:.2f} s of "
        f"processor time), the process grew by {grown / 1e6:.0f} MB; all logits at once would be {full / 1e6:.0f} MB"
    )


def measure_pair(case: Case, num_classes: int, device: str, repeats: int, with_loss: bool) -> None:
    """Print one row: stock against ours, taking turns."""
    stock = build("EncoderDecoder", num_classes).to(device)
    ours = build("mmseg_ext.EncoderDecoder", num_classes, validation_loss=with_loss).to(device)
    steps = [make_step(model, case, num_classes, device, with_loss) for model in (stock, ours)]
    (expected, loss), (found, our_loss) = (step() for step in steps)
    differing = int((expected != found).count_nonzero())
    memory = [peak_memory(step, device) for step in steps]
    wall: list[list[float]] = [[], []]
    cpu: list[list[float]] = [[], []]
    for _ in range(repeats):
        for side, step in enumerate(steps):
            start = time.perf_counter(), time.process_time()
            step()
            wall[side].append(time.perf_counter() - start[0])
            cpu[side].append(time.process_time() - start[1])
    walls, cpus = ([statistics.median(times) for times in both] for both in (wall, cpu))
    cells = [f"{walls[side] * 1e3:8.4g} ms {memory[side] / 1e6:8.4g} MB" for side in (0, 1)]
    title = f"prediction, {case}" + (", loss" if with_loss else "")
    publish(
        less_is_better(title, walls[1] * 1e3, walls[0] * 1e3, "ms"),
        less_is_better(title, memory[1] / 1e6, memory[0] / 1e6, "MB"),
    )
    loss_text = "" if loss is None else f", loss {abs(our_loss - loss) / loss:.0e}"
    print(
        f"{str(case) + (', loss' if with_loss else ''):<48} {cells[0]:>24} {cells[1]:>24}"
        f" {walls[0] / walls[1]:8.1f} {cpus[0] / cpus[1]:8.1f} {memory[0] / memory[1]:8.1f}"
        f"  {differing} of {found.numel()} pixels{loss_text}",
        flush=True,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=150)
    parser.add_argument(
        "--sizes",
        nargs="+",
        default=["32x43:512x683:512x683", "94x125:750x1000:750x1000", "128x171:512x683:1024x1366"],
        help="of logits, network input and original image",
    )
    parser.add_argument("--large", default="94x125:3000x4000:3000x4000", help="for ours alone, on a processor")
    parser.add_argument("--repeats", type=int, default=5)
    add_torch_arguments(parser)
    args = parser.parse_args(argv)
    print(f"{start_torch(args, 'onedl-mmsegmentation')}\none image, {args.classes} classes, float32")
    if args.device == "cpu":
        measure_large(Case.parse(args.large), args.classes)
    print(
        f"{'logits → network input → image':<48} {'stock':>24} {'block by block':>24} {'× time':>8} {'× cpu':>8} "
        f"{'× memory':>8}  difference"
    )
    for size in args.sizes:
        for with_loss in (False, True):
            measure_pair(Case.parse(size), args.classes, args.device, args.repeats, with_loss)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
