"""Weights & Biases, with everything at its step."""

from typing import Any

import numpy as np
import torch
from mmengine.visualization import WandbVisBackend as MMEngineWandbVisBackend
from mmengine.visualization.vis_backend import force_init_env

from mmseg_ext.registry import VISBACKENDS

STEP = "step"
"""The scalar that all charts have as their x axis."""


@VISBACKENDS.register_module()
class WandbVisBackend(MMEngineWandbVisBackend):
    """mmengine's backend of the same name, which leaves out the step: its charts count calls instead of iterations.

    Every call logs the step beside its values, under the name 'step', and charts are drawn over it. W&B's own counter
    is left alone: it may not go back, which a resumed run does. Without network: ``init_kwargs=dict(mode='offline')``;
    the files lie in the run's vis_data, and ``wandb sync`` sends them later.

    Args:
        save_dir: Folder of the files; the visualizer gives it.
        **kwargs: As for mmengine's backend: init_kwargs, define_metric_cfg, commit, log_code_name, watch_kwargs.
    """

    def __init__(self, save_dir: str, **kwargs: Any) -> None:
        super().__init__(save_dir, **kwargs)

    def _init_env(self) -> None:
        """Start the run, and make the step the x axis."""
        super()._init_env()
        self._wandb.define_metric(STEP, hidden=True)
        self._wandb.define_metric("*", step_metric=STEP)

    @force_init_env
    def add_image(self, name: str, image: np.ndarray, step: int = 0, **kwargs: Any) -> None:
        """Log a picture (H, W, 3), uint8 RGB."""
        self._wandb.log({name: self._wandb.Image(image), STEP: step}, commit=self._commit)

    @force_init_env
    def add_scalar(
        self, name: str, value: int | float | torch.Tensor | np.ndarray, step: int = 0, **kwargs: Any
    ) -> None:
        """Log a number."""
        self._wandb.log({name: value, STEP: step}, commit=self._commit)

    @force_init_env
    def add_scalars(self, scalar_dict: dict, step: int = 0, file_path: str | None = None, **kwargs: Any) -> None:
        """Log several numbers."""
        self._wandb.log({**scalar_dict, STEP: step}, commit=self._commit)
