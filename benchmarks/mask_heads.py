"""What a mask head learns from points: python benchmarks/mask_heads.py --data-root data/dubai.

A small Mask2Former on a pretrained EfficientNet-Lite0 is trained on the Dubai images, with all labels and with 20
points a class and image, by two losses: `MaskLoss`, the published one, for which pixels without a label belong to no
class, and `PointMaskLoss`. Both start from the same weights and see the same crops. The score is that of the confusion
matrices of three folds added up; the difference is paired image by image, its interval that of images, or of several
runs a side that of images and runs.

A cell that has finished is not run again, except with ``--fresh``; a training run that was cut off is resumed. The
matrices are kept in one file (``--results``).

    OMP_NUM_THREADS=1 python benchmarks/mask_heads.py --seeds 0 1 2 --data-root data/dubai
    python benchmarks/mask_heads.py --report
"""

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from mmseg_ext import stack  # noqa: E402

stack.prepare()

from label_study.cells import Cell, Record, Results, run_missing  # noqa: E402
from label_study.datasets import FOLDS, hold_out, set_points  # noqa: E402
from label_study.trained import run_and_score  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402

from mmseg_ext.datasets import DubaiAerialDataset  # noqa: E402
from mmseg_ext.engine.launch import load_config  # noqa: E402
from mmseg_ext.errors import run_command  # noqa: E402
from mmseg_ext.scores.image_matrices import ImageMatrices  # noqa: E402
from mmseg_ext.scores.intervals import score_interval  # noqa: E402
from mmseg_ext.scores.paired_difference import paired_difference  # noqa: E402

SOURCE = "configs/fpn/pointfpn_effnetlite0_1xb2-400_dubai-256x256.py"
HEAD = "configs/_base_/models/mask2former_swin-s.py"
LOSSES = ("MaskLoss", "PointMaskLoss")
BUDGETS = ("all", "20")
CLASSES = DubaiAerialDataset.METAINFO["classes"]
CHANNELS, NUM_QUERIES = 64, 20


def small_head(loss: str, in_channels: list[int]) -> Config:
    """Shrink Mask2Former's head."""
    head = Config.fromfile(ROOT / HEAD).model.decode_head
    head.update(
        in_channels=in_channels,
        feat_channels=CHANNELS,
        out_channels=CHANNELS,
        num_queries=NUM_QUERIES,
        num_classes=len(CLASSES),
        loss_decode={"type": f"mmseg_ext.{loss}", "num_points": 4096},
    )
    head.loss_cls.class_weight = [1.0] * len(CLASSES) + [0.1]
    head.pixel_decoder.norm_cfg.num_groups = 8
    attention = {"embed_dims": CHANNELS, "num_heads": 4}
    for part, depth, names in (
        (head.pixel_decoder.encoder, 2, ["self_attn_cfg"]),
        (head.transformer_decoder, 3, ["self_attn_cfg", "cross_attn_cfg"]),
    ):
        part.num_layers = depth
        for name in names:
            part.layer_cfg[name].update(attention)
        part.layer_cfg.ffn_cfg.update(embed_dims=CHANNELS, feedforward_channels=4 * CHANNELS)
    for positions in (head.positional_encoding, head.pixel_decoder.positional_encoding):
        positions.num_feats = CHANNELS // 2
    return head


def write_config(cell: Cell, iterations: int, data_root: str | None, folder: Path) -> Path:
    """Write the config of a cell; the same file as long as nothing changes."""
    config = load_config(str(ROOT / SOURCE))
    config.pop("work_dir", None)
    in_channels = list(config.model.pop("neck").in_channels)
    config.model.type = "mmseg_ext.EncoderDecoder"
    config.model.decode_head = small_head(cell.method, in_channels)
    config.optim_wrapper.clip_grad = {"max_norm": 0.01}
    config.train_cfg.update(max_iters=iterations, val_interval=iterations)
    warm_up = iterations // 10
    config.param_scheduler[0].end = config.param_scheduler[1].begin = warm_up
    config.param_scheduler[1].end = iterations
    # The check would refuse MaskLoss on points, which is what is compared here.
    config.custom_hooks = [h for h in config.custom_hooks if not re.search("Pictures|DataCheck", h["type"])]
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        config[loader].dataset.data_root = str(Path(data_root or ROOT / config[loader].dataset.data_root).resolve())
    hold_out(config, cell.fold)
    config.train_dataloader.dataset.update(cache_dir=str(folder / "cache"), cache_gb=1)
    set_points(config, cell.budget, cell.seed)
    path = folder / f"{cell.name}.py"
    config.dump(path)
    return path


def matrices_of(cells: Mapping[Cell, Record], loss: str, budget: str) -> list[ImageMatrices]:
    """Put the folds of each seed together; seeds without every fold are left out."""
    runs = []
    for seed in sorted({cell.seed for cell in cells}):
        folds = [cells.get(Cell(loss, "dubai", fold, budget, seed)) for fold in FOLDS]
        if None not in folds:
            names = [f"{fold}/{i}" for fold, record in enumerate(folds) for i in range(len(record.images_NCC))]
            images_NCC = np.concatenate([record.images_NCC for record in folds])
            runs.append(ImageMatrices.of_matrices(names, images_NCC, CLASSES))
    return runs


def report(cells: Mapping[Cell, Record]) -> str:
    """Format what has finished: mIoU of both losses, and their paired difference, with 95 % intervals."""
    lines = ["| labels | runs | MaskLoss | PointMaskLoss | difference | p |", "|---|---:|---:|---:|---:|---:|"]
    for budget in BUDGETS:
        runs = [matrices_of(cells, loss, budget) for loss in LOSSES]
        if not all(runs):
            continue
        scores = [score_interval(side, "mIoU", groups="image") for side in runs]
        difference = paired_difference(*runs, groups="image")
        shown = [f"{float(s.estimate):.2f} [{float(s.low):.2f}, {float(s.high):.2f}]" for s in scores]
        ends = f"[{float(difference.low):+.2f}, {float(difference.high):+.2f}]"
        name = "all" if budget == "all" else f"{budget} points a class"
        counts = "/".join(str(len(side)) for side in runs)
        lines.append(
            f"| {name} | {counts} | {' | '.join(shown)} | {float(difference.estimate):+.2f} {ends} "
            f"| {float(difference.p_value):.3f} |"
        )
    return "\n".join(lines)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description="Mask losses on all labels and on points")
    parser.add_argument("--losses", nargs="+", default=list(LOSSES), choices=LOSSES)
    parser.add_argument("--budgets", nargs="+", default=list(BUDGETS), choices=BUDGETS)
    parser.add_argument("--folds", nargs="+", default=list(FOLDS), choices=FOLDS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--iterations", type=int, default=1200)
    parser.add_argument("--data-root", help="of Dubai, where it is not below data/")
    parser.add_argument("--work-dir", default="work_dirs/mask_heads", help="where runs go")
    parser.add_argument("--results", default=str(Path(__file__).with_suffix(".json")), help="file of finished cells")
    parser.add_argument("--fresh", action="store_true", help="run the cells again that have finished")
    parser.add_argument("--report", action="store_true", help="run nothing; print what has finished")
    return parser.parse_args(argv)


def run_study(args: argparse.Namespace) -> None:
    """Run what is missing, and print the table."""
    DefaultScope.get_instance("mask_heads", scope_name="mmseg")
    folder = Path(args.work_dir).resolve() / f"{args.iterations}"
    folder.mkdir(parents=True, exist_ok=True)
    results = Results(Path(args.results))

    def finished() -> dict[Cell, Record]:
        return {c: record for c, record in results.read().items() if record.about["iteration"] == args.iterations}

    wanted = [
        Cell(loss, "dubai", fold, budget, seed)
        for seed in args.seeds
        for fold in args.folds
        for budget in args.budgets
        for loss in args.losses
    ]

    def run(cell: Cell) -> Record:
        path = write_config(cell, args.iterations, args.data_root, folder)
        return run_and_score(cell, path, ROOT, folder)

    def is_finished(cell: Cell) -> bool:
        return not args.fresh and cell in finished()

    run_missing([] if args.report else wanted, is_finished, run, results)
    print(report(finished()))


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run_study(parse_args(argv)), "Stopped. The next start goes on from here.")


if __name__ == "__main__":
    sys.exit(main())
