"""How many labelled points come how close to full labels: python benchmarks/label_budget.py.

Every cell is a fit or a training run of (method, dataset, what is held out, budget, seed): all labels, or 1, 5, 20, 100
points a class and image. The score is that of the confusion matrices of all folds, or of all tiles that were left out
whole, added up; its interval is that of sets of images drawn again.

Methods: the light head on frozen features; the same, fitted to the label maps that a light head has completed
("light head+completed"); networks from random weights, with plain partial cross-entropy ("plain"),
labels weighed by estimated areas ("areas"), regularisers, a teacher, or grown points; a pretrained network that is
fine-tuned ("pretrained", "pretrained x4" for four times the schedule); and one that is trained on the label maps that a
light head has completed ("pretrained+completed").

A cell that has finished is not run again, except with ``--fresh``; a training run that was cut off is resumed. The
matrices are kept in one file (``--results``): a study goes on from it on another machine.

    OMP_NUM_THREADS=1 python benchmarks/label_budget.py --methods "light head" --datasets dubai peanut --seeds 0 1 2
    python benchmarks/label_budget.py --report
"""

import argparse
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from mmseg_ext import stack  # noqa: E402

stack.prepare()

from label_study.cells import Cell, Record, Results, run_missing  # noqa: E402
from label_study.datasets import FOLDS, SETS  # noqa: E402
from label_study.light_head import fit_and_score, light_head_config  # noqa: E402
from label_study.report import BUDGETS, draw_plot, format_table, is_tile  # noqa: E402
from label_study.trained import parts_of, train_and_score  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmseg.registry import DATASETS  # noqa: E402

from mmseg_ext.errors import run_command  # noqa: E402
from mmseg_ext.files import replace_file  # noqa: E402

RESULTS = Path(__file__).with_suffix(".json")
LIGHT_HEAD = "light head"
LIGHT_HEADS = (LIGHT_HEAD, "light head+completed")
METHODS = (
    *LIGHT_HEADS,
    "pretrained",
    "pretrained x4",
    "pretrained x8",
    "pretrained+areas",
    "pretrained x4+areas",
    "pretrained+completed",
    "pretrained x4+completed",
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
FOR_ALL_LABELS = (LIGHT_HEAD, "plain", "average", "pretrained", "pretrained x4", "pretrained x8")


def wanted_cells(args: argparse.Namespace) -> list[Cell]:
    """List the cells of a command, those of the first seed before the others.

    With all labels there are no points to draw: the light head is fitted once.
    """
    return [
        Cell(method, dataset, fold, budget, seed)
        for seed in args.seeds
        for dataset in args.datasets
        for fold in args.folds or [*FOLDS, *SETS[dataset].groups]
        for budget in args.budgets
        for method in args.methods
        if (budget != "all" or method in FOR_ALL_LABELS)
        and not (budget == "all" and method == LIGHT_HEAD and seed != args.seeds[0])
        and (parts_of(method)[0] or method in LIGHT_HEADS or SETS[dataset].random_weights)
    ]


def run(cell: Cell, folder: Path, data_root: str | None) -> Record:
    """Run one cell."""
    if cell.method in LIGHT_HEADS:
        return fit_and_score(light_head_config(cell, ROOT, data_root, folder))
    return train_and_score(cell, ROOT, data_root, folder)


def report(results: Results, folder: Path) -> str:
    """Write the tables and plots of what has finished; returns the tables."""
    cells = results.read()
    tables = []
    for dataset, study in SETS.items():
        for name, folds in (("folds", FOLDS), ("tiles left out whole", study.groups)):
            if not any(c.dataset == dataset and c.fold in folds for c in cells):
                continue
            config = Config.fromfile(ROOT / study.light_head).val_dataloader.dataset
            classes = DATASETS.build({**config, "pipeline": [], "lazy_init": True}).metainfo["classes"]
            tables.append(f"{dataset}, {name}\n\n" + format_table(cells, dataset, METHODS, folds, classes))
            kind = "_tiles" if is_tile(folds[0]) else ""
            draw_plot(cells, dataset, METHODS, folds, folder / f"label_budget_{dataset}{kind}.png")
    text = "\n".join(tables)
    replace_file(folder / "label_budget.md", text)
    return text


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description="The label-budget study")
    parser.add_argument("--methods", nargs="+", default=[LIGHT_HEAD], choices=METHODS)
    parser.add_argument("--datasets", nargs="+", default=["dubai"], choices=list(SETS))
    parser.add_argument("--budgets", nargs="+", default=["all", *BUDGETS], choices=["all", *BUDGETS])
    parser.add_argument("--folds", nargs="+", help="0 1 2, or tile_1 …, which are left out whole; all by default")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--data-root", help="of the dataset, where it is not below data/")
    parser.add_argument("--work-dir", default="work_dirs/label_budget", help="where runs, tables and plots go")
    parser.add_argument("--results", default=str(RESULTS), help="file of the finished cells, which are not run again")
    parser.add_argument("--fresh", action="store_true", help="run the cells again that have finished")
    parser.add_argument("--report", action="store_true", help="run nothing; write the tables of what has finished")
    return parser.parse_args(argv)


def run_study(args: argparse.Namespace) -> None:
    """Run what is missing, print and write the tables and the plots."""
    DefaultScope.get_instance("label_budget", scope_name="mmseg")
    folder = Path(args.work_dir).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    results = Results(Path(args.results))
    machine = platform.processor() or platform.machine()

    def run_cell(cell: Cell) -> Record:
        record = run(cell, folder, args.data_root)
        return record._replace(about={**record.about, "machine": machine})

    def is_finished(cell: Cell) -> bool:
        return not args.fresh and cell in results.read()

    run_missing([] if args.report else wanted_cells(args), is_finished, run_cell, results)
    print(report(results, folder), end="")


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run_study(parse_args(argv)), "Stopped. The next start goes on from here.")


if __name__ == "__main__":
    sys.exit(main())
