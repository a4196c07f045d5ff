"""The perceptron learns what no linear classifier can, and is the same on points and on maps."""

import pytest
import torch
from made_points import make_points

from mmseg_ext.errors import UserError
from mmseg_ext.features import MultilayerPerceptron


def test_it_learns_exclusive_or():
    points = make_points(200)
    network_PF = torch.randn(200, 6, generator=torch.Generator().manual_seed(1))
    labels_P = ((network_PF[:, 0] > 0) != (network_PF[:, 1] > 0)).long()
    points = points._replace(network_PF=50 * network_PF - 3, labels_P=labels_P)
    classifier = MultilayerPerceptron(hidden_channels=32, num_steps=300, lr=0.01, dropout_ratio=0.0)
    classifier.fit(points, 2)
    assert (classifier.at_points(points).argmax(1) == labels_P).float().mean() > 0.95


def test_points_and_maps_get_the_same_and_an_absent_class_nothing():
    points = make_points()
    classifier = MultilayerPerceptron(num_steps=20)
    classifier.fit(points, 4)
    maps = points.network_PF.t().reshape(1, 6, 10, 12)
    found = classifier.on_maps([maps[:, :1], maps[:, 1:]], None, (10, 12))
    torch.testing.assert_close(found[0].flatten(1).t(), classifier.at_points(points), rtol=0, atol=1e-4)
    assert classifier.at_points(points).exp()[:, 3].max() < 1e-6


def test_fits_are_deterministic_and_a_state_loads():
    points = make_points()
    first, second = MultilayerPerceptron(num_steps=5), MultilayerPerceptron(num_steps=5)
    first.fit(points, 3)
    second.fit(points, 3)
    assert torch.equal(first.at_points(points), second.at_points(points))
    other = MultilayerPerceptron()
    other.load_state_dict(first.state_dict())
    assert torch.equal(first.at_points(points), other.at_points(points))


def test_wrong_settings():
    with pytest.raises(UserError, match="`dropout_ratio` to be a number in"):
        MultilayerPerceptron(dropout_ratio=1.0)
