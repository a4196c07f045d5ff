"""A decode head that is fitted to points at once, not trained step by step.

Shape suffixes: P points, C classes, N batch, h w height and width of the logits.
"""

import copy
import math
import time
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmseg_ext.arguments import ComponentConfig, NonNegativeFloat, PositiveInt, Rule
from mmseg_ext.errors import UserError
from mmseg_ext.features.calibration import (
    choose_temperature,
    expected_calibration_error,
    mean_cross_entropy,
    split_images,
)
from mmseg_ext.features.classifier import Classifier
from mmseg_ext.features.point_features import PointFeatures
from mmseg_ext.models.heads.head_arguments import check_head_arguments
from mmseg_ext.registry import MODELS
from mmseg_ext.statistics.class_weights import parse_weights_file, read_class_weights

BALANCED = "balanced"
"""The `class_weight` by which the points of each class weigh alike."""


class FitReport(NamedTuple):
    """How a fit went.

    Attributes:
        num_points: Points that the head was fitted to.
        seconds: Time of the fit.
        chosen: Settings that cross-validation chose, by classifier.
        temperature: What the log probabilities are divided by.
        loss: Mean cross-entropy on held-out images in nats; nan where all points are of one image.
        calibration_error: Expected calibration error on held-out images, 0..1; likewise.
    """

    num_points: int
    seconds: float
    chosen: dict[str, dict[str, Any]]
    temperature: float
    loss: float
    calibration_error: float

    def describe(self) -> str:
        """Say it in one line."""
        chosen = "".join(f", {name} {settings}" for name, settings in self.chosen.items())
        text = f"{self.num_points:,} points in {self.seconds:.2f} s{chosen}, temperature {self.temperature:.2f}"
        if math.isnan(self.loss):
            return text
        return (
            f"{text}; on held-out images: cross-entropy {self.loss:.3f} nats, expected calibration error "
            f"{100 * self.calibration_error:.1f} %"
        )


Classifiers = Annotated[
    Sequence[ComponentConfig], Rule("a list of configs, such as [dict(type='mmseg_ext.LogisticRegression')]", len)
]


@MODELS.register_module()
class LightHead(BaseDecodeHead):
    """The geometric mean of classifiers on frozen features, for `FeatureSegmentor`.

    Its logits are log probabilities, on the grid of the finest feature map.

    Args:
        num_classes: Classes.
        classifiers: Configs of :class:`LogisticRegression`, :class:`MultilayerPerceptron`, :class:`ExtraTrees`.
        calibrate: Whether to choose a temperature, and to measure the calibration, on held-out images: three more fits.
        class_weight: One non-negative weight per class, which multiplies those of its points, 0 for a class that is not
            fitted to; or ``'FILE:FORMULA'``, such as ``'work_dirs/statistics.json:median_frequency'``, for the weights
            in a file of tools/dataset_stats.py, read at the fit; or ``'balanced'``, as in scikit-learn: the points of
            a class weigh as much together as those of any other. The temperature and the calibration are of points
            without class weights.
        out_channels: 1 for one sigmoid channel of two classes; by default `num_classes`.
        **kwargs: `threshold`, `ignore_index` and others of mmseg's BaseDecodeHead.

    Raises:
        UserError: There is no classifier, another number of weights than classes, or no such formula.
    """

    takes_label_weights = True
    fixed_arguments = ("in_channels", "channels", "in_index", "input_transform")

    def __init__(
        self,
        num_classes: PositiveInt,
        classifiers: Classifiers = ({"type": "mmseg_ext.LogisticRegression"},),
        calibrate: bool = True,
        class_weight: Sequence[NonNegativeFloat] | str | None = None,
        out_channels: PositiveInt | None = None,
        **kwargs: Any,
    ) -> None:
        if isinstance(class_weight, str) and class_weight != BALANCED:
            parse_weights_file(class_weight)
        loss = {"type": "mmseg_ext.PartialCrossEntropyLoss"}
        check_head_arguments(type(self).__name__, 1, num_classes, out_channels=out_channels)
        settings = {"dropout_ratio": 0, "init_cfg": None, "align_corners": False, "loss_decode": loss, **kwargs}
        super().__init__(in_channels=1, channels=1, num_classes=num_classes, out_channels=out_channels, **settings)
        del self.conv_seg, self.loss_decode  # nothing is learned by gradient
        self.classifiers: Any = nn.ModuleList(MODELS.build(config) for config in classifiers)
        self.calibrate, self.class_weight = calibrate, class_weight
        if not isinstance(class_weight, str):
            self.given_class_weights()
        self.temperature: Tensor
        self.num_points: Tensor
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("num_points", torch.zeros((), dtype=torch.int64))

    @property
    def uses_descriptors(self) -> bool:
        """Whether a classifier looks at colour and texture."""
        return any(classifier.uses_descriptors for classifier in self.classifiers)

    @property
    def is_balanced(self) -> bool:
        """Whether the points of each class weigh alike."""
        return isinstance(self.class_weight, str) and self.class_weight == BALANCED

    def balance(self, points: PointFeatures) -> PointFeatures:
        """Weigh the classes of points alike, if the head is balanced."""
        return points.balanced() if self.is_balanced else points

    def fit(self, points: PointFeatures) -> FitReport:
        """Fit to points.

        Raises:
            UserError: All points are of one class, a classifier lacks a package, or the file of the class weights
                cannot be read.
        """
        begin = time.perf_counter()
        class_weights_C = self.given_class_weights()
        if class_weights_C is not None:
            class_weights_C = class_weights_C.to(points.weights_P)
            points = points.select(class_weights_C[points.labels_P] > 0)
        classes = points.labels_P.unique()
        if len(classes) < 2:
            raise UserError(
                f"Expected points of two classes or more, got {len(points.labels_P)} points"
                f"{f' of class {int(classes[0])} alone' if len(classes) else ''}. Label points of another class."
            )
        held_out = split_images(points.images_P)
        weighed = self.balance(points)
        if class_weights_C is not None:
            weighed = points._replace(weights_P=points.weights_P * class_weights_C[points.labels_P])
        chosen: dict[str, dict[str, Any]] = {}
        log_probabilities = []
        for classifier in self.classifiers:
            settings, found_PC = self._settings_of(classifier, weighed, held_out)
            if classifier.settings() is None:
                chosen[type(classifier).__name__] = settings
            if self.calibrate and held_out:
                if found_PC is None:
                    found_PC = self._predict_held_out(classifier, weighed, held_out, settings)
                log_probabilities.append(found_PC)
            classifier.fit(weighed, self.num_classes, **settings)
        loss = calibration_error = float("nan")
        self.temperature.fill_(1.0)
        if log_probabilities:
            mean_PC = torch.stack(log_probabilities).mean(0)
            self.temperature.fill_(choose_temperature(mean_PC, points))
            mean_PC = (mean_PC / self.temperature).log_softmax(1)
            loss = mean_cross_entropy(mean_PC, points)
            calibration_error = expected_calibration_error(mean_PC.exp(), points.labels_P, points.weights_P)
        self.num_points.fill_(len(points.labels_P))
        seconds = time.perf_counter() - begin
        return FitReport(len(points.labels_P), seconds, chosen, float(self.temperature), loss, calibration_error)

    def given_class_weights(self) -> Tensor | None:
        """Return the given weight of each class, (C,); None where none is given or the classes are balanced.

        Raises:
            UserError: The file of the weights cannot be read, or does not hold one a class.
        """
        weights = self.class_weight
        if weights is None or self.is_balanced:
            return None
        where = f"in {weights}" if isinstance(weights, str) else "in `class_weight`"
        if isinstance(weights, str):
            weights = read_class_weights(weights)
        if len(weights) != self.num_classes:
            raise UserError(f"Expected {self.num_classes} weights, one a class, {where}, got {len(weights)}.")
        return torch.tensor(list(weights), dtype=torch.float32)

    def _settings_of(
        self, classifier: Any, points: PointFeatures, held_out: Sequence[Tensor]
    ) -> tuple[dict[str, Any], Tensor | None]:
        """Return a classifier's settings, and what it predicts for held-out points where they were chosen by it."""
        given = classifier.settings()
        if given is not None:
            return dict(given), None
        if not held_out:
            return dict(classifier.default), None
        tried = [(dict(s), self._predict_held_out(classifier, points, held_out, s)) for s in classifier.candidates]
        return min(tried, key=lambda trial: mean_cross_entropy(trial[1], points))

    def _predict_held_out(
        self, classifier: Any, points: PointFeatures, held_out: Sequence[Tensor], settings: Any
    ) -> Tensor:
        """Predict each image's points by a classifier that was fitted without that image, (P, C)."""
        found_PC = points.weights_P.new_empty(len(points.labels_P), self.num_classes)
        for fold_P in held_out:
            found_PC[fold_P] = self.predict_fold(classifier, points, fold_P, settings)
        return found_PC

    def predict_fold(
        self, classifier: Any, points: PointFeatures, fold_P: Tensor, settings: Any, used_P: Tensor | None = None
    ) -> Tensor:
        """Predict the points of a fold by a classifier that was fitted to the others.

        Args:
            classifier: Is copied.
            points: All points.
            fold_P: Mask of the points to predict.
            settings: Of the classifier.
            used_P: Mask of the points that may be fitted to; None for all.

        Returns:
            Log probabilities (points of the fold, C).
        """
        other: Classifier = copy.deepcopy(classifier)
        others = points.select(~fold_P if used_P is None else ~fold_P & used_P)
        other.fit(self.balance(others), self.num_classes, **settings)
        return other.at_points(points.select(fold_P))

    def at_points(self, points: PointFeatures) -> Tensor:
        """Compute log probabilities (P, C) of points; the head is fitted."""
        found = [classifier.at_points(points) for classifier in self.classifiers]
        return (torch.stack(found).mean(0) / self.temperature).log_softmax(1)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute log probabilities; with one channel, the logit of class 1.

        Args:
            inputs: The network's maps (N, C, h, w), and behind them the descriptors where they are used.

        Returns:
            (N, C, h, w), or (N, 1, h, w) with one channel.

        Raises:
            UserError: The head is not fitted, or was fitted on other features.
        """
        logits_NChw = self.log_probabilities(inputs)
        return logits_NChw[:, 1:] - logits_NChw[:, :1] if self.out_channels == 1 else logits_NChw

    def log_probabilities(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute log probabilities (N, C, h, w) of every class, with one channel too; see :meth:`forward`."""
        if not self.num_points:
            raise UserError("Expected a fitted head, got one without a fit. Fit it: python tools/fit.py CONFIG.")
        return self.compute_logits(inputs)

    def compute_logits(self, inputs: Sequence[Tensor]) -> Tensor:
        """Compute what :meth:`forward` returns, without a look at whether the head is fitted."""
        descriptors = inputs[-1] if self.uses_descriptors else None
        maps = inputs if descriptors is None else inputs[:-1]
        size = max((values.shape[2:] for values in inputs), key=lambda shape: shape.numel())
        found = [classifier.on_maps(maps, descriptors, size) for classifier in self.classifiers]
        return (torch.stack(found).mean(0) / self.temperature).log_softmax(1)
