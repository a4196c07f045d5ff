"""Extremely randomised trees on colour and texture: fitted by scikit-learn, kept and applied as tensors.

Shape suffixes: P points, D descriptors, M nodes of all trees, T trees, C classes, N batch, h w height and width of the
result.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_ext.arguments import NonNegativeInt, PositiveInt
from mmseg_ext.errors import UserError
from mmseg_ext.features.classifier import Classifier
from mmseg_ext.features.point_features import PointFeatures
from mmseg_ext.registry import MODELS

PROBABILITY_FLOOR = 1e-3
"""Trees say 0 of what they have not seen; its logarithm would outvote every other classifier."""


@MODELS.register_module()
class ExtraTrees(Classifier):
    """Extremely randomised trees on colour and texture, not on the network's features.

    scikit-learn fits them (``pip install mmseg_ext[trees]``); a fitted model is applied without it.

    Args:
        num_trees: T.
        min_samples_leaf: Fewest points in a leaf.
        seed: Of the splits that are drawn.

    Reference:
        Geurts, Ernst and Wehenkel, Extremely randomized trees, Machine Learning 2006.
    """

    uses_descriptors = True

    def __init__(
        self, num_trees: PositiveInt = 100, min_samples_leaf: PositiveInt = 2, seed: NonNegativeInt = 0
    ) -> None:
        super().__init__()
        self.num_trees, self.min_samples_leaf, self.seed = num_trees, min_samples_leaf, seed
        self.roots: Tensor
        self.features: Tensor
        self.thresholds: Tensor
        self.child_nodes: Tensor
        self.probabilities: Tensor
        self.register_buffer("roots", torch.zeros(0, dtype=torch.int64))  # (T,)
        self.register_buffer("features", torch.zeros(0, dtype=torch.int64))  # (M,); −1 in a leaf
        self.register_buffer("thresholds", torch.zeros(0))  # (M,); up to it a point goes left
        self.register_buffer("child_nodes", torch.zeros(0, dtype=torch.int64))  # (2 M,): left, right
        self.register_buffer("probabilities", torch.zeros(0, 0))  # (M, C)

    def settings(self) -> dict[str, Any]:
        """Return no setting: all are given."""
        return {}

    def fit(self, points: PointFeatures, num_classes: int) -> None:
        """Fit to points.

        Raises:
            UserError: scikit-learn is not installed.
        """
        try:
            from sklearn.ensemble import ExtraTreesClassifier
        except ImportError as error:
            raise UserError(
                "Expected the package scikit-learn for ExtraTrees. Install it with: python -m pip install "
                "scikit-learn; or leave ExtraTrees out of `classifiers`."
            ) from error
        device = points.labels_P.device
        forest = ExtraTreesClassifier(self.num_trees, min_samples_leaf=self.min_samples_leaf, random_state=self.seed)
        forest.fit(points.descriptors_PD.cpu().numpy(), points.labels_P.cpu().numpy(), points.weights_P.cpu().numpy())
        trees = [estimator.tree_ for estimator in forest.estimators_]
        roots_T = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
        children_M2 = np.concatenate(
            [
                np.stack([tree.children_left, tree.children_right], 1) + root
                for tree, root in zip(trees, roots_T, strict=True)
            ]
        )
        features_M = np.concatenate([np.maximum(tree.feature, -1) for tree in trees])
        # scikit-learn compares float32 with float64: the greatest float32 below separates alike.
        thresholds_M = np.concatenate([tree.threshold for tree in trees])
        rounded_M = thresholds_M.astype(np.float32)
        rounded_M = np.where(rounded_M > thresholds_M, np.nextafter(rounded_M, np.float32(-np.inf)), rounded_M)
        counts_MC = np.concatenate([tree.value[:, 0] for tree in trees])
        probabilities_MC = np.zeros((len(counts_MC), num_classes), np.float32)
        probabilities_MC[:, forest.classes_] = counts_MC / counts_MC.sum(1, keepdims=True)
        self.roots = torch.from_numpy(roots_T).to(device)
        self.features = torch.from_numpy(features_M).to(device)
        self.thresholds = torch.from_numpy(rounded_M).to(device)
        self.child_nodes = torch.from_numpy(children_M2.astype(np.int64).ravel()).to(device)
        self.probabilities = torch.from_numpy(probabilities_MC).to(device)

    def _log_probabilities(self, descriptors_PD: Tensor) -> Tensor:
        found_PC = self._mean_of_leaves(descriptors_PD.float().cpu().numpy())
        return torch.from_numpy(found_PC).to(descriptors_PD.device).clamp(min=PROBABILITY_FLOOR).log().log_softmax(1)

    def _mean_of_leaves(self, descriptors_PD: np.ndarray) -> np.ndarray:
        """Average the class probabilities of each point's leaves.

        NumPy on the CPU: these are table look-ups, a tree at a time, whose tables stay in the processor's cache.
        """
        num_points, num_descriptors = descriptors_PD.shape
        values = descriptors_PD.ravel()
        features_M, child_nodes = (t.cpu().numpy().astype(np.int32) for t in (self.features, self.child_nodes))
        thresholds_M, probabilities_MC = (t.cpu().numpy() for t in (self.thresholds, self.probabilities))
        total_PC = np.zeros((num_points, probabilities_MC.shape[1]), np.float32)
        leaves_P = np.empty(num_points, np.int32)
        for root in self.roots.tolist():
            points: np.ndarray = np.arange(num_points, dtype=np.int32)  # that have not reached a leaf yet
            nodes: np.ndarray = np.full(num_points, root, np.int32)
            while len(nodes):
                features = features_M.take(nodes)
                on_way = features >= 0
                if not on_way.all():
                    leaves_P[points[~on_way]] = nodes[~on_way]
                    points, nodes, features = points[on_way], nodes[on_way], features[on_way]
                goes_right = values.take(points * num_descriptors + features) > thresholds_M.take(nodes)
                nodes = child_nodes.take(2 * nodes + goes_right)
            total_PC += probabilities_MC.take(leaves_P, axis=0)
        return total_PC / np.float32(len(self.roots))

    def at_points(self, points: PointFeatures) -> Tensor:
        """Compute log probabilities (P, C)."""
        return self._log_probabilities(points.descriptors_PD)

    def on_maps(self, maps: Sequence[Tensor], descriptors_NDhw: Tensor | None, size: Sequence[int]) -> Tensor:
        """Compute log probabilities (N, C, h, w), on the grid of the descriptors and then enlarged."""
        if descriptors_NDhw is None:
            raise ValueError("Expected descriptors, got none.")
        descriptors = descriptors_NDhw.movedim(1, -1)
        found = self._log_probabilities(descriptors.flatten(0, 2))
        found = found.view(*descriptors.shape[:3], -1).movedim(-1, 1)
        return F.interpolate(found, size=tuple(size), mode="bilinear", align_corners=False)
