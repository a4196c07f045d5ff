"""Cross-validation: a config trained fold by fold, scored by the confusion matrices of the folds added up.

Cells are (fold, seed). A finished cell is not run again and an interrupted one is resumed.
"""

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.config import Config

from mmseg_ext.engine.child_process import run_to_end
from mmseg_ext.engine.config_keys import arguments_of
from mmseg_ext.engine.resumed_config import changed_settings, list_changes
from mmseg_ext.errors import UserError
from mmseg_ext.escaping import escape_markdown
from mmseg_ext.files import read_json, replace_file
from mmseg_ext.scores.confusion_matrix import mean_scores, scores_of_classes
from mmseg_ext.stack import read_dumped_config


class Matrix(NamedTuple):
    """The confusion matrix of one evaluation."""

    classes: list[str]
    iteration: int
    confusion_CC: np.ndarray


MEANS = ("mIoU", "mAcc", "aAcc")
OWN_MATRIX, ORIGINAL_MATRIX = "confusion_matrix.json", "confusion_matrix_original.json"
"""Files of `SegmentationMetric` and `OriginalResolutionMetric`."""


def last_matrix(work_dir: Path, file_name: str = OWN_MATRIX) -> Matrix | None:
    """Read the matrix of a run's last evaluation, None before the first.

    Raises:
        UserError: A file is damaged.
    """
    found = []
    for path in work_dir.glob(f"*/{file_name}"):
        try:
            record = read_json(path)
            if record["iteration"] is not None:
                found.append(Matrix(record["classes"], record["iteration"], np.array(record["matrix"], dtype=np.int64)))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise UserError(
                f"Expected the confusion matrix of an evaluation in {path}, got something else ({error!r}). Remove "
                f"{work_dir}: the fold is trained anew."
            ) from error
    return max(found, key=lambda m: m.iteration, default=None)


LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def fold_options(fold: int, seed: int) -> list[str]:
    """The config options that make a run one cell of the study."""
    return [*(f"{loader}.dataset.fold={fold}" for loader in LOADERS), f"randomness.seed={seed}"]


def check_folds(config: Config) -> None:
    """Refuse a config that cannot be cross-validated.

    Raises:
        UserError: A dataset takes no `fold`, or the schedule counts epochs.
    """
    for loader in LOADERS:
        dataset = (config.get(loader) or {}).get("dataset") or {}
        kind = dataset.get("type")
        known = arguments_of(dataset)
        if known is not None and "fold" not in known:
            raise UserError(
                f"Expected a dataset with folds in {loader}, got {kind}, which takes no `fold`. Datasets with "
                "folds: mmseg_ext.DubaiAerialDataset, DubaiBuildingsDataset, DeepGlobeLandCoverDataset, and "
                "FolderDataset with `num_folds`."
            )
    if "max_iters" not in config.train_cfg:
        raise UserError("Expected `train_cfg.max_iters`, got a schedule that counts epochs. Use IterBasedTrainLoop.")


def check_cell(work_dir: Path, config: Config, fold: int, seed: int) -> None:
    """Refuse a cell that was trained with another config.

    Args:
        work_dir: Of the cell; its newest dumped config is compared.
        config: Of the study.
        fold: Of the cell.
        seed: Likewise.

    Raises:
        UserError: Settings that a score depends on are others.
    """
    dumped = max(work_dir.glob("*.py"), key=lambda path: path.stat().st_mtime, default=None)
    if dumped is None:
        return
    now = copy.deepcopy(config)
    now.merge_from_dict({f"{loader}.dataset.fold": fold for loader in LOADERS} | {"randomness.seed": seed})
    before = read_dumped_config(dumped)
    changes = changed_settings(before, now)
    was, is_now = before.get("train_cfg", {}).get("max_iters"), config.train_cfg.max_iters
    if isinstance(was, int) and was > is_now:
        changes.append(("train_cfg.max_iters", f"{was} → {is_now}"))
    if changes:
        raise UserError(
            f"Expected the folds of this config in {work_dir.parent}, found {work_dir.name} of another one: "
            f"{list_changes(changes)}. Name another folder with --work-dir, or remove that one."
        )


def run_cell(
    command: Sequence[str], work_dir: Path, fold: int, seed: int, max_iters: int, options: Sequence[str] = ()
) -> Matrix:
    """Train one cell, unless it has finished before.

    Args:
        command: What trains the config; gets the work dir, --resume where a run has begun, and the options.
        work_dir: Of the cell.
        fold: Fold that is validated.
        seed: Seed of the run.
        max_iters: The iteration whose evaluation counts: the last.
        options: Further config options.

    Raises:
        UserError: The training failed, or left no evaluation at its end.
    """
    matrix = last_matrix(work_dir)
    if matrix is None or matrix.iteration < max_iters:
        # Without a checkpoint, --resume starts from the beginning.
        resume = ["--resume"] if work_dir.is_dir() and any(work_dir.iterdir()) else []
        options = ["--cfg-options", *options, *fold_options(fold, seed)]
        run_to_end([*command, "--work-dir", str(work_dir), *resume, *options])
        matrix = last_matrix(work_dir)
        if matrix is None or matrix.iteration < max_iters:
            raise UserError(
                f"Expected an evaluation at the last iteration, {max_iters}, in {work_dir}, found none. "
                "SegmentationMetric leaves it there as confusion_matrix.json; let val_interval divide max_iters."
            )
    return matrix


def cross_validate(
    command: Sequence[str],
    config: Config,
    name: str,
    folds: Sequence[int],
    seeds: Sequence[int],
    options: Sequence[str] = (),
    log: Callable[[str], object] = lambda line: None,
) -> str:
    """Run or resume every cell, score the sums over the folds, and write cross_validation.json and .md.

    Args:
        command: What trains the config; see :func:`run_cell`.
        config: The config, with the work dir of the study, where each cell gets a folder and the two files go.
        name: Of the study, for the title.
        folds: Folds to run.
        seeds: Seeds to run all folds with.
        options: What `command` gets behind --cfg-options besides the fold and the seed; `config` has them already.
        log: Called with a line before each cell.

    Returns:
        The content of cross_validation.md.

    Raises:
        UserError: The dataset has no folds, a cell was trained with another config, a training failed, or left no
            evaluation at its end.
    """
    check_folds(config)
    folder = Path(config.work_dir)
    cells = {(fold, seed): folder / f"fold{fold}_seed{seed}" for seed in seeds for fold in folds}
    for cell, work_dir in cells.items():
        check_cell(work_dir, config, *cell)
    max_iters = config.train_cfg.max_iters
    matrices = {}
    for number, (cell, work_dir) in enumerate(cells.items(), 1):
        fold, seed = cell
        log(f"fold {fold}, seed {seed} ({number} of {len(cells)}): {work_dir}")
        matrices[cell] = run_cell(command, work_dir, fold, seed, max_iters, options)
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
