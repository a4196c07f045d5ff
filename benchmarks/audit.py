"""How well an audit finds errors that were put into labels: python benchmarks/audit.py --data data.

Errors of one kind are put into 5 % of the areas of a dataset. The audit judges the changed labels as it would any. Its
candidates are compared with what was changed, and with a ranking of the areas in which the same predictions differ from
the labels, by their mean loss. Images are ranked as well: by their worst candidate, by mean loss, and by cleanlab where
it is installed. It is AGPL, and no dependency: ``pip install --target FOLDER cleanlab``, then ``--cleanlab FOLDER``.
Chance is the mean of any order. Each finished cell (dataset, kind, seed) is kept in ``--out`` and not run again.

Errors that the labels hold already count as false positives on all sides. How many of the first 20 areas are such
errors by a person's judgement is counted apart: benchmarks/audit_study/judged_dubai.csv has the verdicts on 48 places
of the labels as they are.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mmseg_ext import stack  # noqa: E402

stack.prepare()

from mmengine.registry import DefaultScope  # noqa: E402

from benchmarks.audit_study.errors import KINDS, Error, put_errors  # noqa: E402
from benchmarks.audit_study.measures import (  # noqa: E402
    Box,
    RankedArea,
    average_precision,
    count_judged,
    match_areas,
    precision_at,
    read_judged,
)
from benchmarks.audit_study.rivals import cleanlab_scores, import_cleanlab, loss_areas, small_copy  # noqa: E402
from benchmarks.audit_study.weights import fit_weights  # noqa: E402
from benchmarks.comparison import describe_machine, more_is_better, publish  # noqa: E402
from mmseg_ext.audit.auditing import judge  # noqa: E402
from mmseg_ext.audit.candidates import Kind  # noqa: E402
from mmseg_ext.audit.folds import assign_folds  # noqa: E402
from mmseg_ext.audit.held_out_models import HeldOutModels  # noqa: E402
from mmseg_ext.audit.judged_images import JudgedImages  # noqa: E402
from mmseg_ext.audit.pixel_evidence import gather_evidence  # noqa: E402
from mmseg_ext.audit.ranking import Ranking  # noqa: E402
from mmseg_ext.engine.label_completion import own_model, segmentor_of_classes  # noqa: E402
from mmseg_ext.engine.launch import load_config  # noqa: E402
from mmseg_ext.files import replace_file  # noqa: E402
from mmseg_ext.progress import ProgressDisplay  # noqa: E402

LEAVES = {name: f"configs/features/features_effnetlite0_1xb1-1_{name}-1024x1024.py" for name in ("dubai", "peanut")}
SHARE = 0.05
NUM_FOLDS = 5


class ChangedImages(JudgedImages):
    """Images whose labels are others than those of the files."""

    labels: Sequence[np.ndarray] = ()

    def sample(self, index: int) -> dict:
        """Read an image, with its changed labels."""
        sample = super().sample(index)
        return {**sample, "gt_seg_map": self.labels[index].copy()} if self.labels else sample


class Study:
    """The cells of one dataset.

    Args:
        name: 'dubai' or 'peanut'.
        args: Of the command.
    """

    def __init__(self, name: str, args: argparse.Namespace) -> None:
        options = {"train_dataloader.dataset.data_root": str(args.data / name), "train_dataloader.dataset.split": "all"}
        config = load_config(str(ROOT / LEAVES[name]), cfg_options=options)
        own = own_model(config)
        self.scale = tuple(round(length * args.scale) for length in own["scale"])
        self.model = {**own["model"], "cache_dir": args.cache, "cache_dtype": "float16", "cache_gb": 40.0}
        self.images = ChangedImages(config.train_dataloader.dataset)
        if args.images:
            step = len(self.images) / args.images
            chosen = [round(index * step) for index in range(args.images)]
            self.images.dataset.get_subset_(chosen)
            self.images.names = [self.images.names[index] for index in chosen]
        self.folds_N = assign_folds(self.images.names, args.groups, NUM_FOLDS)
        self.labels = [self.images.sample(index)["gt_seg_map"] for index in range(len(self.images))]
        self.judged = read_judged(ROOT / f"benchmarks/audit_study/judged_{name}.csv", self.images.names)
        self.cleanlab = import_cleanlab(args.cleanlab)
        self.measured: list[tuple[Kind, tuple[float, ...], bool]] = []

    def run_cell(self, kind: str, seed: int) -> dict[str, Any]:
        """Put errors into the labels, audit them, and measure all rankings."""
        num_classes = len(self.images.classes)
        self.images.labels, errors = put_errors(self.labels, num_classes, kind, SHARE, seed)
        models = HeldOutModels(segmentor_of_classes(self.model, num_classes), self.scale, self.folds_N)
        models.fit(self.images)
        ranking = Ranking(models.points)
        ours: list[tuple[RankedArea, Kind, tuple[float, ...]]] = []
        by_loss: list[RankedArea] = []
        worst, losses, copies = [], [], []
        with ProgressDisplay("Judging the labels") as progress:
            for index in range(len(self.images)):
                sample, fold = self.images.sample(index), int(self.folds_N[index])
                known_C, labels_HW = models.known_FC[fold], sample["gt_seg_map"]
                probabilities = models.predict(sample, fold)
                record, _ = judge(probabilities, labels_HW, known_C, ranking)
                for c in record.candidates:
                    area = RankedArea(index, (slice(*c.rows), slice(*c.columns)), c.mask_hw, c.score)
                    ours.append((area, c.kind, ranking.measure(c, labels_HW.size)))
                evidence = gather_evidence(probabilities, labels_HW, known_C)
                by_loss += loss_areas(index, evidence, num_classes)
                worst.append(max((c.score for c in record.candidates), default=0.0))
                losses.append(record.mean_loss)
                if self.cleanlab is not None:
                    copies.append(small_copy(probabilities[0].cpu().numpy(), labels_HW))
                progress(index + 1, len(self.images))
        ours.sort(key=lambda row: -row[0].score)
        areas = {"audit": [row[0] for row in ours], "loss": by_loss}
        found = {side: match_areas(some, errors) for side, some in areas.items()}
        self.measured += [(*row[1:], error != -1) for row, error in zip(ours, found["audit"].tolist(), strict=True)]
        image_scores = {"audit": np.array(worst), "loss": np.array(losses)}
        if copies:
            probabilities_NCHW, labels_NHW = map(np.stack, zip(*copies, strict=True))
            image_scores["cleanlab"] = -cleanlab_scores(self.cleanlab, probabilities_NCHW, labels_NHW)
        return {
            "num_errors": len(errors),
            "calibration_error": models.points.calibration_error,
            "areas": {
                side: _measure_areas(some, found[side], len(errors), self.judged) for side, some in areas.items()
            },
            "images": _measure_images(image_scores, errors, len(self.images)),
        }


def _measure_areas(
    areas: Sequence[RankedArea], found_R: np.ndarray, num_errors: int, judged: Mapping[int, Sequence[Box]]
) -> dict[str, float]:
    counted = found_R[found_R != -2]
    return {
        "precision@20": precision_at(found_R),
        "judged wrong among them": count_judged(areas, found_R, judged),
        "average precision": average_precision(found_R, num_errors),
        "found": float((found_R >= 0).sum() / num_errors),
        "chance": float((counted >= 0).mean()) if len(counted) else 0.0,
    }


def _measure_images(scores: dict[str, np.ndarray], errors: Sequence[Error], num_images: int) -> dict[str, Any]:
    has_error = np.zeros(num_images, bool)
    has_error[[error.image for error in errors]] = True
    measured: dict[str, Any] = {"chance": float(has_error.mean())}
    for name, values in scores.items():
        found = np.where(has_error[np.argsort(-values, kind="stable")], 0, -1)
        measured[name] = {
            "precision@20": precision_at(found, min(20, num_images)),
            "average precision": average_precision(found, int(has_error.sum())),
        }
    return measured


def report(cells: dict[str, dict[str, Any]]) -> str:
    """Lay out the means over the seeds as Markdown tables."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for key, cell in cells.items():
        dataset, kind, _ = key.split()
        groups.setdefault((dataset, kind), []).append(cell)
    lines = [
        "| data | kind | seeds | errors | p@20 audit | judged wrong besides | loss | judged wrong besides | chance "
        "| AP audit | loss | found audit | loss |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    images = [
        "| data | kind | image p@20 audit | cleanlab | loss | chance | image AP audit | cleanlab | loss |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for (dataset, kind), some in groups.items():

        def mean(*path: str, some: list[dict[str, Any]] = some) -> str:
            values = []
            for cell in some:
                value: Any = cell
                for step in path:
                    value = value.get(step, {}) if isinstance(value, dict) else {}
                if not isinstance(value, dict):
                    values.append(value)
            return f"{np.mean(values):.2f}" if values else ""

        p20, ap, judged = "precision@20", "average precision", "judged wrong among them"
        row = [
            dataset,
            kind,
            str(len(some)),
            mean("num_errors"),
            mean("areas", "audit", p20),
            mean("areas", "audit", judged),
            mean("areas", "loss", p20),
            mean("areas", "loss", judged),
        ]
        row += [mean("areas", "audit", "chance"), mean("areas", "audit", ap), mean("areas", "loss", ap)]
        lines.append(_row([*row, mean("areas", "audit", "found"), mean("areas", "loss", "found")]))
        sides = ("audit", "cleanlab", "loss")
        row = [dataset, kind, *(mean("images", side, p20) for side in sides), mean("images", "chance")]
        images.append(_row([*row, *(mean("images", side, ap) for side in sides)]))
    return "\n".join([*lines, "", *images])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cells that are missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder that holds dubai and peanut")
    parser.add_argument("--datasets", nargs="+", choices=list(LEAVES), default=list(LEAVES))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--groups", default="image", help="as for tools/audit_labels.py")
    parser.add_argument("--images", type=int, help="so many of the images alone")
    parser.add_argument("--scale", type=float, default=1.0, help="of the images that the network sees")
    parser.add_argument("--cache", type=Path, help="folder for features, which all cells share")
    parser.add_argument("--cleanlab", type=Path, help="folder that cleanlab was installed into")
    parser.add_argument("--fit", action="store_true", help="print weights of the score fitted to the cells run now")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/audit_study.json"), help="file of finished cells")
    args = parser.parse_args(argv)
    print(describe_machine(), flush=True)
    cells: dict[str, dict[str, Any]] = json.loads(args.out.read_text()) if args.out.is_file() else {}
    measured: list[tuple[Kind, tuple[float, ...], bool]] = []
    with DefaultScope.overwrite_default_scope("mmseg"):
        for name in args.datasets:
            wanted = [(kind, seed) for kind in args.kinds for seed in args.seeds]
            missing = [cell for cell in wanted if f"{name} {cell[0]} {cell[1]}" not in cells]
            study = Study(name, args) if missing else None
            for kind, seed in missing:
                cell = study.run_cell(kind, seed) if study is not None else {}
                cells[f"{name} {kind} {seed}"] = cell
                replace_file(args.out, json.dumps(cells, indent=1))
                print(f"{name}, {kind}, seed {seed}: {json.dumps(cell['areas'])}", flush=True)
            measured += study.measured if study is not None else []
    if args.fit:
        for area_kind, weights in fit_weights(measured).items():
            print(f"{area_kind}: {weights}", flush=True)
    print(report(cells))
    for key, cell in cells.items():
        ours, loss = (cell["areas"][side]["average precision"] for side in ("audit", "loss"))
        publish(more_is_better(f"label errors found, {key}", ours, max(loss, 1e-9), "AP", against="plain loss"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
