"""Light heads on frozen features, one a fold: each predicts images that it was not fitted to.

Shape suffixes: N images, P points, C classes, h w height and width of a grid.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor

from mmseg_ext.audit.held_out_points import MAX_POINTS, MIN_POINTS_AN_IMAGE, HeldOutPoints, calibrate
from mmseg_ext.audit.judged_images import JudgedImages
from mmseg_ext.errors import UserError
from mmseg_ext.features import FeatureSegmentor
from mmseg_ext.features.completion import without_padding
from mmseg_ext.features.feature_cache import digest_of_network
from mmseg_ext.features.label_points import LabelledImage
from mmseg_ext.progress import ProgressDisplay
from mmseg_ext.transforms import PackSegInputs, Resize


class HeldOutModels:
    """One light head a fold, fitted to the images of all other folds.

    Args:
        segmentor: Extracts the features; its head is copied.
        scale: What images are resized to, keeping their ratio.
        folds_N: The fold of each image.

    Attributes:
        folds_N: As given.
        points: Of all images that the fit has used.
        known_FC: Which classes the model of each fold has seen, bool.
    """

    points: HeldOutPoints
    known_FC: np.ndarray

    def __init__(self, segmentor: FeatureSegmentor, scale: tuple[int, int], folds_N: np.ndarray) -> None:
        self.segmentor, self.folds_N = segmentor, folds_N
        self._resize, self._pack = Resize(scale=scale, keep_ratio=True), PackSegInputs()
        self.heads: list[Any] = []
        segmentor.decode_head.calibrate = False  # done here, for all folds together

    def _batch(self, sample: dict) -> dict:
        return pseudo_collate([self._pack(self._resize(dict(sample, seg_fields=list(sample["seg_fields"]))))])

    def fit(self, images: JudgedImages) -> None:
        """Fit the heads.

        Args:
            images: Each is read once; one is held at a time.

        Raises:
            UserError: No pixel is labelled, or those of a fold's other images are of one class.
        """
        step = math.ceil(len(images) * MIN_POINTS_AN_IMAGE / MAX_POINTS)
        chosen = range(0, len(images), step)
        self.segmentor.max_labels = min(self.segmentor.max_labels, MAX_POINTS // len(chosen))
        # A wrong area is often all that an image has of a class. If classes took turns, such areas would be learned.
        self.segmentor.label_strategy = "uniform"
        labelled: list[LabelledImage] = []
        folds = []
        with ProgressDisplay("Looking at the labels") as progress:
            for done, index in enumerate(chosen, 1):
                found = self.segmentor.look_at(self._batch(images.sample(index)))
                labelled += found
                folds += [self.folds_N[index]] * len(found)
                progress(done, len(chosen))
        if not labelled:
            raise UserError("Expected labelled pixels in the images, got none. Label some, or correct the masks.")
        self._fit_heads(labelled, torch.tensor(np.array(folds)))

    def _fit_heads(self, images: Sequence[LabelledImage], folds_I: Tensor) -> None:
        points = self.segmentor.join_images(images)
        head = self.segmentor.decode_head
        folds_P = folds_I[points.images_P.cpu()].to(points.labels_P.device)
        num_folds = int(self.folds_N.max()) + 1
        found_PC = points.weights_P.new_empty(len(points.labels_P), head.num_classes)
        self.known_FC = np.zeros((num_folds, head.num_classes), dtype=bool)
        with ProgressDisplay("Fitting the folds") as progress:
            for fold in range(num_folds):
                fitted = copy.deepcopy(head)
                others = points.select(folds_P != fold)
                fitted.fit(others)
                self.known_FC[fold, others.labels_P.unique().cpu().numpy()] = True
                held_out = points.select(folds_P == fold)
                if len(held_out.labels_P):
                    found_PC[folds_P == fold] = fitted.at_points(held_out)
                self.heads.append(fitted)
                progress(fold + 1, num_folds)
        # A class that a fold's model has never seen says nothing about how sure the model may be.
        known_FC = torch.from_numpy(self.known_FC).to(points.labels_P.device)
        judged_P = known_FC[folds_P, points.labels_P]
        self.points = calibrate(found_PC[judged_P], points.select(judged_P))
        for fitted in self.heads:
            fitted.temperature.fill_(self.points.temperature)

    def digest(self, fold: int) -> str:
        """Compute a digest of the model of a fold."""
        return digest_of_network(self.heads[fold], (digest_of_network(self.segmentor, ()), MAX_POINTS))

    @torch.no_grad()
    def predict(self, sample: dict, fold: int) -> Tensor:
        """Compute the probabilities of the classes in one image.

        Args:
            sample: The image, as the dataset gives it.
            fold: Of the image.

        Returns:
            (1, C, h, w), on a grid that covers the image.
        """
        data = self.segmentor.data_preprocessor(self._batch(sample), False)
        image_1CHW, meta = data["inputs"], data["data_samples"][0].metainfo
        log_probabilities = self.heads[fold].log_probabilities(self.segmentor.extract_feat(image_1CHW))
        return without_padding(log_probabilities.exp(), image_1CHW.shape[2:], meta["img_shape"][:2])
