"""A perceptron with one hidden layer on the features of a network.

Shape suffixes: P points, F features, K hidden units, C classes, N batch, h w height and width of the result.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_ext.arguments import FractionBelowOne, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from mmseg_ext.features.classifier import ABSENT, Classifier
from mmseg_ext.features.feature_maps import project_maps
from mmseg_ext.features.point_features import PointFeatures
from mmseg_ext.registry import MODELS


@MODELS.register_module()
class MultilayerPerceptron(Classifier):
    """One hidden layer of ReLU units on the network's features, trained on all points at once by Adam.

    Args:
        hidden_channels: K.
        num_steps: Steps of Adam.
        lr: Learning rate, annealed to zero along half a cosine.
        weight_decay: Of AdamW.
        dropout_ratio: Probability that an input or a hidden unit is set to zero in a step.
        seed: Of the initial weights and the dropout.
    """

    def __init__(
        self,
        hidden_channels: PositiveInt = 128,
        num_steps: PositiveInt = 200,
        lr: PositiveFloat = 0.003,
        weight_decay: NonNegativeFloat = 0.01,
        dropout_ratio: FractionBelowOne = 0.5,
        seed: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        self.hidden_channels, self.num_steps, self.seed = hidden_channels, num_steps, seed
        self.lr, self.weight_decay, self.dropout_ratio = lr, weight_decay, dropout_ratio
        for name, shape in (("weight_1", (0, 0)), ("bias_1", (0,)), ("weight_2", (0, 0)), ("bias_2", (0,))):
            self.register_buffer(name, torch.zeros(shape))

    def settings(self) -> dict[str, Any]:
        """Return no setting: all are given."""
        return {}

    def _fit(self, points: PointFeatures, num_classes: int) -> None:
        """Fit to points."""
        std_F, mean_F = torch.std_mean(points.network_PF, 0, correction=0)
        scale_F = torch.where(std_F > 0, std_F, 1)
        x_PF = (points.network_PF - mean_F) / scale_F
        weights_P = points.weights_P / points.weights_P.sum()
        generator = torch.Generator().manual_seed(self.seed)
        num_features, width = x_PF.shape[1], self.hidden_channels

        def draw(*shape: int) -> Tensor:
            values = torch.randn(shape, generator=generator) * (2 / shape[1]) ** 0.5
            return values.to(x_PF).requires_grad_()

        def drop(values: Tensor) -> Tensor:
            kept = torch.rand(values.shape, generator=generator) >= self.dropout_ratio
            return values * kept.to(values) / (1 - self.dropout_ratio)

        weight_1, weight_2 = draw(width, num_features), draw(num_classes, width)
        bias_1, bias_2 = (x_PF.new_zeros(n, requires_grad=True) for n in (width, num_classes))
        parameters = [weight_1, bias_1, weight_2, bias_2]
        optimizer = torch.optim.AdamW(parameters, lr=self.lr, weight_decay=self.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.num_steps)
        with torch.enable_grad():
            for _ in range(self.num_steps):
                hidden_PK = F.linear(drop(x_PF), weight_1, bias_1).relu()
                logits_PC = F.linear(drop(hidden_PK), weight_2, bias_2)
                loss = (weights_P * F.cross_entropy(logits_PC, points.labels_P, reduction="none")).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        self.weight_1 = weight_1.detach() / scale_F
        self.bias_1 = bias_1.detach() - self.weight_1 @ mean_F
        self.weight_2, self.bias_2 = weight_2.detach(), bias_2.detach()
        absent = torch.bincount(points.labels_P, minlength=num_classes) == 0
        self.weight_2[absent], self.bias_2[absent] = 0, ABSENT

    def at_points(self, points: PointFeatures) -> Tensor:
        """Compute log probabilities (P, C)."""
        hidden_PK = F.linear(points.network_PF, self.weight_1, self.bias_1).relu()
        return F.linear(hidden_PK, self.weight_2, self.bias_2).log_softmax(1)

    def on_maps(self, maps: Sequence[Tensor], descriptors_NDhw: Tensor | None, size: Sequence[int]) -> Tensor:
        """Compute log probabilities (N, C, h, w)."""
        hidden = project_maps(maps, self.weight_1, self.bias_1, size).relu()
        return F.conv2d(hidden, self.weight_2[:, :, None, None], self.bias_2).log_softmax(1)
