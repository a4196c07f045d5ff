"""Pictures of what a run predicts."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import all_gather_object, get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.visualization import LocalVisBackend

from mmseg_ext.arguments import NonNegativeInt, PositiveInt
from mmseg_ext.engine.drawn_images import read_for_drawing
from mmseg_ext.engine.hooks.hardest_images import HardestImages, HardImage
from mmseg_ext.engine.run_progress import step_of
from mmseg_ext.files import replace_file
from mmseg_ext.masks.class_maps import as_array, pack_labels, unpack_labels
from mmseg_ext.pictures import colorize, draw_labels, errors, panel, save_picture, segmentation_legend, sheet
from mmseg_ext.points.label_budget import budget_of
from mmseg_ext.points.sampling import keep_points, seed_of_sample
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
    """Reduce an image's labels to the label budget of a run's training images.

    Args:
        config: The run's config.
        img_path: The image; it need not be one that the run trains on.
        labels_HW: All of its labels.

    Returns:
        A title and the labels that are left; None for a run whose points are not sampled.
    """
    budget = budget_of(config.train_dataloader.dataset)
    if budget is None or budget.num_points is None:
        return None
    name = path_below(img_path, config.train_dataloader.dataset.get("data_root")).as_posix()
    seed = seed_of_sample(budget.seed, name)
    points_HW = keep_points(labels_HW, budget.num_points, seed, budget.per, budget.strategy)
    title = f"{budget.num_points} points" + (" per class" if budget.per == "class" else "")
    return title + (", in training completed" if budget.complete is not None else ""), points_HW


def send_picture(runner: Runner, name: str, picture_HWC: np.ndarray) -> None:
    """Give a picture to the backends of the run's visualizer at the step of its scores, but for `LocalVisBackend`.

    Call it on rank 0 only: the other ranks have no log.
    """
    step = step_of(runner)
    for backend in runner.visualizer._vis_backends.values():
        if not isinstance(backend, LocalVisBackend):
            backend.add_image(name, picture_HWC, step=step)


def _legend(metainfo: dict[str, Any], rows: Sequence[np.ndarray]) -> np.ndarray:
    return segmentation_legend(metainfo["classes"], metainfo["palette"], max(row.shape[1] for row in rows))


@HOOKS.register_module()
class ValidationPicturesHook(Hook):
    """Draw image | labels | prediction | errors for the same validation images at every evaluation.

    Pictures are in ``<work_dir>/pictures/validation/``, one an image, replaced by each evaluation, and together in
    ``<work_dir>/pictures/validation.png``. A run that trains on points gets one more column: the points that its budget
    would leave of this image's labels (shown, not trained on). The predictions themselves are in
    ``<work_dir>/pictures/predictions/``, as PNGs of class indices under the same names.

    Every picture also goes to the visualizer's backends (TensorBoard, Weights & Biases, MLflow), under
    ``validation/<name>`` at the step of the evaluation; `LocalVisBackend` is left out, since these files exist already.

    With `hardest` above zero the run ends with ``<work_dir>/pictures/hardest/<class>.png``: of the last evaluation the
    images with the lowest IoU of that class, the worst first.

    Args:
        num_images: Images to draw, spread evenly over the validation set.
        height: Height of a picture in pixels.
        hardest: Images a class to draw at the end, 0 for none.
        min_pixels: Pixels of a class that an image must hold in truth to count as one of its hardest.

    Raises:
        UserError: A number is out of range.
    """

    priority = "LOW"

    def __init__(
        self,
        num_images: NonNegativeInt = 6,
        height: PositiveInt = 256,
        hardest: NonNegativeInt = 0,
        min_pixels: PositiveInt = 100,
    ) -> None:
        self.num_images = num_images
        self.height = height
        self.hardest = hardest
        self.min_pixels = min_pixels
        self._hardest: HardestImages | None = None
        self._chosen: dict[str, int] | None = None
        self._rows: dict[int, np.ndarray] = {}

    def before_val_epoch(self, runner: Runner) -> None:
        """Choose the images, once."""
        self._rows = {}
        if self.hardest:
            num_classes = len(runner.val_dataloader.dataset.metainfo["classes"])
            self._hardest = HardestImages(num_classes, self.hardest, self.min_pixels)
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
            if self._hardest is not None and "gt_sem_seg" in sample:
                self._hardest.add(sample.img_path, as_array(sample.pred_sem_seg.data), as_array(sample.gt_sem_seg.data))

    def _draw(self, runner: Runner, sample: Any) -> np.ndarray:
        dataset = runner.val_dataloader.dataset
        palette = dataset.metainfo["palette"]
        image_HWC = read_for_drawing(dataset, sample.img_path)
        prediction_HW = as_array(sample.pred_sem_seg.data)
        columns = [("image", image_HWC)]
        if "gt_sem_seg" in sample:
            truth_HW = as_array(sample.gt_sem_seg.data)
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
        replace_file(folder / "predictions" / name, pack_labels(prediction_HW), sync=False)
        return row

    @staticmethod
    def _folder(runner: Runner) -> Path:
        return Path(runner.work_dir) / "pictures"

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Save the pictures of all processes together, with a legend, and send each to the visualizer."""
        rows = {index: row for of_rank in all_gather_object(self._rows) for index, row in of_rank.items()}
        if not rows or get_rank() > 0:
            return
        dataset = runner.val_dataloader.dataset
        ordered = [rows[index] for index in sorted(rows)]
        strip = _legend(dataset.metainfo, ordered)
        save_picture(self._folder(runner) / "validation.png", sheet(ordered, strip))
        for index, row in rows.items():
            name = picture_name(dataset.get_data_info(index)["img_path"], dataset.data_root)
            send_picture(runner, f"validation/{Path(name).stem}", row)

    def after_train(self, runner: Runner) -> None:
        """Draw the hardest images of the last evaluation."""
        if self._hardest is None:
            return
        for other in all_gather_object(self._hardest):
            self._hardest.merge(other)
        if get_rank() == 0:
            dataset = runner.val_dataloader.dataset
            meta = dataset.metainfo
            for index, images in sorted(self._hardest.of_class.items()):
                rows = [self._draw_hard(image, dataset) for image in images]
                name = re.sub(r"[^\w-]+", "_", meta["classes"][index])
                picture = sheet(rows, _legend(meta, rows))
                save_picture(self._folder(runner) / "hardest" / f"{name}.png", picture)
                send_picture(runner, f"hardest/{name}", picture)

    def _draw_hard(self, hard: HardImage, dataset: Any) -> np.ndarray:
        palette = dataset.metainfo["palette"]
        prediction_HW, truth_HW = unpack_labels(hard.prediction_png), unpack_labels(hard.truth_png)
        columns = [
            (f"IoU {hard.iou:.1f} %, {Path(hard.img_path).name}", read_for_drawing(dataset, hard.img_path)),
            ("labels", colorize(truth_HW, palette)),
            ("prediction", colorize(prediction_HW, palette)),
            ("errors", errors(prediction_HW, truth_HW)),
        ]
        return panel(columns, height=self.height)
