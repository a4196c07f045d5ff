"""The training loop of models that are fitted at once."""

import math
from typing import Any

from mmengine.dist import get_world_size
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop

from mmseg_ext.errors import UserError
from mmseg_ext.features import FeatureSegmentor
from mmseg_ext.features.light_head import FitReport
from mmseg_ext.progress import ProgressDisplay
from mmseg_ext.registry import LOOPS


@LOOPS.register_module()
class FitLoop(IterBasedTrainLoop):
    """One iteration, which shows all training images to a `FeatureSegmentor` and then fits it.

    Hooks, validation and checkpoints are those of any run. Logged are the held-out loss and calibration error of the
    fit, and its seconds without those of the features.

    Args:
        runner: The runner.
        dataloader: Of the training images, each once, as they are in the test: without augmentation.
        max_iters: 1; other commands read it from the config.
        val_interval: 1.

    Raises:
        UserError: The model is no FeatureSegmentor, there are several processes, or `max_iters` is not 1.
    """

    description = "one fit to the labels of all images"

    def __init__(self, runner: Any, dataloader: Any, max_iters: int = 1, val_interval: int = 1, **kwargs: Any) -> None:
        if max_iters != 1:
            raise UserError(f"Expected train_cfg.max_iters=1, the one fit, got {max_iters!r}.")
        if get_world_size() > 1:
            raise UserError(f"Expected one process for a fit, got {get_world_size()}. Leave --launcher out.")
        super().__init__(runner, dataloader, max_iters, val_interval=val_interval, **kwargs)
        self.report: FitReport | None = None

    def run_iter(self, data_batch: Any) -> None:
        """Look at all images, beginning with `data_batch`, and fit."""
        runner = self.runner
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not isinstance(model, FeatureSegmentor):
            raise UserError(
                f"Expected model.type='mmseg_ext.FeatureSegmentor' for FitLoop, got {type(model).__name__}."
            )
        runner.call_hook("before_train_iter", batch_idx=0, data_batch=data_batch)
        images = model.look_at(data_batch)
        num_batches = len(self.dataloader)
        with ProgressDisplay("Looking at the training images", runner.logger.info) as progress:
            for done in range(1, num_batches):
                progress(done, num_batches)
                images += model.look_at(next(self.dataloader_iterator))
        self.report = model.fit(images)
        runner.logger.info(f"Fitted to {self.report.describe()}")
        numbers = {
            "fit_seconds": self.report.seconds,
            "held_out_loss": self.report.loss,
            "calibration_error": 100 * self.report.calibration_error,
        }
        outputs = {name: value for name, value in numbers.items() if math.isfinite(value)}
        runner.call_hook("after_train_iter", batch_idx=0, data_batch=data_batch, outputs=outputs)
        self._iter += 1
