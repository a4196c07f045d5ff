"""DINO against timm's bare network and `transformers`: time of a forward pass, time and memory of a training step.

Usage: ``python benchmarks/dino.py [--size 518] [--repeats 7] [--device cpu] [--models s b l]``

The sides of a forward pass take turns in one process, on the same images; training steps have a process each, so that
the peak memory is their own. Medians are printed, with the ratio to ours. Only a machine that does nothing else gives
numbers to write down. `transformers` is left out where it is not installed.
"""

import argparse
import json
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from mmseg_ext import stack  # noqa: E402

stack.prepare()

import timm  # noqa: E402
import torch  # noqa: E402
from comparison import less_is_better, publish  # noqa: E402

from mmseg_ext.models import DINO  # noqa: E402
from mmseg_ext.models.backbones.dino_architectures import find_architecture  # noqa: E402

SETTINGS = {
    "s": {"hidden_size": 384, "num_attention_heads": 6, "num_hidden_layers": 12},
    "b": {"hidden_size": 768, "num_attention_heads": 12, "num_hidden_layers": 12},
    "l": {"hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 24},
}


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def medians(sides: dict[str, Callable[[], object]], repeats: int, device: torch.device) -> dict[str, float]:
    """Time the sides in turn, after one run of each to warm up.

    Returns:
        The median of each, in seconds.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(repeats + 1):
        for name, run in sides.items():
            synchronize(device)
            start = time.perf_counter()
            run()
            synchronize(device)
            if repeat:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def table(title: str, results: dict[str, float], unit: str, scale: float = 1.0) -> None:
    """Print results, each with its ratio to the first."""
    first = next(iter(results.values()))
    print(f"\n{title}")
    for name, value in results.items():
        print(f"  {name:<28}{value * scale:10.2f} {unit}   {value / first:6.3f} × ours")


def build_transformers(size: str, image_size: int) -> torch.nn.Module | None:
    """Build the DINOv2 of `transformers`, None where the library is missing."""
    try:
        from transformers import Dinov2Config, Dinov2Model
    except ImportError:
        return None
    return Dinov2Model(Dinov2Config(**SETTINGS[size], patch_size=14, image_size=image_size))


def compare_forward(size: str, side: int, batch: int, repeats: int, device: torch.device, dtype: torch.dtype) -> None:
    """Time a forward pass of all sides, on the same weights where they have the same names."""
    arch = f"dinov2_vit{size}14"
    ours = DINO(arch, arch_overrides={"img_size": side}).to(device, dtype).eval()
    bare = timm.create_model(find_architecture(arch).timm_name, num_classes=0, img_size=side, dynamic_img_size=True)
    bare.load_state_dict(ours.network.state_dict())
    bare = bare.to(device, dtype).eval()
    images = torch.randn(batch, 3, side, side, device=device, dtype=dtype)
    sides: dict[str, Callable[[], object]] = {
        "mmseg_ext.DINO": lambda: ours(images),
        "timm, bare": lambda: bare.forward_features(images),
    }
    other = build_transformers(size, side)
    if other is not None:
        other = other.to(device, dtype).eval()
        sides["transformers"] = lambda: other(images)
    with torch.no_grad():
        results = medians(sides, repeats, device)
    title = f"forward, ViT-{size.upper()}/14 at {side}², batch {batch}"
    table(title, results, "ms", 1e3)
    first, *others = results.items()
    publish(*(less_is_better(f"DINO: {title}", first[1] * 1e3, value * 1e3, "ms", against=n) for n, value in others))
    if device.type == "cuda":
        for name, seconds in results.items():
            print(f"  {name:<28}{batch / seconds:10.1f} images/s")


def memory_bytes(kind: str) -> int:
    """Memory of this process, on Linux: in use now ('VmRSS') or at its peak ('VmHWM')."""
    return int(re.search(rf"{kind}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024


def take_steps(
    size: str, side: int, batch: int, repeats: int, device: torch.device, dtype: torch.dtype, frozen: bool
) -> tuple[float, float]:
    """Take training steps in a process that does nothing else.

    Returns:
        The median seconds of a step, and the peak memory in bytes: on a GPU all that was allocated, on a CPU what the
        process grew by since before the model was built.
    """
    on_gpu = device.type == "cuda"
    before = 0 if on_gpu else memory_bytes("VmRSS")
    backbone = DINO(f"dinov2_vit{size}14", frozen=frozen, arch_overrides={"img_size": side}).to(device, dtype).train()
    head = torch.nn.Conv2d(backbone.out_channels[0], 150, 1).to(device, dtype)
    images = torch.randn(batch, 3, side, side, device=device, dtype=dtype)
    times = []
    for _ in range(repeats + 1):
        backbone.zero_grad(set_to_none=True)
        head.zero_grad(set_to_none=True)
        synchronize(device)
        start = time.perf_counter()
        head(backbone(images)[-1]).float().square().mean().backward()
        synchronize(device)
        times.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated(device) if on_gpu else memory_bytes("VmHWM") - before
    return statistics.median(times[1:]), float(peak)


def compare_training(command: list[str], title: str) -> None:
    """Compare a frozen and an unfrozen training step, each in its own process, so that its peak is its own."""
    seconds, memory = {}, {}
    for name in ("frozen", "unfrozen"):
        answer = subprocess.run([*command, "--step", name], capture_output=True, text=True, check=True).stdout
        values = json.loads(answer.splitlines()[-1])
        seconds[f"training step, {name}"], memory[f"peak memory, {name}"] = values
    table(title, seconds, "ms", 1e3)
    table(title, memory, "MiB", 1 / 2**20)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark.

    Returns:
        0.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=518, help="pixels along a side, a multiple of 14")
    parser.add_argument(
        "--batch", type=int, default=None, help="images a step (default: 1 and 2 on a CPU, 16 on a GPU)"
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--models", nargs="+", choices=SETTINGS, default=None, help="default: s on a CPU, all on a GPU")
    parser.add_argument("--step", choices=("frozen", "unfrozen"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    device = torch.device(arguments.device)
    on_gpu = device.type == "cuda"
    dtype = torch.bfloat16 if on_gpu else torch.float32
    models = arguments.models or (list(SETTINGS) if on_gpu else ["s"])
    torch.manual_seed(0)
    if arguments.step is not None:
        batch = arguments.batch or (16 if on_gpu else 2)
        repeats = max(arguments.repeats // 2, 1)
        frozen = arguments.step == "frozen"
        print(json.dumps(take_steps(models[0], arguments.size, batch, repeats, device, dtype, frozen)))
        return 0
    packages = []
    for name in ("torch", "timm", "transformers"):
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            packages.append(f"{name} missing")
    machine = (
        torch.cuda.get_device_name(device) if on_gpu else f"{platform.machine()}, {torch.get_num_threads()} threads"
    )
    given = list(sys.argv[1:] if argv is None else argv)
    print(f"{', '.join(packages)}; {machine}; {dtype}; {' '.join(['python benchmarks/dino.py', *given])}")
    for size in models:
        batch = arguments.batch or (16 if on_gpu else 1)
        compare_forward(size, arguments.size, batch, arguments.repeats, device, dtype)
        command = [sys.executable, __file__, "--size", str(arguments.size), "--repeats", str(arguments.repeats)]
        command += ["--device", arguments.device, "--models", size]
        batch = arguments.batch or (16 if on_gpu else 2)
        compare_training(
            [*command, "--batch", str(batch)], f"ViT-{size.upper()}/14 at {arguments.size}², batch {batch}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
