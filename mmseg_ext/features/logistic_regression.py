"""Multinomial logistic regression on the features of a network.

Shape suffixes: P points, F features, C classes, N batch, h w height and width of the result.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_ext.arguments import PositiveFloat
from mmseg_ext.features.classifier import ABSENT, Classifier
from mmseg_ext.features.feature_maps import project_maps
from mmseg_ext.features.point_features import PointFeatures
from mmseg_ext.registry import MODELS

MAX_ITERATIONS = 200


def fit_logistic_regression(
    features_PF: Tensor,
    labels_P: Tensor,
    weights_P: Tensor,
    num_classes: int,
    C: float,
    start: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Minimise Σ weight · cross-entropy + ‖W‖² / (2 C) over standardised features, by L-BFGS.

    Args:
        features_PF: float32.
        labels_P: Class indices.
        weights_P: Weight of each point; only their ratios count.
        num_classes: C; a class without a point gets the logit of :data:`ABSENT`.
        C: Inverse strength of the penalty, as in scikit-learn.
        start: An earlier result to begin from, which saves iterations after small changes.

    Returns:
        Weights (C, F) and biases (C,), for features that are not standardised.
    """
    num_points, num_features = features_PF.shape
    std_F, mean_F = torch.std_mean(features_PF, 0, correction=0)
    scale_F = torch.where(std_F > 0, std_F, 1)
    x_PF = (features_PF - mean_F) / scale_F
    present, targets_P = labels_P.unique(return_inverse=True)
    weights_P = weights_P / weights_P.mean()
    parameters = x_PF.new_zeros(len(present), num_features + 1)
    if start is not None:
        weight_CF, bias_C = (tensor[present] for tensor in start)
        parameters = torch.cat([weight_CF * scale_F, (bias_C + weight_CF @ mean_F)[:, None]], 1)
    parameters = parameters.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [parameters], max_iter=MAX_ITERATIONS, tolerance_grad=1e-5, tolerance_change=1e-7, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        losses_P = F.cross_entropy(F.linear(x_PF, parameters[:, :-1], parameters[:, -1]), targets_P, reduction="none")
        loss = (weights_P * losses_P).sum() + parameters[:, :-1].square().sum() / (2 * C)
        loss = loss / num_points  # so that the tolerances do not depend on the number of points
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    fitted = parameters.detach()
    weight_CF = x_PF.new_zeros(num_classes, num_features)
    bias_C = x_PF.new_full((num_classes,), ABSENT)
    weight_CF[present] = fitted[:, :-1] / scale_F
    bias_C[present] = fitted[:, -1] - weight_CF[present] @ mean_F
    return weight_CF, bias_C


@MODELS.register_module()
class LogisticRegression(Classifier):
    """Multinomial logistic regression on the features of the network.

    Args:
        C: Inverse strength of the L2 penalty on standardised features, as in scikit-learn. None chooses it by
            cross-validation over the images.

    Reference:
        Liu and Nocedal, On the limited memory BFGS method, Mathematical Programming 1989.
    """

    candidates = tuple({"C": C} for C in (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1))
    default = {"C": 0.003}

    def __init__(self, C: PositiveFloat | None = None) -> None:
        super().__init__()
        self.C = C
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", torch.zeros(0, 0))
        self.register_buffer("bias", torch.zeros(0))

    def settings(self) -> dict[str, Any] | None:
        """Return the settings to fit with, None where they are to be chosen."""
        return None if self.C is None else {"C": self.C}

    def _fit(self, points: PointFeatures, num_classes: int, C: float) -> None:
        """Fit to points, beginning from the last fit of the same shape."""
        start = (self.weight, self.bias) if self.weight.shape == (num_classes, points.network_PF.shape[1]) else None
        self.weight, self.bias = fit_logistic_regression(
            points.network_PF, points.labels_P, points.weights_P, num_classes, C, start
        )

    def at_points(self, points: PointFeatures) -> Tensor:
        """Compute log probabilities (P, C)."""
        return F.linear(points.network_PF, self.weight, self.bias).log_softmax(1)

    def on_maps(self, maps: Sequence[Tensor], descriptors_NDhw: Tensor | None, size: Sequence[int]) -> Tensor:
        """Compute log probabilities (N, C, h, w)."""
        return project_maps(maps, self.weight, self.bias, size).log_softmax(1)
