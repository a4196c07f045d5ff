"""Pictures of what a run predicts."""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import mmcv
import numpy as np
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import TRANSFORMS

from mmseg_ext.pictures import colorize, draw_labels, errors, legend, panel, save_picture, sheet
from mmseg_ext.registry import HOOKS


@HOOKS.register_module()
class ValidationPicturesHook(Hook):
    """Draw image | labels | prediction | errors for the same validation images at every evaluation.

    Pictures lie in ``<work_dir>/pictures/validation/``, one an image, replaced by each evaluation, and together in
    ``<work_dir>/pictures/validation.png``. A run that trains on points gets one more column: the points that its budget
    would leave of this image's labels (shown, not trained on).

    Args:
        num_images: Images to draw, spread evenly over the validation set.
        height: Height of a picture in pixels.
    """

    priority = "LOW"

    def __init__(self, num_images: int = 6, height: int = 256) -> None:
        self.num_images = num_images
        self.height = height
        self._chosen: dict[str, int] | None = None
        self._rows: dict[int, np.ndarray] = {}

    def before_val_epoch(self, runner: Runner) -> None:
        """Choose the images, once."""
        self._rows = {}
        if self._chosen is None:
            dataset = runner.val_dataloader.dataset
            indices = np.linspace(0, len(dataset) - 1, min(self.num_images, len(dataset))).astype(int)
            self._chosen = {dataset.get_data_info(int(i))["img_path"]: int(i) for i in indices}

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Draw the batch's chosen images."""
        for sample in outputs or ():
            index = (self._chosen or {}).get(sample.img_path)
            if index is not None:
                self._rows[index] = self._draw(runner, sample)

    def _draw(self, runner: Runner, sample: Any) -> np.ndarray:
        dataset = runner.val_dataloader.dataset
        palette = dataset.metainfo["palette"]
        image_HWC = mmcv.imread(sample.img_path, channel_order="rgb")
        prediction_HW = sample.pred_sem_seg.data.squeeze(0).cpu().numpy()
        columns = [("image", image_HWC)]
        if "gt_sem_seg" in sample:
            truth_HW = sample.gt_sem_seg.data.squeeze(0).cpu().numpy()
            columns.append(("labels", colorize(truth_HW, palette)))
            for step in runner.cfg.train_dataloader.dataset.get("pipeline", []):
                if step["type"].endswith("SamplePoints"):
                    points_HW = self._thin_out(runner, step, sample.img_path, truth_HW)
                    columns.append(("labels at this budget", draw_labels(image_HWC, points_HW, palette)))
        columns.append(("prediction", colorize(prediction_HW, palette)))
        if "gt_sem_seg" in sample:
            columns.append(("errors", errors(prediction_HW, truth_HW)))
        row = panel(columns, height=self.height)
        root = dataset.data_root or ""
        name = PurePath(sample.img_path)
        if name.is_relative_to(root):
            name = name.relative_to(root)
        save_picture(self._folder(runner) / ("_".join(name.with_suffix("").parts[-4:]) + ".png"), row)
        return row

    @staticmethod
    def _thin_out(runner: Runner, step: dict, img_path: str, truth_HW: np.ndarray) -> np.ndarray:
        init_default_scope(runner.cfg.get("default_scope", "mmseg"))
        transform = TRANSFORMS.build(dict(step))
        transform.resample = False
        results = {"gt_seg_map": truth_HW, "img_path": img_path, "img_name": PurePath(img_path).as_posix()}
        return transform(results)["gt_seg_map"]

    @staticmethod
    def _folder(runner: Runner) -> Path:
        return Path(runner.work_dir) / "pictures" / "validation"

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Save the pictures together, with a legend."""
        if self._rows:
            meta = runner.val_dataloader.dataset.metainfo
            rows = [self._rows[index] for index in sorted(self._rows)]
            width = max(row.shape[1] for row in rows)
            path = self._folder(runner).with_suffix(".png")
            save_picture(path, sheet(rows, legend(meta["classes"], meta["palette"], width)))
