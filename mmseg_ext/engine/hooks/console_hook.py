"""What a run prints on the screen."""

import time
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from mmseg_ext.arguments import NonNegativeFloat
from mmseg_ext.engine.best_score import best_score, numbers_of, update_best_score
from mmseg_ext.engine.next_command import command_to_compare, command_to_test
from mmseg_ext.engine.result_table import result_table
from mmseg_ext.engine.run_clock import RunClock, format_seconds
from mmseg_ext.engine.run_summary import summarize_run, val_interval_of
from mmseg_ext.escaping import plain_console, printable
from mmseg_ext.registry import HOOKS

_TIMES = ("time", "data_time")


@HOOKS.register_module()
class ConsoleHook(Hook):
    """Print a summary at the start, the progress with the time left, each evaluation in a line, the result at the end.

    Everything else that mmengine logs goes to the log file.

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
        best = best_score(runner.message_hub)
        if self._last and best:
            self.console.print(result_table(self._last, runner.iter, best["metrics"], best["iteration"]))
        self._print("time", ", ".join(f"{name} {format_seconds(s)}" for name, s in self._clock.seconds.items()))
        self._print("next", command_to_test(runner.work_dir, runner.cfg.filename))
        self._print("", command_to_compare(runner.work_dir))

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Print the scores of a test."""
        if is_main_process() and metrics:
            self.console.print(result_table(metrics))

    def _print(self, name: str, text: str) -> None:
        self.console.print(Text.assemble((f"{name:<9}", "bold"), printable(f" {text}")))
