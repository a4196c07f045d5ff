"""Pictures of the points that a run trains on, and of its predictions there."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmseg_ext.arguments import NonNegativeInt, PositiveInt
from mmseg_ext.engine.hooks.validation_pictures_hook import path_below
from mmseg_ext.engine.random_state import kept_random_state
from mmseg_ext.masks.class_maps import as_array
from mmseg_ext.pictures import colorize, draw_labels, draw_points, legend, panel, save_picture, sheet
from mmseg_ext.points.label_budget import COMPLETED_STEP, POINT_STEPS, STEP_SETTINGS, budget_of, name_of
from mmseg_ext.registry import HOOKS


class PointImage(NamedTuple):
    """A training image and its points, or the labels that they were completed to."""

    title: str
    sample: dict
    labels_HW: np.ndarray
    is_completed: bool


@HOOKS.register_module()
class PointPicturesHook(Hook):
    """Draw training images with their points, enlarged, beside the prediction, at every evaluation.

    The picture is ``<work_dir>/pictures/training_points.png``, replaced by each evaluation. Where the points were
    completed, it shows the completed labels. Runs that do not train on points, or whose dataset is wrapped, get none.
    The random state is left as it was. With ``resample=True`` the points shown are one draw of many.

    Args:
        num_images: Images to draw, spread evenly over the training set.
        height: Height of a picture in pixels.
    """

    priority = "LOW"

    def __init__(self, num_images: NonNegativeInt = 4, height: PositiveInt = 256) -> None:
        self.num_images = num_images
        self.height = height
        self._images: list[PointImage] = []

    def before_train(self, runner: Runner) -> None:
        """Choose the images and load their points, once."""
        dataset = runner.train_dataloader.dataset
        transforms = list(getattr(getattr(dataset, "pipeline", None), "transforms", ()))
        steps = (*POINT_STEPS, COMPLETED_STEP)
        last = max((i for i, t in enumerate(transforms) if name_of(t) in steps), default=None)
        if last is None or budget_of(runner.cfg.train_dataloader.dataset) is None or not is_main_process():
            return
        root = getattr(dataset, "data_root", None)
        is_completed = name_of(transforms[last]) == COMPLETED_STEP
        self._images = []
        with kept_random_state():
            for index in np.linspace(0, len(dataset) - 1, min(self.num_images, len(dataset))).astype(int):
                sample: Any = dataset.get_data_info(int(index))
                for transform in transforms[: last + 1]:
                    sample = transform(sample)
                labels_HW = sample.pop("gt_seg_map")
                sample.pop("gt_label_weight", None)
                labelled_HW = labels_HW != 255
                amount = f"{labelled_HW.sum()} points"
                if is_completed:
                    amount = f"completed, {100 * labelled_HW.mean():.0f} % labelled"
                title = f"{path_below(sample['img_path'], root).name}: {amount}"
                self._images.append(PointImage(title, {**sample, "seg_fields": []}, labels_HW, is_completed))

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Predict the images with the pipeline of the validation, draw and save."""
        if not self._images:
            return
        meta = runner.val_dataloader.dataset.metainfo
        steps = runner.val_dataloader.dataset.pipeline.transforms
        loading = ("LoadImageFromFile", *STEP_SETTINGS)
        steps = [t for t in steps if not name_of(t).endswith("Annotations") and name_of(t) not in loading]
        rows = []
        with kept_random_state(), torch.no_grad():
            for image in self._images:
                packed: Any = {**image.sample, "seg_fields": []}
                for step in steps:
                    packed = step(packed)
                prediction_HW = as_array(runner.model.test_step(pseudo_collate([packed]))[0].pred_sem_seg.data)
                image_HWC = np.ascontiguousarray(image.sample["img"][..., ::-1])
                draw = draw_labels if image.is_completed else draw_points
                drawn = draw(image_HWC, image.labels_HW, meta["palette"])
                columns = [(image.title, drawn), ("prediction", colorize(prediction_HW, meta["palette"]))]
                rows.append(panel(columns, height=self.height))
        strip = legend(meta["classes"], meta["palette"], max(row.shape[1] for row in rows))
        save_picture(Path(runner.work_dir) / "pictures" / "training_points.png", sheet(rows, strip))
