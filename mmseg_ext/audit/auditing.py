"""An audit: every label of a dataset judged by a model that has not seen it.

Shape suffixes: N images, C classes, H W height and width.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor

from mmseg_ext.audit.candidates import Candidate, find_candidates
from mmseg_ext.audit.cross_validated_models import CrossValidatedModels
from mmseg_ext.audit.doubtful_points import find_doubtful_points
from mmseg_ext.audit.folds import assign_folds
from mmseg_ext.audit.held_out_models import HeldOutModels
from mmseg_ext.audit.held_out_points import HeldOutPoints
from mmseg_ext.audit.image_records import Cells, ImageRecord, RecordFolder, own_cells_of
from mmseg_ext.audit.judged_images import JudgedImages
from mmseg_ext.audit.pixel_evidence import UNLABELLED, gather_evidence
from mmseg_ext.audit.ranking import Ranking
from mmseg_ext.audit.whole_images import find_whole_image
from mmseg_ext.engine.label_completion import own_model, segmentor_of_classes
from mmseg_ext.engine.random_state import kept_random_state
from mmseg_ext.features.completion import DEFAULT_MODEL
from mmseg_ext.pictures import SPARSE_SHARE
from mmseg_ext.points.label_budget import Completion
from mmseg_ext.progress import ProgressDisplay
from mmseg_ext.scores.image_groups import Groups

MAX_CANDIDATES = 200
"""Candidates of an image that are kept, the worst."""


class Judges(Protocol):
    """Models, one a fold, each of which judges images that it was not fitted to.

    Attributes:
        folds_N: The fold of each image.
        known_FC: Which classes the model of each fold has seen, bool.
        points: Labelled points as they see them.
    """

    folds_N: np.ndarray
    known_FC: np.ndarray
    points: HeldOutPoints

    def fit(self, images: JudgedImages) -> None:
        """Fit what is to be fitted, and look at points of the images."""

    def digest(self, fold: int) -> str:
        """Compute a digest of the model of a fold."""

    def predict(self, sample: dict, fold: int) -> Tensor:
        """Compute the probabilities of the classes in one image, (1, C, h, w)."""


class Audit(NamedTuple):
    """A finished audit.

    Attributes:
        images: The dataset.
        folder: With a record and a prediction of each image.
        folds_N: The fold of each image.
        calibration_error: Of the models on the labels that they have not seen, 0..1.
        num_made: Images that were judged now; the others were there.
    """

    images: JudgedImages
    folder: RecordFolder
    folds_N: np.ndarray
    calibration_error: float
    num_made: int

    def records(self) -> Iterator[tuple[str, ImageRecord]]:
        """Read the records, one after the other."""
        for name in self.images.names:
            record = self.folder.read(name)
            if record is not None:
                yield name, record


def audit_config(
    config: Config, out: str | Path, groups: Groups = "image", num_folds: int = 5, runs: str | Path | None = None
) -> Audit:
    """Audit the labels that a config trains on, by light heads on frozen features or by trained models.

    Args:
        config: A config of a FeatureSegmentor is audited by its own model, any other by a frozen EfficientNet-Lite0.
        out: The folder to write.
        groups: Images that are alike, as for :func:`~mmseg_ext.audit.folds.assign_folds`.
        num_folds: Most folds.
        runs: The work dir of a cross-validation of the config: its models judge, and its folds count.

    Raises:
        UserError: No folds are possible, no pixel is labelled, or an image, a mask or the model cannot be used.
    """
    with kept_random_state(), DefaultScope.overwrite_default_scope("mmseg"):
        torch.manual_seed(0)  # of a network without pretrained weights
        images = JudgedImages(config.train_dataloader.dataset)
        judges: Judges
        if runs is not None:
            judges = CrossValidatedModels(runs, config, images)
        else:
            own = own_model(config)
            segmentor = segmentor_of_classes(own.get("model", DEFAULT_MODEL), len(images.classes))
            folds_N = assign_folds(images.names, groups, num_folds)
            judges = HeldOutModels(segmentor, own.get("scale", Completion().scale), folds_N)
        judges.fit(images)
        return audit_images(images, judges, RecordFolder(out))


def audit_images(images: JudgedImages, judges: Judges, folder: RecordFolder) -> Audit:
    """Judge every image by the model of its fold, unless that is done already; one image is held at a time."""
    ranking = Ranking(judges.points)
    digests = [judges.digest(fold) for fold in range(len(judges.known_FC))]
    num_made = 0
    palette = np.array(images.palette, np.uint8)
    with ProgressDisplay("Judging the labels") as progress:
        for index, name in enumerate(images.names):
            sample, fold = images.sample(index), int(judges.folds_N[index])
            digest = _digest(digests[fold], sample)
            known = folder.read(name)
            if known is None or known.digest != digest:
                probabilities = judges.predict(sample, fold)
                record, predicted_HW = judge(probabilities, sample["gt_seg_map"], judges.known_FC[fold], ranking)
                folder.write(name, record._replace(digest=digest), predicted_HW, palette)
                num_made += 1
            progress(index + 1, len(images))
    return Audit(images, folder, judges.folds_N, judges.points.calibration_error, num_made)


def judge(
    probabilities: Tensor, labels_HW: np.ndarray, known_C: np.ndarray, ranking: Ranking
) -> tuple[ImageRecord, np.ndarray]:
    """Find what may be wrong in the labels of one image.

    Args:
        probabilities: Of the classes, (1, C, h, w).
        labels_HW: uint8, 255 for none.
        known_C: Which classes the model has seen.
        ranking: Scores the candidates.

    Returns:
        A record without digest, and the prediction, uint8 (H, W).
    """
    num_classes = len(known_C)
    evidence = gather_evidence(probabilities, labels_HW, known_C)
    judged_HW = evidence.labels_HW != UNLABELLED
    cells = Cells.of_pixels(evidence.labels_HW[judged_HW], evidence.predicted_HW[judged_HW], num_classes)
    found: list[Candidate] = []
    if 0 < np.count_nonzero(labels_HW != UNLABELLED) < SPARSE_SHARE * labels_HW.size:
        found = find_doubtful_points(probabilities, labels_HW, known_C)
    elif judged_HW.any():
        confusion_CC = cells.matrix(num_classes)
        whole = find_whole_image(evidence, confusion_CC)
        found = find_candidates(evidence, confusion_CC) if whole is None else [whole]
    scored = sorted((ranking.score(c, labels_HW.size) for c in found), key=lambda c: -c.score)[:MAX_CANDIDATES]
    num_unjudged = int(np.count_nonzero(labels_HW != UNLABELLED) - np.count_nonzero(judged_HW))
    own_cells = list(own_cells_of(scored, evidence.labels_HW, evidence.predicted_HW, num_classes))
    return ImageRecord("", num_unjudged, evidence.mean_loss(), cells, scored, own_cells), evidence.predicted_HW


def _digest(model: str, sample: dict) -> str:
    digest = hashlib.blake2b(model.encode(), digest_size=16)
    for array in (sample["img"], sample["gt_seg_map"]):
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
