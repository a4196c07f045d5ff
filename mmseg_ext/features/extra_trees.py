"""Extremely randomised trees on colour and texture: fitted by scikit-learn, kept and applied as tensors.

Shape suffixes: P points, D descriptors, M nodes of all trees, T trees, C classes, N batch, h w height and width of the
result.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_ext.arguments import NonNegativeInt, PositiveInt
from mmseg_ext.errors import missing_packages
from mmseg_ext.features.classifier import Classifier
from mmseg_ext.features.point_features import PointFeatures
from mmseg_ext.registry import MODELS

PROBABILITY_FLOOR = 1e-3
"""Trees say 0 of what they have not seen; its logarithm would outvote every other classifier."""
STEPS = 6
"""Levels that points go down a tree before those that have reached a leaf are taken out."""


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
        self.register_buffer("features", torch.zeros(0, dtype=torch.int64))  # (M,); 0 in a leaf
        self.register_buffer("thresholds", torch.zeros(0))  # (M,); up to it a point goes left; +∞ in a leaf
        self.register_buffer("child_nodes", torch.zeros(0, dtype=torch.int64))  # (M,): left; the next is right; or self
        self.register_buffer("probabilities", torch.zeros(0, 0))  # (M, C)

    def settings(self) -> dict[str, Any]:
        """Return no setting: all are given."""
        return {}

    def _fit(self, points: PointFeatures, num_classes: int) -> None:
        try:
            from sklearn.ensemble import ExtraTreesClassifier
        except ImportError as error:
            otherwise = "or leave ExtraTrees out of `classifiers`"
            raise missing_packages("ExtraTrees", "scikit-learn", otherwise=otherwise) from error
        device = points.labels_P.device
        threads = torch.get_num_threads()
        forest = ExtraTreesClassifier(
            self.num_trees, min_samples_leaf=self.min_samples_leaf, random_state=self.seed, n_jobs=threads
        )
        forest.fit(points.descriptors_PD.cpu().numpy(), points.labels_P.cpu().numpy(), points.weights_P.cpu().numpy())
        tables = [_table_of_tree(estimator.tree_) for estimator in forest.estimators_]
        features, thresholds, children, counts = zip(*tables, strict=True)
        roots_T = np.cumsum([0, *map(len, features)])[:-1]
        counts_MC = np.concatenate(counts)
        probabilities_MC = np.zeros((len(counts_MC), num_classes), np.float32)
        probabilities_MC[:, forest.classes_] = counts_MC / counts_MC.sum(1, keepdims=True)
        children_M = np.concatenate([nodes + root for nodes, root in zip(children, roots_T, strict=True)])
        self.roots = torch.from_numpy(roots_T).to(device)
        self.features = torch.from_numpy(np.concatenate(features)).to(device)
        self.thresholds = torch.from_numpy(np.concatenate(thresholds)).to(device)
        self.child_nodes = torch.from_numpy(children_M).to(device)
        self.probabilities = torch.from_numpy(probabilities_MC).to(device)

    def _log_probabilities(self, descriptors_PD: Tensor) -> Tensor:
        found_PC = self._mean_of_leaves(descriptors_PD.float().cpu().numpy())
        return torch.from_numpy(found_PC).to(descriptors_PD.device).clamp(min=PROBABILITY_FLOOR).log().log_softmax(1)

    def _mean_of_leaves(self, descriptors_PD: np.ndarray) -> np.ndarray:
        """Average the class probabilities of each point's leaves.

        NumPy on the CPU: these are table look-ups, a tree at a time, whose tables stay in the processor's cache.
        """
        num_points = len(descriptors_PD)
        values = descriptors_PD.ravel(order="F")
        rows_M: np.ndarray = (self.features.cpu().numpy() * num_points).astype(
            np.int32 if values.size < 2**31 else np.int64
        )
        children_M: np.ndarray = self.child_nodes.cpu().numpy().astype(np.int32)
        thresholds_M, probabilities_MC = (t.cpu().numpy() for t in (self.thresholds, self.probabilities))

        def find_leaves(root: int) -> np.ndarray:
            leaves_P = np.empty(num_points, np.int32)
            points: np.ndarray = np.arange(num_points, dtype=rows_M.dtype)  # that have not reached a leaf yet
            nodes: np.ndarray = np.full(num_points, root, np.int32)
            while len(nodes):
                for _ in range(STEPS):  # "clip": no check of bounds
                    places: np.ndarray = rows_M.take(nodes, mode="clip")
                    places += points
                    goes_right: np.ndarray = values.take(places, mode="clip") > thresholds_M.take(nodes, mode="clip")
                    nodes = children_M.take(nodes, mode="clip")
                    nodes += goes_right
                on_way = children_M.take(nodes) != nodes
                leaves_P[points[~on_way]] = nodes[~on_way]
                points, nodes = points[on_way], nodes[on_way]
            return leaves_P

        total_PC = np.zeros((num_points, probabilities_MC.shape[1]), np.float32)
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            for leaves_P in pool.map(find_leaves, self.roots.tolist()):
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


def _table_of_tree(tree: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Renumber a tree of scikit-learn so that the right child is the node behind the left one.

    Returns:
        For each node: its descriptor, int64; its threshold, float32; its left child, int64, or a leaf itself; its
        weighted counts of the classes.
    """
    is_leaf = tree.children_left < 0
    parents = np.flatnonzero(~is_leaf)
    lefts = 1 + 2 * np.arange(len(parents))
    number = np.zeros(tree.node_count, np.int64)  # of each node; the root keeps 0
    number[tree.children_left[parents]], number[tree.children_right[parents]] = lefts, lefts + 1
    children = number.copy()
    children[parents] = lefts
    # scikit-learn compares float32 with float64: the greatest float32 below separates alike.
    thresholds = tree.threshold.astype(np.float32)
    too_high = thresholds > tree.threshold
    thresholds[too_high] = np.nextafter(thresholds[too_high], np.float32(-np.inf))
    thresholds[is_leaf] = np.inf
    order = np.argsort(number)
    features = np.where(is_leaf, 0, tree.feature).astype(np.int64)
    return features[order], thresholds[order], children[order], tree.value[:, 0][order]
