"""Pictures of what a run predicts."""

import io
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import mmcv
import numpy as np
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmseg_ext.engine.config_reading import pipeline_of
from mmseg_ext.files import replace_file
from mmseg_ext.pictures import colorize, draw_labels, errors, panel, save_picture, segmentation_legend, sheet
from mmseg_ext.registry import HOOKS


def path_below(path: str, root: str | None) -> PurePath:
    """Return a path relative to a folder, as it is where it does not lie below."""
    whole = PurePath(path)
    return whole.relative_to(root) if root and whole.is_relative_to(root) else whole


def picture_name(img_path: str, data_root: str | None) -> str:
    """Name the picture of an image: its path below the data root in one word, ending in .png.

    Example:
        >>> picture_name("data/loveDA/Val/Rural/images_png/7.png", "data/loveDA")
        'Val_Rural_images_png_7.png'
    """
    return "_".join(path_below(img_path, data_root).with_suffix("").parts[-4:]) + ".png"


def labels_at_budget(config: Config, img_path: str, labels_HW: np.ndarray) -> tuple[str, np.ndarray] | None:
    """Thin out an image's labels as a run does with those of its training images.

    Args:
        config: The run's config.
        img_path: The image; it need not be one that the run trains on.
        labels_HW: All of its labels.

    Returns:
        A title and the labels that are left; None for a run that trains on all labels.
    """
    for step in pipeline_of(config.train_dataloader.dataset):
        if step["type"].endswith("SamplePoints"):
            with DefaultScope.overwrite_default_scope(config.get("default_scope", "mmseg")):
                transform = TRANSFORMS.build({**step, "resample": False, "data_root": None})
            name = path_below(img_path, config.train_dataloader.dataset.get("data_root")).as_posix()
            sample = {"gt_seg_map": labels_HW, "img_path": img_path, "img_name": name}
            per_class = " per class" if transform.per == "class" else ""
            return f"{transform.num_points} points{per_class}", transform(sample)["gt_seg_map"]
    return None


@HOOKS.register_module()
class ValidationPicturesHook(Hook):
    """Draw image | labels | prediction | errors for the same validation images at every evaluation.

    Pictures lie in ``<work_dir>/pictures/validation/``, one an image, replaced by each evaluation, and together in
    ``<work_dir>/pictures/validation.png``. A run that trains on points gets one more column: the points that its budget
    would leave of this image's labels (shown, not trained on). The predictions themselves lie beside, in
    ``<work_dir>/pictures/predictions/``, as PNGs of class indices under the same names.

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
            budget = labels_at_budget(runner.cfg, sample.img_path, truth_HW)
            if budget is not None:
                columns.append((budget[0], draw_labels(image_HWC, budget[1], palette)))
        columns.append(("prediction", colorize(prediction_HW, palette)))
        if "gt_sem_seg" in sample:
            columns.append(("errors", errors(prediction_HW, truth_HW)))
        row = panel(columns, height=self.height)
        name = picture_name(sample.img_path, dataset.data_root)
        folder = self._folder(runner)
        save_picture(folder / "validation" / name, row)
        buffer = io.BytesIO()
        Image.fromarray(prediction_HW.astype(np.uint8 if len(palette) <= 256 else np.uint16)).save(buffer, format="PNG")
        replace_file(folder / "predictions" / name, buffer.getvalue())
        return row

    @staticmethod
    def _folder(runner: Runner) -> Path:
        return Path(runner.work_dir) / "pictures"

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Save the pictures together, with a legend."""
        if self._rows:
            meta = runner.val_dataloader.dataset.metainfo
            rows = [self._rows[index] for index in sorted(self._rows)]
            width = max(row.shape[1] for row in rows)
            strip = segmentation_legend(meta["classes"], meta["palette"], width)
            save_picture(self._folder(runner) / "validation.png", sheet(rows, strip))
