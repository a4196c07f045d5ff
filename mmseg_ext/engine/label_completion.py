"""The labels of a config's training images completed from its points, once, before the run that trains on them."""

import copy
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS, MODELS

from mmseg_ext import __version__
from mmseg_ext.datasets.completion_request import CompletionRequest
from mmseg_ext.datasets.label_steps import loading_steps
from mmseg_ext.engine.random_state import kept_random_state
from mmseg_ext.errors import UserError
from mmseg_ext.features import FeatureSegmentor
from mmseg_ext.features.completion import DEFAULT_MODEL, HALF_WEIGHT_POINTS, OWN_C, complete_image
from mmseg_ext.features.feature_cache import digest_of_network
from mmseg_ext.features.label_points import LabelledImage, weigh_points
from mmseg_ext.files import replace_file
from mmseg_ext.points.completed_labels import RECORD, completed_paths, is_completed, write_completed
from mmseg_ext.points.label_budget import LabelBudget, budget_of, flat_steps, name_of
from mmseg_ext.points.point_files import read_points
from mmseg_ext.progress import ProgressDisplay
from mmseg_ext.transforms import PackSegInputs, Resize


class CompletedLabels(NamedTuple):
    """What a completion has come to.

    Attributes:
        folder: Of the labels.
        num_images: Images that have labels there.
        num_made: Those of them that were completed now.
        seconds: Time that it took.
    """

    folder: Path
    num_images: int
    num_made: int
    seconds: float


def datasets_to_complete(dataset: Any) -> Iterator[Mapping[str, Any]]:
    """List the datasets, inside of wrappers too, whose labels are to be completed."""
    if isinstance(dataset, (list, tuple)):
        for part in dataset:
            yield from datasets_to_complete(part)
    elif isinstance(dataset, Mapping):
        labels = dataset.get("labels")
        if isinstance(labels, Mapping) and LabelBudget.from_config(labels).complete is not None:
            yield dataset
        yield from datasets_to_complete(dataset.get("dataset") or dataset.get("datasets"))


def complete_training_labels(config: Config) -> list[CompletedLabels]:
    """Complete the labels that a run trains on, where its datasets say so and they are not there yet.

    Raises:
        UserError: An image or a point cannot be used, or the model cannot be built.
    """
    dataset = (config.get("train_dataloader") or {}).get("dataset")
    return [complete_dataset(part) for part in datasets_to_complete(dataset)]


def with_completion(config: Config) -> dict[str, Any]:
    """Return the config of the training dataset, its labels completed where it does not say so itself.

    A config of a FeatureSegmentor completes by its own model, from images of the size that it fits on.

    Raises:
        UserError: The config has no points to complete.
    """
    dataset = copy.deepcopy(dict(config.train_dataloader.dataset))
    budget = budget_of(dataset)
    if budget is None or not isinstance(dataset.get("labels"), Mapping):
        raise UserError(
            "Expected a config whose training dataset has points, in `labels=dict(num_points=20)` or "
            "`labels=dict(file='points.csv')`, got one without. --cfg-options train_dataloader.dataset.labels… sets it."
        )
    if budget.complete is None:
        dataset["labels"] = {**dataset["labels"], "complete": own_model(config) or True}
    return dataset


def complete_dataset(dataset: Mapping[str, Any], out: str | Path | None = None) -> CompletedLabels:
    """Complete the labels of a dataset's images.

    What an earlier, interrupted call has written is not computed again. Other processes that ask for the same labels
    wait for their end.

    Args:
        dataset: Its config, with ``labels=dict(…, complete=…)``.
        out: The folder to write; by default the one where the dataset looks for them.

    Raises:
        UserError: A file of another origin is in the folder, an image or a point cannot be used, or the model cannot be
            built.
    """
    begin = time.perf_counter()
    with kept_random_state(), DefaultScope.overwrite_default_scope("mmseg"):
        torch.manual_seed(0)  # of a network without pretrained weights
        request: CompletionRequest = DATASETS.build(dict(dataset)).completion_request
        folder = request.folder if out is None else Path(out)
        names = request.settings["images"]
        paths = [completed_paths(folder, name)[0] for name in names]
        if len(set(paths)) < len(paths):
            twice = next(path for path in paths if paths.count(path) > 1)
            raise UserError(f"Expected images whose names differ before the suffix, got two for {twice}. Rename one.")
        segmentor = build_segmentor(dataset, len(request.settings["classes"]))
        settings = (segmentor.scales, segmentor.max_labels, segmentor.label_strategy, segmentor.estimate_areas)
        head = segmentor.decode_head
        given_C = head.given_class_weights()  # a file may hold others than before
        class_weight = head.class_weight if given_C is None else given_C.tolist()
        model = digest_of_network(segmentor, (*settings, class_weight, OWN_C, HALF_WEIGHT_POINTS))
        with _locked(folder):
            if request.is_met_by(folder, model):
                return CompletedLabels(folder, len(names), 0, time.perf_counter() - begin)
            (folder / RECORD).unlink(missing_ok=True)
            stamps = request.stamps()  # before the files are read: what changes meanwhile is read again
            num_made = _Completion(dataset, segmentor, folder, model).run()
            record = {
                "written by": f"mmseg_ext {__version__}, tools/complete_labels.py",
                "model": model,
                "settings": request.settings,
                "files": stamps,
            }
            replace_file(folder / RECORD, json.dumps(record, indent=1))
    return CompletedLabels(folder, len(names), num_made, time.perf_counter() - begin)


def build_segmentor(dataset: Mapping[str, Any], num_classes: int) -> FeatureSegmentor:
    """Build the model that completes the labels of a dataset.

    Without a given one, points of which not as many were drawn for each class have their classes balanced.

    Raises:
        UserError: It is no FeatureSegmentor, or the points cannot be read.
    """
    labels = LabelBudget.from_config(dataset["labels"])
    complete: Any = labels.complete
    config = copy.deepcopy(dict(complete.model or DEFAULT_MODEL))
    if complete.model is None and labels.areas is None and not _has_even_points(labels):
        config["decode_head"]["class_weight"] = "balanced"
    if name_of(config) != "FeatureSegmentor":
        raise UserError(
            f"Expected labels.complete.model of type='mmseg_ext.FeatureSegmentor', got {config.get('type')!r}. Leave "
            "it out for a frozen EfficientNet-Lite0."
        )
    return segmentor_of_classes(config, num_classes)


def _has_even_points(labels: LabelBudget) -> bool:
    if labels.file is None:
        return labels.per == "class" or labels.strategy == "class_balanced"
    return read_points(labels.file).is_even


def segmentor_of_classes(model: Mapping[str, Any], num_classes: int) -> FeatureSegmentor:
    """Build a FeatureSegmentor with this number of classes, to predict with."""
    config = copy.deepcopy(dict(model))
    config["decode_head"] = {**config.get("decode_head", {}), "num_classes": num_classes}
    return MODELS.build(config).eval()


def own_model(config: Config) -> dict[str, Any]:
    """Find the FeatureSegmentor of a config, and the size that it sees images in.

    Returns:
        `model`, and `scale` where the training pipeline resizes; nothing for a config of another model.
    """
    if name_of(config.model) != "FeatureSegmentor":
        return {}
    steps = flat_steps(config.train_dataloader.dataset.get("pipeline"))
    scales = [s["scale"] for s in steps if name_of(s) == "Resize" and "scale" in s]
    return {"model": config.model, **({"scale": scales[-1]} if scales else {})}


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process; waits for another process."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print_log(f"Waiting for another process that completes the labels in {folder}", "current")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class _Completion:
    """One pass over the images to fit, and one to complete them; no more than one image is held at a time."""

    def __init__(self, dataset: Mapping[str, Any], segmentor: FeatureSegmentor, folder: Path, model: str) -> None:
        budget = LabelBudget.from_config(dataset["labels"])
        labels = {**dataset["labels"], "complete": None}
        self.points: Any = DATASETS.build({**dataset, "labels": labels, "pipeline": loading_steps(dataset["pipeline"])})
        self.shows_all_classes = budget.num_points is not None and budget.per == "class"
        scale: Any = budget.complete and budget.complete.scale
        self.resize, self.pack = Resize(scale=tuple(scale), keep_ratio=True), PackSegInputs()
        self.segmentor, self.folder, self.model = segmentor, folder, model

    def run(self) -> int:
        """Complete the images; return how many were not there yet."""
        total, segmentor = len(self.points), self.segmentor
        images: list[LabelledImage | None] = []
        with ProgressDisplay("Looking at the points of the images") as progress:
            for index in range(total):
                found = segmentor.look_at(self._batch(self.points[index]))
                images.append(found[0] if found else None)
                progress(index + 1, total)
        labelled = [image for image in images if image is not None]
        report = segmentor.fit(labelled)
        print_log(f"The model that completes the labels is fitted to {report.describe()}", "current")
        weights = iter(weigh_points(labelled, segmentor.decode_head.num_classes))
        weights_of = [None if image is None else next(weights) for image in images]
        fitted = digest_of_network(segmentor.decode_head, (self.model, self.shows_all_classes, self.resize.scale))
        num_made = 0
        with ProgressDisplay("Completing labels") as progress:
            for index in range(total):
                num_made += self._complete(self.points[index], fitted, images[index], weights_of[index])
                progress(index + 1, total)
        return num_made

    def _batch(self, sample: dict) -> dict:
        return pseudo_collate([self.pack(self.resize(dict(sample, seg_fields=list(sample["seg_fields"]))))])

    def _complete(self, sample: dict, fitted: str, image: LabelledImage | None, weights_P: np.ndarray | None) -> bool:
        """Complete one image, unless it is there; return whether it was not."""
        points_HW, name = sample["gt_seg_map"].copy(), sample["img_name"]
        digest = hashlib.blake2b(fitted.encode(), digest_size=16)
        for array in (sample["img"], points_HW):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        if is_completed(self.folder, name, digest.hexdigest()):
            return False
        labels_HW, probability_HW = complete_image(
            self.segmentor, self._batch(sample), image, weights_P, self.shows_all_classes
        )
        confidence_HW = np.rint(255 * probability_HW.clip(0, 1)).astype(np.uint8)
        is_point_HW = points_HW != self.segmentor.decode_head.ignore_index
        labels_HW[is_point_HW] = points_HW[is_point_HW]
        confidence_HW[is_point_HW] = 255
        write_completed(self.folder, name, labels_HW, confidence_HW, digest.hexdigest())
        return True
