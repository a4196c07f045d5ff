"""A person who clicks, simulated: asked for the class of a spot, it answers with that of the mask.

Nobody knows the masks before: where the next spot lies follows from the images and from the clicks so far.
Shape suffixes: C classes, H W height and width of an image, h w of a grid, P points, N images, K budgets.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from label_study.datasets import SETS, hold_out
from mmengine.config import Config
from mmseg.registry import DATASETS

from mmseg_ext.annotation import suggestions
from mmseg_ext.annotation.live_model import ImageFeatures, LiveModel
from mmseg_ext.annotation.spot_suggestions import cell_doubt
from mmseg_ext.annotation.suggestions import CellPool
from mmseg_ext.datasets.label_steps import loading_steps
from mmseg_ext.features.completion import enlarge_labels
from mmseg_ext.features.label_points import LabelledImage
from mmseg_ext.scores.class_scores import counts_of
from mmseg_ext.scores.confusion_matrix import count_confusion

IGNORED = 255
REFIT_SHARE = 0.05
"""A new fit comes after this share of the clicks so far, and after each of the first ones."""


class StudyImage(NamedTuple):
    """An image.

    Attributes:
        name: Its path below the data root.
        labels_HW: Its mask, 255 where nothing is labelled.
        features: What the network sees in it.
    """

    name: str
    labels_HW: np.ndarray
    features: ImageFeatures


def load_images(config: Config, split: str, model: LiveModel, chosen: Sequence[int] | None = None) -> list[StudyImage]:
    """Load images of a split, with their masks and features, the features from the cache where they are there."""
    dataset_config = {**config[f"{split}_dataloader"].dataset}
    dataset_config["pipeline"] = loading_steps(config.val_dataloader.dataset.pipeline)
    dataset_config.pop("labels", None)
    dataset: Any = DATASETS.build(dataset_config)
    images = []
    for index in range(len(dataset)) if chosen is None else chosen:
        sample = dataset[index]
        size = sample["img"].shape[:2]
        features = model.find_features(sample["img_name"], size)
        if features is None:
            features = model.extract(sample["img"], size, sample["img_name"])
        images.append(StudyImage(sample["img_name"], sample["gt_seg_map"], features))
    return images


def study_config(dataset: str, fold: str, root: Path, data_root: str | None) -> Config:
    """Make the config of a dataset with one fold held out."""
    config = Config.fromfile(root / SETS[dataset].light_head)
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        config[loader].dataset.data_root = data_root or str(root / config[loader].dataset.data_root)
        config[loader].dataset.original_labels = False
    hold_out(config, fold)
    return config


class Session:
    """The clicks in some images, and the model that is fitted to them.

    Args:
        images: The images that are annotated.
        model: The model.
    """

    def __init__(self, images: Sequence[StudyImage], model: LiveModel) -> None:
        self.images, self.model = images, model
        self.num_classes = model.num_classes
        self.points: list[list[tuple[int, int, int]]] = [[] for _ in images]
        self.taken: list[list[tuple[int, int]]] = [[] for _ in images]

    @property
    def num_clicks(self) -> int:
        """Points of all images."""
        return sum(map(len, self.points))

    def click(self, number: int, row: int, column: int) -> bool:
        """Ask for the class of a spot; return whether it has one. A spot without is skipped, and costs no click."""
        self.taken[number].append((row, column))
        label = int(self.images[number].labels_HW[row, column])
        if label == IGNORED:
            return False
        self.points[number].append((row, column, label))
        return True

    def counts(self) -> np.ndarray:
        """Count the points of each class, (C,)."""
        return np.bincount([label for points in self.points for *_, label in points], minlength=self.num_classes)

    def look(self) -> list[LabelledImage | None]:
        """Look up what the model sees at the points of each image."""
        found: list[LabelledImage | None] = []
        for image, points in zip(self.images, self.points, strict=True):
            rows_P3 = np.array(points, np.int64).reshape(-1, 3)
            looked = self.model.look_at(image.features, rows_P3[:, :2], rows_P3[:, 2]) if points else None
            found.append(looked)
        return found

    def score(self, held_out: Sequence[StudyImage]) -> tuple[np.ndarray, np.ndarray]:
        """Fit, and score the annotated images with their points, the others without.

        Returns:
            True positives, labelled and predicted pixels, (N, 3, C), of both.
        """
        looked = self.look()
        if not self.model.fit([one for one in looked if one is not None]):
            # A person with points of one class has a picture of one class.
            only = self.counts().argmax()
            both = [(image, np.full(image.labels_HW.shape, only)) for image in (*self.images, *held_out)]
        else:
            pairs = [*zip(self.images, looked, strict=True), *((image, None) for image in held_out)]
            both = [(image, self._predict(image, points)) for image, points in pairs]
        counts_N3C = np.stack([self._count(image, predicted_HW) for image, predicted_HW in both])
        return counts_N3C[: len(self.images)], counts_N3C[len(self.images) :]

    def _predict(self, image: StudyImage, points: LabelledImage | None) -> np.ndarray:
        found = self.model.log_probabilities(image.features, points)
        return enlarge_labels(found.exp(), image.labels_HW.shape)[0]

    def _count(self, image: StudyImage, predicted_HW: np.ndarray) -> np.ndarray:
        pair = (torch.from_numpy(np.asarray(values, np.int64)) for values in (predicted_HW, image.labels_HW))
        return counts_of(count_confusion(*pair, self.num_classes).numpy())


def click_by_suggestions(session: Session, seed: int) -> Iterator[None]:
    """Click where the page's "next" leads; yields after every click."""
    images, viewed, until = session.images, seed % len(session.images), 0
    pool = CellPool({number: session.model.cells_of(image.features) for number, image in enumerate(images)})
    doubt: dict[int, np.ndarray] = {}
    while True:
        if session.num_clicks >= until:
            doubt = _find_doubt(session)
            until = session.num_clicks + max(1, int(REFIT_SHARE * session.num_clicks))
        chosen = pool.choose(doubt, dict(enumerate(session.taken)), range(len(images)), viewed)
        if chosen is None:
            return
        viewed, row, column = chosen
        if session.click(viewed, row, column):
            yield


def _find_doubt(session: Session) -> dict[int, np.ndarray]:
    """Fit, and compute the model's doubt in every image; nothing while there are too few points."""
    if suggestions.begins_with_spread(session.counts()):
        return {}
    looked = session.look()
    session.model.fit([one for one in looked if one is not None])
    doubt = {}
    for number, (image, points) in enumerate(zip(session.images, looked, strict=True)):
        probabilities_Chw = session.model.log_probabilities(image.features, points)[0].exp().numpy()
        doubt[number] = cell_doubt(probabilities_Chw, image.labels_HW.shape)
    return doubt


def click_at_random(session: Session, seed: int) -> Iterator[None]:
    """Click at pixels drawn from all of an image, the images taking turns; yields after every click."""
    rng = np.random.default_rng(seed)
    while True:
        for number in rng.permutation(len(session.images)):
            size = session.images[number].labels_HW.shape
            while not session.click(number, *map(int, rng.integers(0, size))):
                pass
            yield


def lay_grid(size: tuple[int, int], number: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Lay an even grid of at least `number` spots at a random offset, and take that many of them."""
    rows = max(1, round((number * size[0] / size[1]) ** 0.5))
    columns = -(-number // rows)
    lines = [(np.arange(count) + rng.random()) / count for count in (rows, columns)]
    places_P2 = np.stack(np.meshgrid(*lines, indexing="ij"), -1).reshape(-1, 2)
    chosen_P2 = (rng.permutation(places_P2)[:number] * size).astype(int)
    return [(int(row), int(column)) for row, column in chosen_P2]


def click_on_grid(session: Session, clicks: int, seed: int) -> None:
    """Click on an even grid in every image; spots without a label are made up for by random ones."""
    rng = np.random.default_rng(seed)
    shares = np.full(len(session.images), clicks // len(session.images))
    shares[rng.permutation(len(shares))[: clicks % len(shares)]] += 1
    for number, share in enumerate(shares):
        size = session.images[number].labels_HW.shape
        for row, column in lay_grid(size, int(share), rng) if share else ():
            while not session.click(number, row, column):
                row, column = map(int, rng.integers(0, size))


def simulate(
    policy: str,
    images: Sequence[StudyImage],
    held_out: Sequence[StudyImage],
    model: LiveModel,
    budgets: Sequence[int],
    seed: int,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Click up to each budget, and score.

    Args:
        policy: One of :data:`~click_study.report.POLICIES`.
        images: What is annotated.
        held_out: What is scored as well.
        model: Fitted to the clicks.
        budgets: Clicks in all images, increasing.
        seed: Of the person.

    Returns:
        Counts (K, N, 3, C) of the annotated and of the held-out images, and seconds of the processor a click, without
        the scores.
    """
    found, seconds = [], 0.0
    session = Session(images, model)
    clicks = (
        None
        if policy == "grid"
        else {"suggestions": click_by_suggestions, "random": click_at_random}[policy](session, seed)
    )
    for budget in budgets:
        start = time.process_time()
        if clicks is None:
            session = Session(images, model)
            click_on_grid(session, budget, seed)
        else:
            while session.num_clicks < budget and next(clicks, "end") != "end":
                pass
        seconds += time.process_time() - start
        found.append(session.score(held_out))
    annotated, others = zip(*found, strict=True)
    return np.stack(annotated), np.stack(others), seconds / budgets[-1]
