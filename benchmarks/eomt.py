"""EoMT, and PMT, against the EoMT of `transformers`: time of a forward pass on the same images, in one process.

Usage: ``python benchmarks/eomt.py [--size 512] [--repeats 15] [--device cpu] [--models s b l] [--threads 1]``

The sides take turns. The kind is DINOv2 with registers at patches of 16 pixels, after the end of masked attention, as a
trained network runs. Both EoMT have the same weights; it is first checked that they give the same predictions. PMT is
that of configs/pmt, on DINOv3, at random weights: it has six blocks of its own behind those of the backbone.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from mmseg_ext import stack  # noqa: E402

stack.prepare()

import torch  # noqa: E402
from comparison import add_torch_arguments, publish, start_torch, within  # noqa: E402
from dino import SETTINGS, medians, table  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402
from transformers import EomtConfig, EomtForUniversalSegmentation  # noqa: E402

from mmseg_ext.models import DINO, EoMT  # noqa: E402

QUERIES, CLASSES = 100, 150
BLOCKS = {"s": 3, "b": 3, "l": 4}  # as the authors have them
MARK = 1.03
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.1}
"""Largest difference of the class logits that passes."""


def build_pmt(size: str) -> torch.nn.Module:
    """Build the network of configs/pmt, at random weights, for images without padding."""
    model = Config.fromfile(ROOT / f"configs/pmt/pmt_dinov3-vit{size}16_1xb16-20k_ade20k-512x512.py").model
    with DefaultScope.overwrite_default_scope("mmseg"):
        backbone = MODELS.build(model.backbone)
        head = MODELS.build({**model.decode_head, "norm_cfg": {"type": "BN"}})
    head.mask_probabilities = (0.0,) * len(head.blocks)
    return torch.nn.Sequential(backbone, head).eval()


def build(size: str, side: int, device: torch.device, dtype: torch.dtype) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Build both sides, with the same random weights: ours, which returns class and mask logits, and the other."""
    config = EomtConfig(
        **SETTINGS[size],
        image_size=side,
        patch_size=16,
        num_queries=QUERIES,
        num_blocks=BLOCKS[size],
        num_labels=CLASSES,
    )
    other = EomtForUniversalSegmentation(config).eval()
    other.attn_mask_probs.zero_()
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "eomt.bin")
        torch.save(other.state_dict(), file)
        overrides = {"patch_size": 16, "img_size": side}
        backbone = DINO(
            f"dinov2_vit{size}14_reg", file, frozen=False, query_blocks=BLOCKS[size], arch_overrides=overrides
        )
        head = EoMT(SETTINGS[size]["hidden_size"], CLASSES, QUERIES, checkpoint=file)
    return torch.nn.Sequential(backbone, head).to(device, dtype).eval(), other.to(device, dtype)


@torch.no_grad()
def compare(size: str, side: int, batch: int, repeats: int, device: torch.device, dtype: torch.dtype) -> None:
    """Time a forward pass of both sides."""
    ours, other = build(size, side, device, dtype)
    images = torch.randn(batch, 3, side, side, device=device, dtype=dtype)
    difference = float((ours(images)[0][-1] - other(pixel_values=images).class_queries_logits).abs().max())
    if difference > TOLERANCE[dtype]:
        raise AssertionError(f"the sides differ by {difference} in the class logits")
    pmt = build_pmt(size).to(device, dtype)
    sides = {
        "mmseg_ext.EoMT": lambda: ours(images),
        "transformers": lambda: other(pixel_values=images),
        "mmseg_ext.PMTHead": lambda: pmt(images),
    }
    results = medians(sides, repeats, device)
    title = f"forward, {size.upper()}/16 at {side}², batch {batch}"
    table(f"{title} (class logits differ by {difference:.1e})", results, "ms", 1e3)
    seconds, floor, pmt_seconds = results.values()
    for name, value in (("EoMT", seconds), ("PMT", pmt_seconds)):
        publish(within(f"{name}: {title}", value * 1e3, floor * 1e3, "ms", MARK, against="EoMT, transformers"))
    if device.type == "cuda":
        for name, value in results.items():
            print(f"  {name:<28}{batch / value:10.1f} images/s")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark.

    Returns:
        0.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_torch_arguments(parser)
    parser.add_argument("--size", type=int, default=512, help="pixels along a side, a multiple of 16")
    parser.add_argument("--batch", type=int, help="images (default: 1 on a CPU, 16 on a GPU)")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--models", nargs="+", choices=SETTINGS, help="default: s on a CPU, all on a GPU")
    arguments = parser.parse_args(argv)
    print(start_torch(arguments, "transformers"))
    torch.manual_seed(0)
    on_gpu = arguments.device == "cuda"
    dtype = torch.bfloat16 if on_gpu else torch.float32
    for size in arguments.models or (list(SETTINGS) if on_gpu else ["s"]):
        batch = arguments.batch or (16 if on_gpu else 1)
        compare(size, arguments.size, batch, arguments.repeats, torch.device(arguments.device), dtype)
    return 0


if __name__ == "__main__":
    sys.exit(main())
