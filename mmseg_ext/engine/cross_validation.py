"""Cross-validation: a config trained fold by fold, scored by the confusion matrices of the folds added up.

Cells are (fold, seed). A finished cell is not run again and an interrupted one is resumed.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.config import Config

from mmseg_ext.engine.child_process import run_to_end
from mmseg_ext.errors import UserError
from mmseg_ext.escaping import escape_markdown
from mmseg_ext.files import replace_file
from mmseg_ext.scores.confusion_matrix import mean_scores, scores_of_classes


class Matrix(NamedTuple):
    """The confusion matrix of one evaluation."""

    classes: list[str]
    iteration: int
    confusion_CC: np.ndarray


MEANS = ("mIoU", "mAcc", "aAcc")
OWN_MATRIX, ORIGINAL_MATRIX = "confusion_matrix.json", "confusion_matrix_original.json"
"""Files of `SegmentationMetric` and `OriginalResolutionMetric`."""


def last_matrix(work_dir: Path, file_name: str = OWN_MATRIX) -> Matrix | None:
    """Read the matrix of a run's last evaluation, None before the first."""
    found = []
    for path in work_dir.glob(f"*/{file_name}"):
        record = json.loads(path.read_text())
        if record["iteration"] is not None:
            found.append(Matrix(record["classes"], record["iteration"], np.array(record["matrix"], dtype=np.int64)))
    return max(found, key=lambda m: m.iteration, default=None)


def fold_options(fold: int, seed: int) -> list[str]:
    """The config options that make a run one cell of the study."""
    loaders = ("train_dataloader", "val_dataloader", "test_dataloader")
    return [*(f"{loader}.dataset.fold={fold}" for loader in loaders), f"randomness.seed={seed}"]


def run_cell(command: Sequence[str], work_dir: Path, fold: int, seed: int, max_iters: int) -> Matrix:
    """Train one cell, unless it has finished before.

    Args:
        command: What trains the config; gets the work dir, --resume where a run has begun, and the options.
        work_dir: Of the cell.
        fold: Fold that is validated.
        seed: Seed of the run.
        max_iters: The iteration whose evaluation counts: the last.

    Raises:
        UserError: The training failed, or left no evaluation at its end.
    """
    matrix = last_matrix(work_dir)
    if matrix is None or matrix.iteration < max_iters:
        # Without a checkpoint, --resume starts from the beginning.
        resume = ["--resume"] if work_dir.is_dir() and any(work_dir.iterdir()) else []
        options = ["--cfg-options", *fold_options(fold, seed)]
        run_to_end([*command, "--work-dir", str(work_dir), *resume, *options])
        matrix = last_matrix(work_dir)
        if matrix is None or matrix.iteration < max_iters:
            raise UserError(
                f"Expected an evaluation at the last iteration, {max_iters}, in {work_dir}, found none. "
                "SegmentationMetric leaves it there as confusion_matrix.json; let val_interval divide max_iters."
            )
    return matrix


def cross_validate(
    command: Sequence[str], config: Config, name: str, folds: Sequence[int], seeds: Sequence[int]
) -> str:
    """Run or resume every cell, score the sums over the folds, and write cross_validation.json and .md.

    Args:
        command: What trains the config; see :func:`run_cell`.
        config: The config, with the work dir of the study, where each cell gets a folder and the two files go.
        name: Of the study, for the title.
        folds: Folds to run.
        seeds: Seeds to run all folds with.

    Returns:
        The content of cross_validation.md.

    Raises:
        UserError: A training failed, or left no evaluation at its end.
    """
    folder = Path(config.work_dir)
    cells = {(fold, seed): folder / f"fold{fold}_seed{seed}" for seed in seeds for fold in folds}
    max_iters = config.train_cfg.max_iters
    matrices = {cell: run_cell(command, work_dir, *cell, max_iters) for cell, work_dir in cells.items()}
    summary = summarize(matrices)
    originals = original_matrices(cells, matrices)
    if originals:
        summary["original"] = summarize(originals)
    text = format_summary(name, summary)
    replace_file(folder / "cross_validation.json", json.dumps(summary, indent=1))
    replace_file(folder / "cross_validation.md", text)
    return text


def original_matrices(cells: dict[tuple[int, int], Path], own: dict[tuple[int, int], Matrix]) -> dict:
    """Read the matrices against the original labels of a downsampled copy.

    Args:
        cells: The work dir of each cell, by (fold, seed).
        own: The matrices at the resolution of the data.

    Returns:
        Matrices by (fold, seed); none where a cell lacks one, or where they are those of `own`.
    """
    found = {}
    for cell, work_dir in cells.items():
        matrix = last_matrix(work_dir, ORIGINAL_MATRIX)
        if matrix is None or matrix.iteration != own[cell].iteration:
            return {}
        found[cell] = matrix
    is_other = any(not np.array_equal(found[cell].confusion_CC, own[cell].confusion_CC) for cell in found)
    return found if is_other else {}


def summarize(matrices: dict[tuple[int, int], Matrix]) -> dict:
    """Add up the folds of each seed and score the sums.

    Args:
        matrices: By (fold, seed).

    Returns:
        JSON-ready: for each seed its mIoU, mAcc, aAcc and IoU by class, in percent; over the seeds the mean and, with
        two seeds or more, the standard deviation (n − 1).
    """
    classes = next(iter(matrices.values())).classes
    by_seed: dict[int, dict] = {}
    for seed in sorted({seed for _, seed in matrices}):
        total_CC = np.sum([m.confusion_CC for (_, s), m in matrices.items() if s == seed], axis=0)
        means = mean_scores(total_CC)
        iou = scores_of_classes(total_CC)["IoU"]
        by_seed[seed] = {name: round(means[name], 2) for name in MEANS}
        by_seed[seed]["IoU"] = {name: round(float(v), 2) for name, v in zip(classes, iou, strict=True)}
    scores = np.array([[seed[name] for name in MEANS] for seed in by_seed.values()])
    return {
        "folds": sorted({fold for fold, _ in matrices}),
        "iterations": sorted({m.iteration for m in matrices.values()}),
        "seeds": by_seed,
        "mean": dict(zip(MEANS, scores.mean(0).round(2).tolist(), strict=True)),
        "std": dict(zip(MEANS, scores.std(0, ddof=1).round(2).tolist(), strict=True)) if len(by_seed) > 1 else None,
    }


def format_summary(name: str, summary: dict) -> str:
    """Write a summary as a Markdown table, a row a seed; and one more where it has scores on the original labels."""
    folds = ", ".join(map(str, summary["folds"]))
    lines = [
        f"# {escape_markdown(name)}: folds {folds} added up, last iteration",
        "",
        *_table(summary),
    ]
    if "original" in summary:
        lines += ["", "Predictions enlarged to the original labels:", "", *_table(summary["original"])]
    return "\n".join(lines) + "\n"


def _table(summary: dict) -> list[str]:
    classes = list(next(iter(summary["seeds"].values()))["IoU"])
    lines = [
        "| seed | mIoU | mAcc | aAcc | " + " | ".join(map(escape_markdown, classes)) + " |",
        "|---" * (4 + len(classes)) + "|",
    ]
    for seed, scores in summary["seeds"].items():
        cells = [*(scores[name] for name in MEANS), *scores["IoU"].values()]
        lines.append(f"| {seed} | " + " | ".join(f"{c:.2f}" for c in cells) + " |")
    if summary["std"]:
        cells = [f"{summary['mean'][k]:.2f} ± {summary['std'][k]:.2f}" for k in MEANS]
        lines.append("| mean | " + " | ".join(cells) + " |" + " |" * len(classes))
    return lines
