"""The trained networks in the label-budget study: their configs, runs and scores."""

import sys
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from mmseg.registry import DATASETS, MODELS

from label_study.cells import Cell, Record
from label_study.datasets import FOLDS, SETS, hold_out, set_points
from label_study.light_head import score_images
from mmseg_ext.engine.area_estimation import estimate_dataset_areas
from mmseg_ext.engine.cross_validation import run_cell
from mmseg_ext.engine.launch import load_config
from mmseg_ext.engine.point_sampling import sample_dataset
from mmseg_ext.files import replace_file
from mmseg_ext.points.areas import format_areas
from mmseg_ext.points.point_files import write_points

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
    "completed": {},  # label maps that a light head completes from the points
}
WIDE = {"radius": 64, "tolerance": 10}
SCHEDULES = {"pretrained": None, "pretrained x4": 4, "pretrained x8": 8}
"""Fine-tuned networks, by how many times their config's schedule they are trained."""


def parts_of(method: str) -> tuple[str | None, list[str]]:
    """Split a method into the schedule of a pretrained network, None for random weights, and its other parts."""
    first, *others = method.split("+")
    return (first, others) if first in SCHEDULES else (None, [first, *others])


def trained_config(cell: Cell, root: Path, data_root: str | None, folder: Path) -> Path:
    """Write the config of a cell's runs, and the file of its points; the same file as long as nothing changes."""
    schedule, parts = parts_of(cell.method)
    source = SETS[cell.dataset].pretrained if schedule else SETS[cell.dataset].random_weights
    config = load_config(str(root / source))
    config.pop("work_dir", None)
    for key in ("type", "regularizers", "teacher"):
        config.model.pop(key, None)
    config.model.type = "EncoderDecoder"
    for part in parts:
        config.model.update(PARTS[part])
    _lengthen(config, SCHEDULES.get(schedule or "") or 1)
    config.custom_hooks = [h for h in config.custom_hooks if "Pictures" not in h["type"]]
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        if data_root:
            config[loader].dataset.data_root = data_root
    hold_out(config, cell.fold)
    dataset = config.train_dataloader.dataset
    dataset.update(cache_dir=str(folder / "cache"), cache_gb=1)
    set_points(config, cell.budget, cell.seed)
    if cell.budget != "all":
        _set_labels(dataset, cell, parts, folder)
    path = folder / f"{cell.name}.py"
    config.dump(path)
    return path


def _lengthen(config: Config, factor: int) -> None:
    config.train_cfg.max_iters *= factor
    config.train_cfg.val_interval = config.train_cfg.max_iters  # the last iteration is what counts
    last = config.param_scheduler[-1]
    last.end = config.train_cfg.max_iters


def _set_labels(dataset: Any, cell: Cell, parts: list[str], folder: Path) -> None:
    """Write the points of a cell, and the areas that they stand for, and let the dataset read them."""
    about = {"budget": f"{cell.budget} per class", "seed": cell.seed, "fold": cell.fold}
    stem = f"{cell.dataset}_{cell.budget}ppc_fold{cell.fold}_seed{cell.seed}"
    source = {key: value for key, value in dataset.items() if key != "labels"}
    labels: dict[str, Any]
    if "resample" in parts:
        labels = {"num_points": int(cell.budget), "per": "class", "resample": True}
    elif "completed" in parts:  # sampled, so that a class without points is known not to be in an image
        labels = {**dataset.labels, "complete": True}
    else:
        points = folder / f"points_{stem}.csv"
        if not points.is_file():
            drawn, _ = sample_dataset(source, int(cell.budget), per="class", seed=cell.seed)
            write_points(points, drawn, about)
        labels = {"file": str(points)}
    if "grown" in parts or "wide" in parts:
        labels["grow"] = WIDE if "wide" in parts else True
    if "areas" in parts:
        labels["areas"] = str(folder / f"areas_{stem}.json")
        if not Path(labels["areas"]).is_file():
            estimated = estimate_dataset_areas({**source, "labels": labels})
            replace_file(labels["areas"], format_areas(estimated.areas_of, estimated.classes, about))
    dataset.labels = labels


def train_and_score(cell: Cell, root: Path, data_root: str | None, folder: Path) -> Record:
    """Train a cell, unless it has finished before, and score its last checkpoint image by image."""
    return run_and_score(cell, trained_config(cell, root, data_root, folder), root, folder)


def run_and_score(cell: Cell, path: Path, root: Path, folder: Path) -> Record:
    """Train the config of a cell, unless it has finished before, and score its last checkpoint image by image."""
    config = Config.fromfile(path)
    max_iters = config.train_cfg.max_iters
    work_dir = folder / cell.name
    fold = int(cell.fold) if cell.fold in FOLDS else 0  # a tile is left out by indices
    command = [sys.executable, str(root / "tools" / "train.py"), str(path)]
    matrix = run_cell(command, work_dir, fold, cell.seed, max_iters)
    model: Any = MODELS.build(config.model)
    load_checkpoint(model, str(work_dir / f"iter_{max_iters}.pth"), map_location="cpu")
    torch.manual_seed(0)
    images_NCC = score_images(model.eval(), DATASETS.build(config.val_dataloader.dataset))
    return Record(images_NCC, {"by_image": True, "iteration": matrix.iteration})
