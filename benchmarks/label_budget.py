"""How many labelled points come how close to full labels: python benchmarks/label_budget.py.

Every cell is a training run of (method, budget, fold, seed): all labels, or 1, 5, 20, 100 points a class and image,
with plain partial cross-entropy, with labels weighed by estimated areas, with a regulariser, with a teacher, or with
grown points; the same network, schedule and crops. The score is that of the last iteration, the confusion matrices of
the three folds added up.

A cell that has finished is not run again, one that was cut off is resumed. The matrices are kept in one file
(``--results``): a study goes on from it on another machine. To use two cores, start the command twice with different
``--folds`` and OMP_NUM_THREADS=1.
"""

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mmseg_ext import stack

stack.prepare()

import numpy as np  # noqa: E402
from mmengine.config import Config  # noqa: E402

from mmseg_ext.engine.area_estimation import estimate_dataset_areas  # noqa: E402
from mmseg_ext.engine.cross_validation import run_cell  # noqa: E402
from mmseg_ext.engine.launch import load_config  # noqa: E402
from mmseg_ext.engine.point_sampling import sample_dataset  # noqa: E402
from mmseg_ext.errors import UserError  # noqa: E402
from mmseg_ext.files import replace_file  # noqa: E402
from mmseg_ext.points.areas import format_areas  # noqa: E402
from mmseg_ext.points.point_files import write_points  # noqa: E402
from mmseg_ext.scores.confusion_matrix import mean_scores, scores_of_classes  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
ALL_LABELS = ROOT / "configs/fpn/pointfpn_r18w32_1xb8-1500_dubai-128x128.py"
RESULTS = Path(__file__).with_suffix(".json")
BUDGETS = ("1", "5", "20", "100")
SPARSE = "mmseg_ext.SparseEncoderDecoder"
AFFINITY = {"type": "mmseg_ext.FeatureAffinityLoss", "in_index": 1}
TEACHER = {"momentum": 0.01, "start": 300}
PARTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "areas": {},  # WeighLabels, with areas estimated from the points
    "grown": {},  # GrowPoints
    "wide": {},  # GrowPoints over larger squares, where colours differ less
    "teacher": {"type": SPARSE, "teacher": TEACHER},
    "strong teacher": {"type": SPARSE, "teacher": {**TEACHER, "loss_weight": 1.0}},
    # The moving average of the weights and nothing else: what a teacher is worth that does not teach.
    "average": {"type": SPARSE, "teacher": {**TEACHER, "loss_weight": 0.0}},
    "affinity": {"type": SPARSE, "regularizers": [{**AFFINITY, "start": 300}]},
    "potts": {"type": SPARSE, "regularizers": [{"type": "mmseg_ext.PottsLoss", "start": 300}]},
    "gated_crf": {"type": SPARSE, "regularizers": [{"type": "mmseg_ext.GatedCRFLoss", "start": 300}]},
    "resample": {},  # other points at every step: more labels than the budget says
}
WIDE = {"radius": 64, "tolerance": 10}
METHODS = (
    "plain",
    "areas",
    "areas+teacher",
    "grown+teacher",
    "grown+areas+teacher",
    "grown+strong teacher",
    "wide+areas+teacher",
    # Of the rest each was tried on few folds.
    "average",
    "areas+average",
    "areas+affinity",
    "areas+potts",
    "areas+gated_crf",
    "grown+areas",
    "resample",
)
FOR_ALL_LABELS = ("plain", "average")


class Cell(NamedTuple):
    """One training run."""

    method: str
    budget: str
    fold: int
    seed: int

    @property
    def name(self) -> str:
        """Its folder below that of the study."""
        return f"{self.method}-{self.budget}".replace(" ", "-")


def cell_config(cell: Cell, folder: Path) -> Path:
    """Write the config of a cell's runs, and the file of its points; the same file as long as nothing changes."""
    config = load_config(str(ALL_LABELS))
    config.pop("work_dir", None)
    for key in ("type", "regularizers", "teacher"):
        config.model.pop(key, None)
    parts = cell.method.split("+")
    config.model.type = "EncoderDecoder"
    for part in parts:
        config.model.update(PARTS[part])
    config.train_cfg.val_interval = config.train_cfg.max_iters  # the last iteration is what counts
    config.custom_hooks = [h for h in config.custom_hooks if "Pictures" not in h["type"]]
    dataset = config.train_dataloader.dataset
    dataset.update(cache_dir=str(folder / "cache"), cache_gb=1)
    if cell.budget != "all":
        source = {**dataset, "fold": cell.fold, "split": "train"}
        labels: dict[str, Any] = {"num_points": int(cell.budget), "per": "class", "resample": True}
        if "resample" not in parts:
            points = folder / f"points_{cell.budget}ppc_fold{cell.fold}.csv"
            if not points.is_file():
                drawn, _ = sample_dataset(source, int(cell.budget), per="class", seed=0)
                write_points(points, drawn, {"budget": f"{cell.budget} per class", "seed": 0, "fold": cell.fold})
            labels = {"file": str(points)}
        if "grown" in parts or "wide" in parts:
            labels["grow"] = WIDE if "wide" in parts else True
        if "areas" in parts:
            labels["areas"] = str(folder / f"areas_{cell.budget}ppc_fold{cell.fold}.json")
            if not Path(labels["areas"]).is_file():
                estimated = estimate_dataset_areas({**source, "labels": labels})
                about = {"budget": f"{cell.budget} per class", "seed": 0, "fold": cell.fold}
                replace_file(labels["areas"], format_areas(estimated.areas_of, estimated.classes, about))
        dataset.labels = labels
    path = folder / f"{cell.name}-fold{cell.fold}.py"
    config.dump(path)
    return path


class Results:
    """The matrices of the finished cells, in a file that several processes may write in turn."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[Cell, np.ndarray]:
        """Read them."""
        if not self.path.is_file():
            return {}
        records = json.loads(self.path.read_text())["cells"]
        return {Cell(*(r[f] for f in Cell._fields)): np.array(r["matrix"], dtype=np.int64) for r in records}

    def add(self, cell: Cell, matrix_CC: np.ndarray, about: dict[str, Any]) -> None:
        """Add one."""
        lines = [json.dumps({**cell._asdict(), "matrix": matrix_CC.tolist(), **about})]
        if self.path.is_file():
            kept = json.loads(self.path.read_text())["cells"]
            lines += [json.dumps(r) for r in kept if Cell(*(r[f] for f in Cell._fields)) != cell]
        replace_file(self.path, '{"cells": [\n' + ",\n".join(sorted(lines)) + "\n]}\n")


class Score(NamedTuple):
    """What a method reaches with a budget: mIoU in percent, mean and standard deviation over seeds."""

    mean: float
    std: float | None
    folds: tuple[int, ...]
    by_class: np.ndarray


def score(cells: dict[Cell, np.ndarray], method: str, budget: str, folds: Sequence[int] | None = None) -> Score | None:
    """Add up the folds of every seed, and score the sums; None where there is no cell."""
    chosen = {c: m for c, m in cells.items() if (c.method, c.budget) == (method, budget)}
    if folds is not None:
        chosen = {c: m for c, m in chosen.items() if c.fold in folds}
    seeds = sorted({c.seed for c in chosen})
    if not seeds:
        return None
    totals = [np.sum([m for c, m in chosen.items() if c.seed == seed], axis=0) for seed in seeds]
    values = [mean_scores(total)["mIoU"] for total in totals]
    by_class = np.mean([scores_of_classes(total)["IoU"] for total in totals], axis=0)
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Score(float(np.mean(values)), std, tuple(sorted({c.fold for c in chosen})), by_class)


def format_table(cells: dict[Cell, np.ndarray]) -> str:
    """Write the scores as a Markdown table: a row a budget and method, shares of full labels on the same folds."""
    lines = [
        "| points | method | mIoU | of all labels | building | land | road | vegetation | water | folds |",
        "|---:|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for budget in ("all", *BUDGETS[::-1]):
        for method in METHODS:
            got = score(cells, method, budget)
            if got is None:
                continue
            full = score(cells, "plain", "all", got.folds)
            same = full is not None and full.folds == got.folds
            share = f"{100 * got.mean / full.mean:.1f} %" if full is not None and same else "–"
            spread = f" ± {got.std:.2f}" if got.std is not None else ""
            classes = " | ".join(f"{v:.1f}" for v in got.by_class)
            folds = ", ".join(map(str, got.folds))
            lines.append(f"| {budget} | {method} | {got.mean:.2f}{spread} | {share} | {classes} | {folds} |")
    return "\n".join(lines) + "\n"


def draw_plot(cells: dict[Cell, np.ndarray], path: Path) -> None:
    """Draw mIoU over the budget, a line a method, of the methods that have all folds of full labels."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    full = score(cells, "plain", "all")
    if full is None:
        return
    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    axes.axhline(full.mean, color="black", linewidth=1, label=f"all labels, {full.mean:.1f}")
    for share in (0.95, 0.88):
        axes.axhline(share * full.mean, color="gray", linewidth=0.8, linestyle=":")
        axes.annotate(f"{share:.0%} of all labels", (1, share * full.mean), va="bottom", fontsize=8, color="gray")
    for method in METHODS:
        found = [(int(b), score(cells, method, b)) for b in BUDGETS]
        line = [(b, s.mean, s.std or 0.0) for b, s in found if s is not None and s.folds == full.folds]
        if line:
            style = "--" if method == "resample" else "-"
            budgets, means, stds = zip(*line, strict=True)
            axes.errorbar(budgets, means, stds, label=method, marker="o", capsize=3, linestyle=style)
    axes.set_xscale("log")
    axes.set_xlim(0.8, 125)
    axes.set_xticks([int(b) for b in BUDGETS], BUDGETS)
    axes.minorticks_off()
    axes.set_xlabel("labelled points a class and image")
    axes.set_ylabel(f"mIoU in percent, folds {', '.join(map(str, full.folds))} added up")
    axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main(argv: list[str] | None = None) -> int:
    """Run what is missing, print and write the table and the plot."""
    parser = argparse.ArgumentParser(description="The label-budget curve on the Dubai aerial images")
    parser.add_argument(
        "--methods", nargs="+", default=["plain", "areas", "areas+teacher", "grown+teacher"], choices=METHODS
    )
    parser.add_argument("--budgets", nargs="+", default=["all", *BUDGETS], choices=["all", *BUDGETS])
    parser.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--work-dir", default="work_dirs/label_budget", help="where runs, table and plot go")
    parser.add_argument("--results", default=str(RESULTS), help="file of the finished cells, which are not run again")
    parser.add_argument("--report", action="store_true", help="run nothing; write table and plot of what has finished")
    args = parser.parse_args(argv)
    folder = Path(args.work_dir).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    results = Results(Path(args.results))
    command = [sys.executable, str(ROOT / "tools" / "train.py")]
    about = {
        "date": datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        "machine": platform.processor() or platform.machine(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "torch": version("torch"),
    }
    wanted = [
        Cell(method, budget, fold, seed)
        for seed in args.seeds
        for fold in args.folds
        for budget in args.budgets
        for method in ([m for m in args.methods if m in FOR_ALL_LABELS] if budget == "all" else args.methods)
    ]
    try:
        for cell in [] if args.report else wanted:
            if cell in results.read():
                continue
            work_dir = folder / cell.name / f"fold{cell.fold}_seed{cell.seed}"
            print(f"== {cell.name}, fold {cell.fold}, seed {cell.seed}", flush=True)
            config = cell_config(cell, folder)
            max_iters = Config.fromfile(config).train_cfg.max_iters
            matrix = run_cell([*command, str(config)], work_dir, cell.fold, cell.seed, max_iters)
            results.add(cell, matrix.confusion_CC, {"iteration": matrix.iteration, **about})
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. The next start goes on from here.", file=sys.stderr)
        return 130
    cells = results.read()
    table = format_table(cells)
    replace_file(folder / "label_budget.md", table)
    draw_plot(cells, folder / "label_budget.png")
    print(table, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
