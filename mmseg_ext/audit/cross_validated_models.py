"""The models of a cross-validation, each a judge of the images that it was validated on.

Shape suffixes: P points, C classes.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmseg.registry import DATASETS
from torch import Tensor

from mmseg_ext.audit.held_out_points import (
    MAX_POINTS,
    MIN_POINTS_AN_IMAGE,
    HeldOutPoints,
    calibrate,
    points_of,
)
from mmseg_ext.audit.judged_images import JudgedImages
from mmseg_ext.audit.pixel_evidence import UNLABELLED
from mmseg_ext.engine.cross_validation import check_folds
from mmseg_ext.errors import UserError
from mmseg_ext.features.feature_cache import digest_of_network
from mmseg_ext.image_names import image_name
from mmseg_ext.points.sampling import keep_points, seed_of_sample
from mmseg_ext.prediction.class_scores import SMALLEST
from mmseg_ext.prediction.loading import load_model
from mmseg_ext.progress import ProgressDisplay

_FIX = "Train all folds: python tools/cross_validate.py CONFIG."


class CrossValidatedModels:
    """The trained models of tools/cross_validate.py, of the lowest seed that a fold has.

    Args:
        work_dir: Of the cross-validation.
        config: Of it; its validation dataset says which images are of which fold.
        images: The images to judge.

    Attributes:
        folds_N: The fold of each image, counted in the order of the folders.
        known_FC: All classes: the models were trained on what the config says.
        points: Labelled points of the images, as the models see them.

    Raises:
        UserError: The config has no folds, there are fewer than two trained folds, or an image is of none of them.
    """

    points: HeldOutPoints

    def __init__(self, work_dir: str | Path, config: Config, images: JudgedImages) -> None:
        check_folds(config)
        cells: dict[int, Path] = {}
        for path in sorted(Path(work_dir).glob("fold*_seed*"), reverse=True):
            number = path.name.removeprefix("fold").partition("_")[0]
            if number.isdecimal() and path.is_dir():
                cells[int(number)] = path
        if len(cells) < 2:
            raise UserError(f"Expected folders fold0_seed0, fold1_seed0 … in {work_dir}, found {len(cells)}. {_FIX}")
        fold_of = {}
        for place, fold in enumerate(sorted(cells)):
            for name in _validated_names(config, fold):
                fold_of[name] = place
        lacking = [name for name in images.names if name not in fold_of]
        if lacking:
            raise UserError(
                f"Expected each image in the validation images of a fold in {work_dir}, {len(lacking)} are in none, "
                f"such as {lacking[0]}. {_FIX}"
            )
        self.folds_N = np.array([fold_of[name] for name in images.names])
        self._models: list[Any] = [load_model(cells[fold]) for fold in sorted(cells)]
        self._temperature = 1.0
        num_classes = len(images.classes)
        for model, fold in zip(self._models, sorted(cells), strict=True):
            if len(model.names) != num_classes:
                raise UserError(
                    f"Expected models of {num_classes} classes, got one of {len(model.names)} in {cells[fold]}."
                )
        self.known_FC = np.ones((len(cells), num_classes), bool)

    def fit(self, images: JudgedImages) -> None:
        """Look at points of the images, to calibrate the models."""
        step = math.ceil(len(images) * MIN_POINTS_AN_IMAGE / MAX_POINTS)
        chosen = range(0, len(images), step)
        found, labels = [], []
        with ProgressDisplay("Looking at the labels") as progress:
            for done, index in enumerate(chosen, 1):
                sample = images.sample(index)
                seed = seed_of_sample(0, images.names[index])
                kept_HW = keep_points(sample["gt_seg_map"], min(1000, MAX_POINTS // len(chosen)), seed)
                is_point_HW = torch.from_numpy(kept_HW != UNLABELLED)
                if is_point_HW.any():
                    found.append(self.predict(sample, int(self.folds_N[index]))[0, :, is_point_HW].t())
                    labels.append(kept_HW[kept_HW != UNLABELLED])
                progress(done, len(chosen))
        if not found:
            raise UserError("Expected labelled pixels in the images, got none. Label some, or correct the masks.")
        self.points = calibrate(torch.cat(found).clamp(min=SMALLEST).log(), points_of(np.concatenate(labels)))
        self._temperature = self.points.temperature

    def digest(self, fold: int) -> str:
        """Compute a digest of the model of a fold."""
        model = self._models[fold]
        return digest_of_network(model.segmentor, (model.config.to_dict(), self._temperature))

    def predict(self, sample: dict, fold: int) -> Tensor:
        """Compute the probabilities of the classes in one image, (1, C, H, W)."""
        image_rgb = np.ascontiguousarray(sample["img"][..., ::-1])
        found = torch.from_numpy(self._models[fold].predict(image_rgb, probabilities=True).probabilities_CHW)
        if len(found) == 1:  # one sigmoid channel
            found = torch.cat([1 - found, found])
        return (found.clamp(min=SMALLEST).log() / self._temperature).softmax(0)[None]


def _validated_names(config: Config, fold: int) -> list[str]:
    dataset: Any = DATASETS.build({**config.val_dataloader.dataset, "fold": fold, "pipeline": []})
    return [image_name(dataset.get_data_info(i), dataset.data_root, "audit") for i in range(len(dataset))]
