"""What a run prints on the screen."""

import logging
import time
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import EarlyStoppingHook, Hook
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from mmseg_ext.arguments import NonNegativeFloat
from mmseg_ext.engine.best_score import best_score, numbers_of, update_best_score
from mmseg_ext.engine.next_command import command_to_compare, command_to_test, short_path
from mmseg_ext.engine.result_table import result_table
from mmseg_ext.engine.run_clock import RunClock, format_seconds
from mmseg_ext.engine.run_summary import summarize_run, val_interval_of
from mmseg_ext.escaping import plain_console, printable, printable_lines
from mmseg_ext.evaluation.current_run import ON_SCREEN
from mmseg_ext.progress import ProgressDisplay
from mmseg_ext.registry import HOOKS

_TIMES = ("time", "data_time")


def other_scores(metrics: dict[str, float]) -> dict[str, float]:
    """Return the scores that the table of a result lacks: of writers, before the clean-up, further means."""
    in_table = ("mIoU", "mAcc", "aAcc", *_TIMES) if "mIoU" in metrics else _TIMES
    is_of_class = ("IoU.", "Acc.") if "mIoU" in metrics else ()
    return {
        name: value
        for name, value in numbers_of(metrics).items()
        if name not in in_table and not name.startswith(is_of_class)
    }


def stopping_reason(runner: Runner) -> str | None:
    """Say why a run was stopped before its planned end; None where it was not."""
    if not getattr(runner.train_loop, "stop_training", False):
        return None
    hook: Any = next((hook for hook in runner.hooks if isinstance(hook, EarlyStoppingHook)), None)
    if hook is None:
        return "another hook has stopped the training"
    if hook.wait_count >= hook.patience:
        return (
            f"{hook.monitor} has not improved by {abs(hook.min_delta):g} in the last {hook.wait_count} evaluations "
            f"(best {hook.best_score:.2f})"
        )
    threshold = hook.stopping_threshold
    if threshold is not None and hook.rule_map[hook.rule](hook.best_score, threshold):
        return f"{hook.monitor} has reached {hook.best_score:.2f}, the threshold is {threshold:g}"
    return f"{hook.monitor} is not finite"


class _ReportHandler(logging.Handler):
    """Prints the log records that are marked for the screen."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self.console = console
        self.addFilter(lambda record: getattr(record, ON_SCREEN, False))

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        self.console.print(printable_lines(record.getMessage()))


@HOOKS.register_module()
class ConsoleHook(Hook):
    """Print a summary at the start, the progress with the time left, each evaluation in a line, the result at the end.

    Of a test: what is tested, the progress, what was written where, all scores. Everything else that mmengine logs goes
    to the log file.

    Args:
        metric: The score that decides which evaluation is the best, the higher the better.
        interval: Seconds between two lines of progress where the screen is no terminal (a file, a pipe).
    """

    priority = "LOW"  # before CheckpointHook, whose checkpoints hold the best score

    def __init__(self, metric: str = "mIoU", interval: NonNegativeFloat = 20.0) -> None:
        self.metric = metric
        self.interval = interval
        self.console = plain_console(soft_wrap=True)
        self._progress: Progress | None = None
        self._task: Any = None
        self._clock = RunClock()
        self._last_line = 0.0
        self._last: dict[str, float] = {}
        self._testing: ProgressDisplay | None = None
        self._reports = _ReportHandler(self.console)

    def before_train(self, runner: Runner) -> None:
        """Print the summary."""
        if not is_main_process():
            return
        for name, text in summarize_run(runner):
            self._print(name, text)
        if self.console.is_terminal:
            columns = [TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}", markup=False)]
            self._progress = Progress(*columns, console=self.console)
            self._progress.start()
            self._task = self._progress.add_task("training", total=runner.max_iters, completed=runner.iter, text="")
        self._last_line = time.perf_counter()
        self._clock.start()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Count the time since the last iteration as waiting for data."""
        self._clock.count("data")

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Count the iteration and show the progress from time to time."""
        self._clock.count("training")
        if not is_main_process():
            return
        done = runner.iter + 1
        if self._progress is not None:
            self._progress.update(self._task, completed=done, text=self._status(runner, done))
        elif time.perf_counter() - self._last_line >= self.interval:
            self._last_line = time.perf_counter()
            self.console.print(f"iteration {done:>6,} of {runner.max_iters:,}  {self._status(runner, done)}")

    def _status(self, runner: Runner, done: int) -> str:
        left = format_seconds(self._clock.seconds_left(runner.max_iters - done, val_interval_of(runner)))
        step = self._clock.seconds_per_iteration()
        text = f"{100 * done / runner.max_iters:.0f} %  {left} left  {step:.2f} s/iteration"
        losses = runner.message_hub.log_scalars.get("train/loss")
        return text if losses is None else f"{text}  loss {losses.mean(20):.3f}"

    def before_val(self, runner: Runner) -> None:
        """Start the clock of the evaluation."""
        self._clock.start()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Print the evaluation in a line and keep the best."""
        self._clock.count("validation")
        self._last = dict(metrics or {})
        # The train loop has counted the iteration by now; in a validation alone there is none.
        iteration = runner.iter
        best = update_best_score(runner.message_hub, self._last, self.metric, iteration)
        if not is_main_process():
            return
        means = {name: v for name, v in numbers_of(self._last).items() if "." not in name and name not in _TIMES}
        shown = "  ".join(f"{name} {value:.2f}" for name, value in means.items())
        note = f"  (best {best['score']:.2f} at {best['iteration']:,})" if best else ""
        self.console.print(Text.assemble(("evaluated", "bold"), printable(f" at {iteration:,}  {shown}{note}")))

    def after_train(self, runner: Runner) -> None:
        """Print the result, where the time went, and what to type next."""
        if not is_main_process():
            return
        if self._progress is not None:
            self._progress.stop()
        reason = stopping_reason(runner)
        if reason is not None:
            self._print("stopped", f"early, at {runner.iter:,} of {runner.max_iters:,} iterations: {reason}")
        best = best_score(runner.message_hub)
        if self._last and best:
            self.console.print(result_table(self._last, runner.iter, best["metrics"], best["iteration"]))
        self._print("time", ", ".join(f"{name} {format_seconds(s)}" for name, s in self._clock.seconds.items()))
        self._print("next", command_to_test(runner.work_dir, runner.cfg.filename))
        self._print("", command_to_compare(runner.work_dir))

    def before_test(self, runner: Runner) -> None:
        """Say what is tested, and get ready to show what the metrics and writers report."""
        if not is_main_process():
            return
        dataset = runner.test_dataloader.dataset
        self._print("test", f"{type(dataset).__name__}, {len(dataset):,} images")
        if runner.cfg.get("load_from"):
            self._print("weights", short_path(str(runner.cfg.load_from)))
        self._testing = ProgressDisplay(
            "predicted", self.console.print, interval=self.interval, terminal=self.console.is_terminal
        )
        runner.logger.addHandler(self._reports)

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Show the progress of a test from time to time."""
        if self._testing is not None:
            self._testing(batch_idx + 1, len(runner.test_dataloader))
            if batch_idx + 1 == len(runner.test_dataloader):  # the metrics may print
                self._testing.__exit__(None, None, None)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Print the scores of a test."""
        runner.logger.removeHandler(self._reports)
        if is_main_process() and metrics:
            if "mIoU" in metrics:
                self.console.print(result_table(metrics))
            others = other_scores(metrics)
            if others:
                self._print("scores", "  ".join(f"{name} {value:.2f}" for name, value in others.items()))

    def _print(self, name: str, text: str) -> None:
        self.console.print(Text.assemble((f"{name:<9}", "bold"), printable(f" {text}")))
