"""Visualisation backends: where scalars and pictures of a run go."""

from mmseg_ext.engine.vis_backends.mlflow_vis_backend import MLflowVisBackend
from mmseg_ext.engine.vis_backends.wandb_vis_backend import WandbVisBackend

__all__ = ["MLflowVisBackend", "WandbVisBackend"]
