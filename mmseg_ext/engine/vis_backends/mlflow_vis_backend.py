"""MLflow, with a picture of every step."""

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.visualization import MLflowVisBackend as MMEngineMLflowVisBackend
from mmengine.visualization.vis_backend import force_init_env

from mmseg_ext.registry import VISBACKENDS


def metric_name(name: str) -> str:
    """Replace the characters that MLflow refuses in names; one such class name would cost all scalars of its row.

    Example:
        >>> metric_name("IoU.bare soil (dry)")
        'IoU.bare soil _dry_'
    """
    return re.sub(r"[^\w/. :-]", "_", name)


@VISBACKENDS.register_module()
class MLflowVisBackend(MMEngineMLflowVisBackend):
    """mmengine's backend of the same name, which keeps of each picture the last one alone.

    A picture becomes the artifact ``<name>/<step>.png``. Characters of class names that MLflow refuses become
    underscores. Without a server the runs lie in the SQLite file ``mlruns.db`` of the run's vis_data, which
    ``mlflow ui --backend-store-uri sqlite:///…/mlruns.db`` shows; newer releases of MLflow refuse plain folders.

    Args:
        save_dir: Folder of the files; the visualizer gives it.
        tracking_uri: The server, or a store; None is the SQLite file.
        **kwargs: As for mmengine's backend: exp_name, run_name, tags, params, artifact_suffix, tracked_config_keys.
    """

    def __init__(self, save_dir: str, tracking_uri: str | None = None, **kwargs: Any) -> None:
        if tracking_uri is None:
            folder = Path(os.path.abspath(save_dir))
            tracking_uri = f"sqlite:///{folder / 'mlruns.db'}"
            kwargs.setdefault("artifact_location", (folder / "mlartifacts").as_uri())
        super().__init__(save_dir, tracking_uri=tracking_uri, **kwargs)

    @force_init_env
    def add_image(self, name: str, image: np.ndarray, step: int = 0, **kwargs: Any) -> None:
        """Keep a picture (H, W, 3), uint8 RGB."""
        super().add_image(f"{name}/{step:08d}.png", image, step)

    @force_init_env
    def add_scalar(self, name: str, value: Any, step: int = 0, **kwargs: Any) -> None:
        """Log a number."""
        super().add_scalar(metric_name(name), float(value), step)

    @force_init_env
    def add_scalars(self, scalar_dict: dict, step: int = 0, file_path: str | None = None, **kwargs: Any) -> None:
        """Log several numbers."""
        super().add_scalars({metric_name(name): float(value) for name, value in scalar_dict.items()}, step)
