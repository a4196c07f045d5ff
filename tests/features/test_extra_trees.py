"""Trees kept as tensors predict what scikit-learn's do."""

import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from made_points import make_points
from sklearn.ensemble import ExtraTreesClassifier

from mmseg_ext.errors import UserError
from mmseg_ext.features import ExtraTrees


@pytest.fixture(scope="module")
def fitted():
    points = make_points()
    trees = ExtraTrees(num_trees=20)
    trees.fit(points, 4)
    return points, trees


def test_probabilities_are_those_of_scikit_learn(fitted):
    points, trees = fitted
    forest = ExtraTreesClassifier(20, min_samples_leaf=2, random_state=0)
    forest.fit(points.descriptors_PD.numpy(), points.labels_P.numpy(), points.weights_P.numpy())
    others = torch.cat([points.descriptors_PD, 5 * torch.randn(500, 6)])
    expected_PC = forest.predict_proba(others.numpy()).clip(1e-3)
    expected_PC = np.concatenate([expected_PC, np.full((len(others), 1), 1e-3)], 1)  # a class without points
    expected_PC /= expected_PC.sum(1, keepdims=True)
    found_PC = trees.at_points(points._replace(descriptors_PD=others)).exp()
    np.testing.assert_allclose(found_PC.numpy(), expected_PC, rtol=1e-4, atol=1e-6)


def test_maps_are_classified_on_the_grid_of_the_descriptors_and_enlarged(fitted):
    points, trees = fitted
    descriptors = points.descriptors_PD.t().reshape(1, 6, 10, 12)
    small = trees.on_maps([], descriptors, (10, 12))
    torch.testing.assert_close(small[0].flatten(1).t(), trees.at_points(points))
    expected = F.interpolate(small, size=(20, 24), mode="bilinear", align_corners=False)
    assert torch.equal(trees.on_maps([], descriptors, (20, 24)), expected)


def test_a_state_of_any_size_loads(fitted):
    points, trees = fitted
    other = ExtraTrees()
    other.load_state_dict(trees.state_dict())
    assert torch.equal(other.at_points(points), trees.at_points(points))


def test_without_scikit_learn_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(UserError, match="pip install scikit-learn; or leave ExtraTrees out of `classifiers`"):
        ExtraTrees().fit(make_points(), 3)


def test_wrong_settings():
    with pytest.raises(UserError, match="`num_trees` to be a positive int, got 0"):
        ExtraTrees(num_trees=0)
