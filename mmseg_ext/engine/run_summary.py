"""What a run is, in some lines at its start."""

from pathlib import Path

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmseg_ext import __version__
from mmseg_ext.engine.next_command import short_path
from mmseg_ext.points.label_budget import budget_of


def count_parameters(model: torch.nn.Module) -> tuple[int, int]:
    """Count all parameters and those that are trained."""
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad)


def describe_data(runner: Runner, split: str) -> str:
    """Say in one line what a split holds; the check before training, where it ran, adds sizes and labels."""
    dataset = getattr(runner, f"{split}_dataloader").dataset
    text = f"{type(dataset).__name__}, {len(dataset):,} images"
    report = getattr(runner, "data_reports", {}).get(split)
    if report is not None:
        text += f", {report.labelled_percent:.1f} % of the pixels labelled"
    return text


def describe_model(model: torch.nn.Module) -> str:
    """Name backbone, neck and decode head, and count the parameters."""
    parts = [type(getattr(model, p)).__name__ for p in ("backbone", "neck", "decode_head") if getattr(model, p, None)]
    total, trained = count_parameters(model)
    return f"{' → '.join(parts)}, {total / 1e6:.2f} M parameters, {trained / 1e6:.2f} M trained"


def val_interval_of(runner: Runner) -> int | None:
    """Return the iterations (or epochs) between two validations, None for a run without validation."""
    return None if runner.val_loop is None else getattr(runner.train_loop, "val_interval", None)


def describe_schedule(runner: Runner) -> str:
    """Say how long is trained, with what batch, optimizer and learning rate, and how often is validated."""
    own = getattr(runner.train_loop, "description", None)
    if own is not None:
        return own
    batch = runner.train_dataloader.batch_size * runner.world_size
    optimizer = runner.cfg.optim_wrapper.get("optimizer", {})
    text = f"{runner.max_iters:,} iterations of {batch} images, {optimizer.get('type')} lr {optimizer.get('lr')}"
    if runner.val_loop is not None:
        text += f", validation every {val_interval_of(runner)}"
    return text + (f", resumed at {runner.iter:,}" if runner.iter else "")


def describe_device(runner: Runner) -> str:
    """Name the device, and the number of processes where there are several."""
    if torch.cuda.is_available():
        text = torch.cuda.get_device_name()
    else:
        text = f"CPU, {torch.get_num_threads()} threads (no GPU found)"
    if runner.world_size > 1:
        text += f", {runner.world_size} processes"
    if runner.cfg.get("sync_batchnorm_replaced"):
        text += ", SyncBN replaced by BN"
    return text


def summarize_run(runner: Runner) -> list[tuple[str, str]]:
    """List what a run trains on, with what, and where its files go, as (name, text)."""
    name = Path(runner.cfg.filename).stem if runner.cfg.filename else runner.experiment_name
    classes = (runner.train_dataloader.dataset.metainfo or {}).get("classes") or ()
    budget = budget_of(runner.cfg.train_dataloader.dataset)
    return [
        ("mmseg_ext", f"{__version__} trains {name}"),
        ("train", describe_data(runner, "train")),
        ("labels", budget.describe() if budget else "all of the training images"),
        ("val", "none, nothing is scored" if runner.val_loop is None else describe_data(runner, "val")),
        ("classes", f"{len(classes)}: {', '.join(classes[:12])}" + (", …" if len(classes) > 12 else "")),
        ("model", describe_model(runner.model.module if is_model_wrapper(runner.model) else runner.model)),
        ("schedule", describe_schedule(runner)),
        ("device", describe_device(runner)),
        ("pictures", short_path(Path(runner.work_dir) / "pictures")),
        ("log", short_path(runner.logger.log_file)),
    ]
