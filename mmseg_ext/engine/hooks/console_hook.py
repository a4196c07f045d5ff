"""What a person at the screen wants to know of a run."""

import os
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from mmseg_ext import __version__
from mmseg_ext.points.label_budget import budget_of
from mmseg_ext.registry import HOOKS

BEST_KEY = "mmseg_ext_best"  # in the message hub, so that checkpoints carry it through a resume


def format_seconds(seconds: float) -> str:
    """Write a duration.

    Example:
        >>> format_seconds(75), format_seconds(4000)
        ('1:15', '1:06:40')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


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


@HOOKS.register_module()
class ConsoleHook(Hook):
    """A summary at the start, progress with the time left, every evaluation in a line, and a result at the end.

    Everything else that mmengine logs goes to the log file.

    Args:
        metric: The score by which the best evaluation is told.
        interval: Seconds between two lines of progress where the screen is no terminal (a file, a pipe).
    """

    priority = "VERY_LOW"

    def __init__(self, metric: str = "mIoU", interval: float = 20.0) -> None:
        self.metric = metric
        self.interval = interval
        self.console = Console(highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        self._task: Any = None
        self._seconds = {"data": 0.0, "training": 0.0, "validation": 0.0}
        self._loss: float | None = None
        self._num_iters = 0
        self._num_vals = 0
        self._mark = 0.0
        self._last_line = 0.0
        self._val_start = 0.0
        self._last: dict[str, float] = {}

    def before_train(self, runner: Runner) -> None:
        """Print the summary."""
        if not is_main_process():
            return
        for name, text in self._summary(runner):
            self.console.print(f"[bold]{name:<9}[/] {escape(text)}")
        if self.console.is_terminal:
            columns = [TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}")]
            self._progress = Progress(*columns, console=self.console)
            self._progress.start()
            self._task = self._progress.add_task("training", total=runner.max_iters, completed=runner.iter, text="")
        self._mark = self._last_line = time.perf_counter()

    def _summary(self, runner: Runner) -> list[tuple[str, str]]:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        parts = [
            type(getattr(model, p)).__name__ for p in ("backbone", "neck", "decode_head") if getattr(model, p, None)
        ]
        total, trained = count_parameters(model)
        config = runner.cfg
        batch = runner.train_dataloader.batch_size * runner.world_size
        optimizer = config.optim_wrapper.get("optimizer", {})
        interval = getattr(runner.train_loop, "val_interval", None)
        name = Path(runner.cfg.filename).stem if runner.cfg.filename else runner.experiment_name
        lines = [("mmseg_ext", f"{__version__} trains {name}")]
        lines.append(("train", describe_data(runner, "train")))
        budget = budget_of(config.train_dataloader.dataset)
        lines.append(("labels", budget.describe() if budget else "all of the training images"))
        if runner.val_dataloader is not None:
            lines.append(("val", describe_data(runner, "val")))
        classes = (runner.train_dataloader.dataset.metainfo or {}).get("classes") or ()
        shown = ", ".join(classes[:12]) + (", …" if len(classes) > 12 else "")
        lines.append(("classes", f"{len(classes)}: {shown}"))
        lines.append(("model", f"{' → '.join(parts)}, {total / 1e6:.2f} M parameters, {trained / 1e6:.2f} M trained"))
        lines.append(
            (
                "schedule",
                f"{runner.max_iters:,} iterations of {batch} images, {optimizer.get('type')} lr {optimizer.get('lr')}, "
                f"validation every {interval}" + (f", resumed at {runner.iter:,}" if runner.iter else ""),
            )
        )
        lines.append(("device", self._device(runner)))
        lines.append(("pictures", _short(str(Path(runner.work_dir) / "pictures"))))
        lines.append(("log", _short(str(runner.logger.log_file))))
        return lines

    @staticmethod
    def _device(runner: Runner) -> str:
        if torch.cuda.is_available():
            text = torch.cuda.get_device_name()
        else:
            text = f"CPU, {torch.get_num_threads()} threads (no GPU found)"
        if runner.world_size > 1:
            text += f", {runner.world_size} processes"
        if runner.cfg.get("sync_batchnorm_replaced"):
            text += ", SyncBN replaced by BN"
        return text

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Count the time since the last step as waiting for data."""
        now = time.perf_counter()
        self._seconds["data"] += now - self._mark
        self._mark = now

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Count the step and show progress now and then."""
        now = time.perf_counter()
        self._seconds["training"] += now - self._mark
        self._mark = now
        self._num_iters += 1
        if not is_main_process():
            return
        done = runner.iter + 1
        if self._progress is not None:
            self._progress.update(self._task, completed=done, text=self._status(runner, done))
        elif now - self._last_line >= self.interval:
            self._last_line = now
            self.console.print(f"iteration {done:>6,} of {runner.max_iters:,}  {self._status(runner, done)}")

    def _status(self, runner: Runner, done: int) -> str:
        step = (self._seconds["data"] + self._seconds["training"]) / max(self._num_iters, 1)
        left = step * (runner.max_iters - done)
        interval = getattr(runner.train_loop, "val_interval", None)
        if self._num_vals and interval:
            left += self._seconds["validation"] / self._num_vals * -(-(runner.max_iters - done) // interval)
        text = f"{100 * done / runner.max_iters:.0f} %  {format_seconds(left)} left  {step:.2f} s/iteration"
        losses = runner.message_hub.log_scalars.get("train/loss")
        if losses is not None:
            text += f"  loss {losses.mean(20):.3f}"
        return text

    def before_val(self, runner: Runner) -> None:
        """Start the clock of the evaluation."""
        self._val_start = time.perf_counter()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Print the evaluation in a line and remember the best."""
        now = time.perf_counter()
        self._seconds["validation"] += now - self._val_start
        self._num_vals += 1
        self._mark = now
        metrics = dict(metrics or {})
        self._last = metrics
        score = metrics.get(self.metric)
        # The train loop has counted the iteration by now; in a validation alone there is none.
        iteration = runner.iter
        best = runner.message_hub.runtime_info.get(BEST_KEY)
        if score is not None and (best is None or score > best["score"]):
            best = {"score": float(score), "iteration": iteration, "metrics": _floats(metrics)}
            runner.message_hub.update_info(BEST_KEY, best)
        if not is_main_process():
            return
        shown = "  ".join(f"{k} {v:.2f}" for k, v in _floats(metrics).items() if "." not in k and k not in _TIMES)
        note = f"  (best {best['score']:.2f} at {best['iteration']:,})" if best else ""
        self.console.print(f"[bold]evaluated[/] at {iteration:,}  {shown}{note}")

    def after_train(self, runner: Runner) -> None:
        """Print the result, where the time went, and what to type next."""
        if not is_main_process():
            return
        if self._progress is not None:
            self._progress.stop()
        best = runner.message_hub.runtime_info.get(BEST_KEY)
        if self._last and best:
            self.console.print(result_table(self._last, runner.iter, best["metrics"], best["iteration"]))
        spent = ", ".join(f"{name} {format_seconds(s)}" for name, s in self._seconds.items())
        self.console.print(f"[bold]time[/]      {spent}")
        self.console.print(f"[bold]next[/]      {escape(self._next_command(runner))}")
        above = shlex.quote(_short(str(Path(runner.work_dir).parent)))
        self.console.print(f"          {python_command()} extract_tables.py {escape(above)}")

    @staticmethod
    def _next_command(runner: Runner) -> str:
        checkpoints = sorted(Path(runner.work_dir).glob("best_*.pth"), key=lambda p: p.stat().st_mtime)
        last = Path(runner.work_dir) / "last_checkpoint"
        if checkpoints:
            checkpoint = str(checkpoints[-1])
        elif last.is_file():
            checkpoint = last.read_text().strip()
        else:
            checkpoint = "CHECKPOINT"
        config = runner.cfg.filename or "CONFIG"
        # The config that the run left in its work dir holds the command's --cfg-options too.
        dumped = Path(runner.work_dir) / Path(config).name
        config = str(dumped) if dumped.is_file() else config
        return f"{python_command()} tools/test.py {shlex.quote(_short(config))} {shlex.quote(_short(checkpoint))}"

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Print the scores of a test."""
        if is_main_process() and metrics:
            self.console.print(result_table(metrics))


_TIMES = ("time", "data_time")


def python_command() -> str:
    """Name the running Python as one types it here: 'python' where that is the one, else its path."""
    found = shutil.which("python")
    if found is not None and Path(found).absolute() == Path(sys.executable).absolute():
        return "python"
    path = os.path.relpath(sys.executable)  # not resolved: a virtual environment's Python is a link
    return shlex.quote(sys.executable if path.startswith(os.pardir) else path)


def _short(path: str) -> str:
    """Shorten a path below the current folder to a relative one."""
    try:
        return str(Path(path).resolve().relative_to(Path.cwd()))
    except ValueError:
        return path


def _floats(metrics: dict[str, Any]) -> dict[str, float]:
    return {k: float(v) for k, v in metrics.items() if isinstance(v, (int, float))}


def result_table(
    last: dict[str, float],
    last_iteration: int | None = None,
    best: dict[str, float] | None = None,
    best_iteration: int | None = None,
) -> Table:
    """Lay out the scores of the last evaluation, and beside them those of the best, class by class.

    Args:
        last: Scores in percent, as the evaluator returned them; ``IoU.<class>`` and ``Acc.<class>`` make class rows.
        last_iteration: When.
        best: The same of the best evaluation.
        best_iteration: When.
    """
    sides = [("last" if last_iteration is None else f"last, at {last_iteration:,}", last)]
    if best is not None and best_iteration != last_iteration:
        sides.insert(0, (f"best, at {best_iteration:,}", best))
    if last_iteration is None:
        sides = [("", last)]
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for title, _ in sides:
        table.add_column(f"IoU {title}".strip(), justify="right")
        table.add_column("Acc", justify="right")
    classes = [key.removeprefix("IoU.") for key in last if key.startswith("IoU.")]
    rows = [(name, f"IoU.{name}", f"Acc.{name}") for name in classes]
    rows.append(("mean", "mIoU", "mAcc"))
    for name, iou, acc in rows:
        cells = [f"{scores.get(key, float('nan')):.2f}" for _, scores in sides for key in (iou, acc)]
        table.add_row(escape(name), *cells, style="bold" if name == "mean" else None)
    table.add_row("all pixels", *[c for _, s in sides for c in ("", f"{s.get('aAcc', float('nan')):.2f}")])
    return table
