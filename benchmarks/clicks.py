"""What suggested clicks are worth: python benchmarks/clicks.py.

A person who knows the truth is simulated, not what the program asks: a policy names a spot, the person answers with its
class. "suggestions" is the page's own "next" of tools/annotate.py, from its first spot on; "random" draws pixels, the
images taking turns; "grid" lays an even grid over each image. The model is the page's: a light head on frozen features,
fitted to the clicks of all images, and mixed with that of an image's own clicks.

A session annotates some images of the training folds. Scored are these images, and all images of the held-out fold,
which have no clicks. A session that has finished is kept and not run again: the study can be stopped and goes on.

    OMP_NUM_THREADS=1 python benchmarks/clicks.py --datasets dubai peanut --folds 0 1 2 --seeds 0 1 2
    python benchmarks/clicks.py --datasets dubai peanut --report
    python benchmarks/clicks.py --latency 50 500 5000      # time from click to picture, and memory
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from mmseg_ext import stack  # noqa: E402

stack.prepare()

import numpy as np  # noqa: E402
from click_study.latency import measure_latency  # noqa: E402
from click_study.report import POLICIES, WHERE, Cell, Record, Results, compare  # noqa: E402
from click_study.simulation import load_images, simulate, study_config  # noqa: E402
from label_study.cells import describe_run  # noqa: E402
from label_study.datasets import FOLDS, SETS  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmseg.registry import DATASETS  # noqa: E402

from mmseg_ext.annotation.live_model import LiveModel  # noqa: E402
from mmseg_ext.errors import run_command  # noqa: E402
from mmseg_ext.files import replace_file  # noqa: E402

CLICKS_AN_IMAGE = (0.5, 1, 2, 3, 5, 8, 12, 20, 30, 50, 100)


def classes_of(dataset: str, data_root: str | None) -> list[str]:
    """Name the classes of a dataset."""
    config = study_config(dataset, "0", ROOT, data_root)
    built = DATASETS.build({**config.val_dataloader.dataset, "pipeline": [], "lazy_init": True})
    return list(built.metainfo["classes"])


def run(cell: Cell, args: argparse.Namespace) -> Record:
    """Run one session."""
    config = study_config(cell.dataset, cell.fold, ROOT, args.data_root)
    num_classes = len(classes_of(cell.dataset, args.data_root))
    model = LiveModel(num_classes, cache_dir=Path(args.work_dir) / "features")
    count = len(DATASETS.build({**config.train_dataloader.dataset, "pipeline": []}))
    rng = np.random.default_rng([cell.seed, int(cell.fold)])
    chosen = sorted(rng.choice(count, min(args.images, count), replace=False).tolist())
    images = load_images(config, "train", model, chosen)
    held_out = load_images(config, "val", model)
    budgets = sorted({max(2, round(clicks * len(images))) for clicks in args.clicks})
    annotated, others, seconds = simulate(cell.policy, images, held_out, model, budgets, cell.seed)
    about = {**describe_run(), "processor seconds a click": round(seconds, 3)}
    names = {"annotated": [image.name for image in images], "held out": [image.name for image in held_out]}
    return Record(budgets, names, {"annotated": annotated, "held out": others}, about)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the flags."""
    parser = argparse.ArgumentParser(description="Suggested, random and evenly spread clicks, by a simulated person")
    parser.add_argument("--datasets", nargs="+", default=["dubai"], choices=list(SETS))
    parser.add_argument("--policies", nargs="+", default=list(POLICIES), choices=POLICIES)
    parser.add_argument("--folds", nargs="+", default=list(FOLDS), choices=FOLDS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=12, help="images that are annotated")
    parser.add_argument("--clicks", type=float, nargs="+", default=CLICKS_AN_IMAGE, help="budgets, clicks an image")
    parser.add_argument("--data-root", help="of the dataset, where it is not below data/")
    parser.add_argument("--work-dir", default="work_dirs/clicks", help="where sessions, features and tables go")
    parser.add_argument("--report", action="store_true", help="run nothing; write the tables of what has finished")
    parser.add_argument("--latency", type=int, nargs="+", help="measure time and memory at these numbers of images")
    return parser.parse_args(argv)


def run_study(args: argparse.Namespace) -> None:
    """Run what is missing, print and write the tables."""
    DefaultScope.get_instance("clicks", scope_name="mmseg")
    if args.latency:
        print(measure_latency(args.latency), end="")
        return
    results = Results(Path(args.work_dir) / "sessions")
    wanted = [
        Cell(policy, dataset, fold, seed)
        for seed in args.seeds
        for dataset in args.datasets
        for fold in args.folds
        for policy in args.policies
    ]
    for number, cell in enumerate(wanted, 1):
        if not args.report and results.find(cell) is None:
            print(f"== {number} of {len(wanted)}: {' '.join(map(str, cell))}", flush=True)
            results.add(cell, run(cell, args))
    cells = {cell: record for cell in wanted if (record := results.find(cell)) is not None}
    tables = [
        compare(cells, dataset, where, classes_of(dataset, args.data_root))
        for dataset in args.datasets
        for where in WHERE
    ]
    text = "\n".join(tables)
    replace_file(Path(args.work_dir) / "clicks.md", text)
    print(text, end="")


def main(argv: list[str] | None = None) -> int:
    """Return 0, 2 after an error that the user can fix, or 130 after Ctrl-C."""
    return run_command(lambda: run_study(parse_args(argv)), "Stopped. The next start goes on from here.")


if __name__ == "__main__":
    sys.exit(main())
