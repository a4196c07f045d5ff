"""The thread that fits the model and predicts while people click.

What is waited for comes first: the fit, the picture of the image in view. The features of other images, nearest first,
the suggestions in them, and the estimate of quality are made while nobody clicks.
"""

import threading
import time
import traceback
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mmseg_ext.annotation.doubt_picture import encode_doubt
from mmseg_ext.annotation.image_folder import ImageFolder
from mmseg_ext.annotation.picture_levels import decode_level, level_for
from mmseg_ext.annotation.point_database import PointDatabase, StoredPoint
from mmseg_ext.annotation.spot_suggestions import SpotSuggestions
from mmseg_ext.errors import UserError

if TYPE_CHECKING:  # torch and mmseg are imported in the thread: the page is there before them
    from torch import Tensor

    from mmseg_ext.annotation.live_model import ImageFeatures, LiveModel
    from mmseg_ext.annotation.quality import Quality
    from mmseg_ext.features.label_points import LabelledImage

IDLE_SECONDS = 0.7
"""Pause in the clicks before anything is done that nobody waits for."""
KEPT_IMAGES = 4
"""Images whose features and pictures are kept in memory."""


class Pictures(NamedTuple):
    """The prediction of one image, as PNGs.

    Attributes:
        version: Of the fit.
        classes: The most probable class of each cell, in its colour.
        doubt: How little the model prefers it to the second.
    """

    version: int
    classes: bytes
    doubt: bytes


class Interrupted(Exception):
    """Clicks have come: what nobody waits for is ended."""


class PredictionLoop:
    """Keeps the model up to date, in a thread of its own.

    Args:
        folder: The images.
        database: The points.
        colors: RGB colour of each class.
        build_model: Makes the model; called in the thread.

    Attributes:
        error: Why there is no model; empty where nothing is wrong.
    """

    def __init__(
        self,
        folder: ImageFolder,
        database: PointDatabase,
        colors: np.ndarray,
        build_model: "Callable[[], LiveModel]",
    ) -> None:
        self.folder, self.database, self.colors = folder, database, colors
        self.error = ""
        self.quality: Quality | None = None
        self.ready: set[int] = set()
        self.version = 0
        self._build_model = build_model
        self._changed = threading.Condition()
        self._is_stopped = False
        self._viewed: OrderedDict[str, int] = OrderedDict()
        self._last_click = 0.0
        self._fitted_revision = -1
        self._judged_version = 0
        self._failed: set[int] = set()
        self._features: OrderedDict[int, ImageFeatures] = OrderedDict()
        self._waiting: set[int] = set()  # images with points whose features are not there yet
        self._labelled: dict[int, tuple[list[StoredPoint], LabelledImage]] = {}
        self._pictures: OrderedDict[int, Pictures] = OrderedDict()
        self._spots = SpotSuggestions(folder, database)
        self._jobs: list[Callable[[], None]] = []
        self._model: Any = None
        self._thread = threading.Thread(target=self._run, name="prediction loop", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and wait for what it is at."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        self._thread.join(timeout=10)

    def view(self, number: int, page: str) -> None:
        """Note which image a page shows."""
        with self._changed:
            _keep_latest(self._viewed, page, number)
            self._changed.notify_all()

    def leave(self, page: str) -> None:
        """Note that a page was closed."""
        with self._changed:
            self._viewed.pop(page, None)

    def notice_click(self) -> None:
        """Note that a point has changed."""
        with self._changed:
            self._last_click = time.monotonic()
            self._changed.notify_all()

    def do(self, job: Callable[[], None]) -> None:
        """Do a job in the thread, where the model is."""
        with self._changed:
            self._jobs.append(job)
            self._changed.notify_all()

    def pictures(self, number: int) -> Pictures | None:
        """Return the latest prediction of an image; None where there is none yet."""
        return self._pictures.get(number)

    def progress(self, page: str = "") -> dict[str, Any]:
        """Say how far the loop is, for a page."""
        viewed = self._viewed.get(page, 0)
        picture = self._pictures.get(viewed)
        return {
            "model": "failed" if self.error else "ready" if self._model is not None else "loading",
            "error": self.error,
            "ready": len(self.ready),
            "version": self.version,
            "viewed": viewed,
            "picture": picture.version if picture else 0,
            "quality": self.quality._asdict() if self.quality else None,
        }

    def next_spot(self, viewed: int) -> dict[str, int] | None:
        """Return where a label is worth most; see :class:`SpotSuggestions`."""
        return self._spots.next_spot(viewed, frozenset(self._failed))

    # What follows runs in the thread.

    def _run(self) -> None:
        try:
            self._model = self._build_model()
        except Exception as error:
            self._fail(error)
            return
        while True:
            with self._changed:
                task = None if self._is_stopped else self._next_task()
                if self._is_stopped:
                    return
                if task is None:
                    self._changed.wait(timeout=0.2)
                    continue
            try:
                task()
            except Interrupted:
                continue
            except Exception as error:
                self._fail(error)
                return

    def _fail(self, error: Exception) -> None:
        """Go on without a model: points can be clicked all the same."""
        if not isinstance(error, UserError):
            traceback.print_exc()
        self.error = f"There is no prediction: {error}"

    def _next_task(self) -> Callable[[], None] | None:
        if self._fitted_revision != self.database.revision:
            return self._fit
        in_view = list(reversed(self._viewed.values())) or [0]
        for number in in_view:
            if number in self._failed:
                continue
            if number not in self.ready:
                return lambda: self._prepare(number, number in self._waiting)
            picture = self._pictures.get(number)
            if self._model.is_fitted and (picture is None or picture.version != self.version):
                return lambda: self._predict(number)
        if self._jobs:
            return self._jobs.pop(0)
        # The next spot is waited for as well.
        viewed = in_view[0]
        lacking = next((number for number in self._spots.lacks_cells(viewed) if number in self.ready), None)
        if lacking is not None:
            return lambda: self._add_cells(lacking)
        if not self._spots.is_pooled(viewed):
            return lambda: self._spots.pool(viewed)
        if time.monotonic() - self._last_click < IDLE_SECONDS:
            return None
        return self._idle_task(viewed)

    def _idle_task(self, viewed: int) -> Callable[[], None] | None:
        """Choose something that nobody waits for."""
        if self._waiting:
            number = min(self._waiting)
            return lambda: self._prepare(number, refit=True)
        if self._model.is_fitted and self._judged_version != self.version:
            return self._judge
        if self._model.is_fitted:
            stale = [number for number in self._spots.pool_of(viewed) if self._spots.version_of(number) != self.version]
            if stale:
                return lambda: self._refresh_spots(stale[0])
        near = self.folder.neighbours(viewed)
        missing = next((n for n in near if n not in self.ready and n not in self._failed), None)
        if missing is None or not self._model.keeps_features:
            return None
        return lambda: self._prepare(missing)

    def _prepare(self, number: int, refit: bool = False) -> None:
        """Compute the features of an image, unless they are in the cache."""
        try:
            self._features_of(number)
        except UserError:
            self._give_up(number)
            refit = False
        self._waiting.discard(number)
        if refit and not self._waiting:
            self._fitted_revision = -1

    def _add_cells(self, number: int) -> None:
        """Look at the cells of an image, for the suggestions."""
        try:
            self._spots.add_cells(number, self._model.cells_of(self._features_of(number)))
        except UserError:
            self._give_up(number)

    def _give_up(self, number: int) -> None:
        """Leave out an image that cannot be read; the page says why, when it is opened."""
        self._failed.add(number)
        self.ready.discard(number)

    def _features_of(self, number: int) -> "ImageFeatures":
        features = self._features.get(number)
        if features is None:
            try:
                size, name = self.folder.size(number), self.folder.state(number)
            except OSError as error:
                raise UserError(f"{self.folder.names[number]}: {error.strerror}.") from error
            features = self._model.find_features(name, size)
            if features is None:
                level = level_for(size, self._model.input_size(size))
                image_hwC = decode_level(self.folder.path(number), size, level)
                features = self._model.extract(image_hwC, size, name)
        _keep_latest(self._features, number, features)
        self.ready.add(number)
        return features

    def _fit(self) -> None:
        """Fit to the points of all images whose features are there."""
        revision = self.database.revision
        of_image: dict[int, list[StoredPoint]] = defaultdict(list)
        for point in self.database.points_since():
            if point.image in self.folder.number_of:
                of_image[self.folder.number_of[point.image]].append(point)
        for number in self._labelled.keys() - of_image.keys():
            del self._labelled[number]
        in_view = set(self._viewed.values())
        self._waiting = of_image.keys() - self.ready - self._failed - in_view
        for number in of_image.keys() - self._waiting - self._failed:
            points = of_image[number]
            if self._labelled.get(number, ([], None))[0] == points:
                continue
            try:
                features = self._features_of(number)
            except UserError:
                self._give_up(number)
                continue
            positions_P2 = np.array([(point.y, point.x) for point in points])
            labels_P = np.array([point.label for point in points])
            self._labelled[number] = (points, self._model.look_at(features, positions_P2, labels_P))
        self._model.fit([labelled for _, labelled in self._ordered_labelled()])
        self._fitted_revision = revision
        self.version += 1
        if not self._model.is_fitted:
            self._pictures.clear()
            self._spots.clear()

    def _ordered_labelled(self) -> "list[tuple[int, LabelledImage]]":
        return [(number, self._labelled[number][1]) for number in sorted(self._labelled)]

    def log_probabilities(self, number: int) -> "Tensor":
        """Predict an image; to be called in the thread, by a job.

        Raises:
            UserError: There is no fit yet, or the image cannot be read.
        """
        if not self._model.is_fitted:
            raise UserError("Expected points of two classes or more, there are fewer. Click some.")
        labelled = self._labelled.get(number)
        return self._model.log_probabilities(self._features_of(number), labelled[1] if labelled else None)

    def _predict(self, number: int) -> None:
        from mmseg_ext.masks.class_maps import pack_labels

        try:
            found = self.log_probabilities(number)
        except UserError:
            self._give_up(number)
            return
        probabilities_Chw = found[0].exp().numpy()
        classes = pack_labels(probabilities_Chw.argmax(0), self.colors)
        pictures = Pictures(self.version, classes, encode_doubt(probabilities_Chw))
        _keep_latest(self._pictures, number, pictures)
        self._spots.update(number, probabilities_Chw, self.version)

    def _refresh_spots(self, number: int) -> None:
        try:
            self._spots.update(number, self.log_probabilities(number)[0].exp().numpy(), self.version)
        except UserError:
            self._give_up(number)

    def _judge(self) -> None:
        """Estimate the quality; ends when somebody clicks."""
        import torch

        from mmseg_ext.annotation.quality import estimate_quality
        from mmseg_ext.features.point_features import PointFeatures, join_points

        def check() -> None:
            if self._is_stopped or self._fitted_revision != self.database.revision:
                raise Interrupted

        points = [
            PointFeatures(
                image.network_PF,
                image.descriptors_PD,
                image.labels_P,
                torch.ones(len(image.labels_P)),
                torch.full_like(image.labels_P, number),
            )
            for number, image in self._ordered_labelled()
        ]
        head, names = self._model.segmentor.decode_head, self.folder.names
        self.quality = estimate_quality(head, join_points(points), names, self.database.classes, check)
        self._judged_version = self.version


def _keep_latest(kept: OrderedDict, key: Any, value: Any) -> None:
    kept[key] = value
    kept.move_to_end(key)
    while len(kept) > KEPT_IMAGES:
        kept.popitem(last=False)
