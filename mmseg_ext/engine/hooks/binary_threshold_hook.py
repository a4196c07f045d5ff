"""The threshold of one sigmoid channel: from the validation into the head, the checkpoints and the test."""

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import Runner
from torch import nn

from mmseg_ext.engine.run_progress import step_of
from mmseg_ext.files import replace_file
from mmseg_ext.registry import HOOKS
from mmseg_ext.scores.binary_threshold import draw_threshold_curve

META_KEY = "binary_threshold"


def binary_heads(model: nn.Module) -> list[Any]:
    """Return the heads of one sigmoid channel."""
    return [m for m in model.modules() if getattr(m, "out_channels", None) == 1 and hasattr(m, "threshold")]


@HOOKS.register_module()
class BinaryThresholdHook(Hook):
    """Use the threshold that ``mmseg_ext.ThresholdMetric`` chose in validation, and keep it in checkpoints.

    - After a validation the heads of one channel take it over.
    - A checkpoint holds it, as ``checkpoint['meta']['binary_threshold']``; a checkpoint that was saved at the iteration
      of the validation just before it is saved again.
    - A checkpoint that is loaded, to go on training or to test, sets its own. A checkpoint without one leaves
      the ``threshold`` of the head's config.
    - The curve is written to ``<work_dir>/pictures/threshold.png``, its numbers to threshold.csv; of a test to
      ``threshold_test.png`` and .csv.

    Without a head of one channel it does nothing.
    """

    priority = "LOW"  # before CheckpointHook saves the best

    def __init__(self) -> None:
        self._is_known = False  # whether the heads' threshold was chosen, not just configured

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Take over a checkpoint's threshold."""
        threshold = checkpoint.get("meta", {}).get(META_KEY)
        heads = binary_heads(runner.model)
        if not heads:
            return
        if threshold is not None:
            self._use(runner, float(threshold))
        runner.logger.info(
            "Threshold of the foreground's probability: %g (%s)",
            heads[0].threshold,
            "the config's" if threshold is None else "from the checkpoint",
        )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Put the threshold into a checkpoint."""
        if self._is_known:
            checkpoint["meta"][META_KEY] = binary_heads(runner.model)[0].threshold

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Take over the threshold that was chosen, and draw the curve."""
        metric = self._metric(runner.val_loop)
        if metric is None:
            return
        self._draw(runner, metric, "threshold")
        threshold = (metrics or {}).get("/".join(filter(None, (metric.prefix, "threshold"))))
        if threshold is None or not binary_heads(runner.model):
            return
        is_new = not self._is_known or threshold != binary_heads(runner.model)[0].threshold
        self._use(runner, threshold)
        if is_new:
            self._save_again(runner)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Draw the curve."""
        metric = self._metric(runner.test_loop)
        if metric is not None:
            self._draw(runner, metric, "threshold_test")

    def _use(self, runner: Runner, threshold: float) -> None:
        for head in binary_heads(runner.model):
            head.threshold = threshold
        self._is_known = True

    @staticmethod
    def _metric(loop: Any) -> Any:
        """Return the loop's metric that makes a curve, None where there is none."""
        evaluators = [loop.evaluator]
        while evaluators:
            for metric in evaluators.pop().metrics:
                if hasattr(metric, "curve"):
                    return metric
                if hasattr(metric, "evaluator"):  # a metric around others, such as CleanUp
                    evaluators.append(metric.evaluator)
        return None

    @staticmethod
    def _draw(runner: Runner, metric: Any, name: str) -> None:
        if metric.curve is None or not is_main_process():
            return
        folder = Path(runner.work_dir) / "pictures"
        step = step_of(runner)
        title = f"at {step:,}" if step else ""
        replace_file(folder / f"{name}.csv", metric.curve.as_csv())
        replace_file(folder / f"{name}.png", draw_threshold_curve(metric.curve, metric.chosen, title))

    @staticmethod
    def _save_again(runner: Runner) -> None:
        """Save a checkpoint of this very iteration again: it was saved before the validation."""
        for hook in runner.hooks:
            if not isinstance(hook, CheckpointHook) or getattr(hook, "last_ckpt", None) is None:
                continue
            step = runner.epoch if hook.by_epoch else runner.iter
            if Path(hook.last_ckpt).name != hook.filename_tmpl.format(step):
                continue
            runner.save_checkpoint(
                hook.out_dir,
                filename=Path(hook.last_ckpt).name,
                save_optimizer=hook.save_optimizer,
                save_param_scheduler=hook.save_param_scheduler,
                meta={"epoch": runner.epoch, "iter": runner.iter},
                by_epoch=hook.by_epoch,
                backend_args=hook.backend_args,
                **hook.args,
            )
