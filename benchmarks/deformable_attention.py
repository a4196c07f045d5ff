"""Multi-scale deformable attention, ours against mmcv's own PyTorch version: python benchmarks/deformable_attention.py.

Both sides get the same inputs, at the sizes of Mask2Former's pixel decoder for a crop of 512 × 512: levels of 16², 32²
and 64² (strides 32, 16, 8), 8 heads of 32 channels, 4 points, a query at each position. Points lie a few pixels around
their query, as they do in training. The two sides take turns in one process with the same number of threads. Times are
wall-clock or, with ``--clock cpu``, CPU time of all threads, which a busy machine disturbs less. Memory is what torch's
allocator holds at most, beyond what it held before, and what it keeps between forward and backward.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack

stack.prepare()

import torch  # noqa: E402
from comparison import add_torch_arguments, less_is_better, publish, start_torch  # noqa: E402
from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch  # noqa: E402
from torch import Tensor  # noqa: E402
from torch_memory import held_memory  # noqa: E402

from mmseg_ext.models.layers.deformable_attention import multi_scale_deformable_attention  # noqa: E402

SPATIAL_SHAPES = [(16, 16), (32, 32), (64, 64)]
NUM_HEADS, CHANNELS, NUM_POINTS = 8, 32, 4
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
NAMES = ("output", "gradient of the features", "of the locations", "of the weights")

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


class Inputs(NamedTuple):
    """Features (N, K, M, D), locations (N, Q, M, L, P, 2), weights (N, Q, M, L, P), output's gradient (N, Q, M · D)."""

    value: Tensor
    locations: Tensor
    weights: Tensor
    output_grad: Tensor


class Measured(NamedTuple):
    """One side: seconds forward and backward (each repeat), bytes at most, bytes kept between the two passes."""

    forward: list[float]
    backward: list[float]
    memory: int
    kept: int


def make_inputs(images: int, dtype: torch.dtype, device: str) -> Inputs:
    """Draw inputs. Locations are float32 whatever the dtype of the features, as under mixed precision."""
    generator = torch.Generator().manual_seed(0)
    centres_Q2 = torch.cat(
        [
            torch.cartesian_prod((torch.arange(h) + 0.5) / h, (torch.arange(w) + 0.5) / w).flip(-1)
            for h, w in SPATIAL_SHAPES
        ]
    )
    num_queries, num_levels = len(centres_Q2), len(SPATIAL_SHAPES)
    width_height_L12 = torch.tensor([(w, h) for h, w in SPATIAL_SHAPES])[:, None]
    lead = (images, num_queries, NUM_HEADS, num_levels, NUM_POINTS)
    offsets = torch.randn((*lead, 2), generator=generator) * 3 / width_height_L12
    weights = torch.randn(lead, generator=generator).flatten(3).softmax(-1).view(lead)
    value = torch.randn(images, num_queries, NUM_HEADS, CHANNELS, generator=generator)
    output_grad = torch.randn(images, num_queries, NUM_HEADS * CHANNELS, generator=generator)
    return Inputs(
        value.to(device, dtype).requires_grad_(),
        (centres_Q2[:, None, None, None] + offsets).to(device).requires_grad_(),
        weights.to(device).requires_grad_(),
        output_grad.to(device, dtype),
    )


def stock(value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    """Attend by mmcv's PyTorch version. Its inputs have to be of one dtype: float32, as autocast makes them."""
    shapes = torch.tensor(SPATIAL_SHAPES)
    return multi_scale_deformable_attn_pytorch(value.float(), shapes, locations, weights).to(value.dtype)


def ours(value: Tensor, locations: Tensor, weights: Tensor) -> Tensor:
    """Attend by this package's."""
    return multi_scale_deformable_attention(value, SPATIAL_SHAPES, locations, weights)


def measure(
    sides: Sequence[Attend], inputs: Inputs, repeats: int, device: str, clock: Callable[[], float]
) -> tuple[list[Measured], list[float]]:
    """Measure each side, taking turns; and by how much their results differ, as a share of the largest number."""
    tensors = inputs[:3]

    def timed(step: Callable[[], object]) -> tuple[object, float]:
        start = clock()
        result = step()
        if device == "cuda":
            torch.cuda.synchronize()
        return result, clock() - start

    def both(side: Attend) -> tuple[Tensor, ...]:
        output = side(*tensors)
        return output.detach(), *torch.autograd.grad(output, tensors, inputs.output_grad)

    results = [both(side) for side in sides]  # also warms up
    differences = [
        ((a.double() - b.double()).abs().max() / a.double().abs().max()).item() for a, b in zip(*results, strict=True)
    ]
    del results
    peaks = [held_memory(lambda side=side: both(side), device)[0] for side in sides]
    kept = [held_memory(lambda side=side: side(*tensors), device)[1] for side in sides]
    seconds: list[tuple[list[float], list[float]]] = [([], []) for _ in sides]
    for _ in range(repeats):
        for side, (forward, backward) in zip(sides, seconds, strict=True):
            output, spent = timed(lambda side=side: side(*tensors))
            forward.append(spent)
            backward.append(timed(lambda out=output: torch.autograd.grad(out, tensors, inputs.output_grad))[1])
            del output
    return [Measured(*seconds[i], peaks[i], kept[i]) for i in range(len(sides))], differences


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--dtypes", nargs="+", default=["float32"], choices=list(DTYPES), help="of the features")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--clock", default="wall", choices=list(CLOCKS))
    add_torch_arguments(parser)
    args = parser.parse_args(argv)
    print(
        f"{start_torch(args, 'onedl-mmcv')}\n"
        "levels 16² 32² 64², 8 heads of 32 channels, 4 points, 5376 queries; median (least) of "
        f"{args.repeats} repeats, {args.clock} time; ratio is mmcv / ours"
    )
    print(f"{'':<22} {'':<20} {'mmcv in PyTorch':>20} {'ours':>20} {'ratio':>15}")
    for images in args.images:
        for dtype in args.dtypes:
            inputs = make_inputs(images, DTYPES[dtype], args.device)
            (theirs, own), differences = measure((stock, ours), inputs, args.repeats, args.device, CLOCKS[args.clock])
            name = f"{images} image{'s' * (images > 1)}, {dtype}"
            for what, a, b in (
                ("forward", theirs.forward, own.forward),
                ("backward", theirs.backward, own.backward),
                ("both", *([f + b for f, b in zip(s.forward, s.backward, strict=True)] for s in (theirs, own))),
            ):
                middle = [statistics.median(t) * 1e3 for t in (b, a)]
                publish(less_is_better(f"deformable attention, {name}, {what}", *middle, "ms", against="mmcv"))
                print(f"{name:<22} {what + ', ms':<20} " + _format_times(a, b), flush=True)
            for what, x, y in (("most memory, MB", theirs.memory, own.memory), ("kept, MB", theirs.kept, own.kept)):
                publish(
                    less_is_better(f"deformable attention, {name}, {what[:-4]}", y / 1e6, x / 1e6, "MB", against="mmcv")
                )
                print(f"{name:<22} {what:<20} {x / 1e6:20.4g} {y / 1e6:20.4g} {x / y:15.2f}")
            largest = ", ".join(f"{what} {value:.0e}" for what, value in zip(NAMES, differences, strict=True))
            print(f"{name:<22} differences: {largest}")
    return 0


def _format_times(theirs: Sequence[float], own: Sequence[float]) -> str:
    cells = [f"{statistics.median(t) * 1e3:.4g} ({min(t) * 1e3:.4g})".rjust(20) for t in (theirs, own)]
    ratio = f"{statistics.median(theirs) / statistics.median(own):.2f} ({min(theirs) / min(own):.2f})"
    return f"{cells[0]} {cells[1]} {ratio:>15}"


if __name__ == "__main__":
    raise SystemExit(main())
