"""Logistic regression agrees with scikit-learn's."""

import pytest
import torch
from made_points import make_points
from sklearn.linear_model import LogisticRegression as Reference
from sklearn.preprocessing import StandardScaler

from mmseg_ext.errors import UserError
from mmseg_ext.features import LogisticRegression
from mmseg_ext.features.logistic_regression import fit_logistic_regression


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("C", [0.003, 1.0])
def test_probabilities_are_those_of_scikit_learn(num_classes, C):
    points = make_points(num_classes=num_classes)
    classifier = LogisticRegression(C)
    classifier.fit(points, num_classes, C)
    scaled = StandardScaler().fit_transform(points.network_PF.double().numpy())
    # With two classes scikit-learn has one weight vector w, not two of ∓w / 2, whose penalty is half.
    reference = Reference(C=C * (2 if num_classes == 2 else 1), tol=1e-8, max_iter=1000)
    weights = (points.weights_P / points.weights_P.mean()).double().numpy()
    expected_PC = reference.fit(scaled, points.labels_P.numpy(), weights).predict_proba(scaled)
    found_PC = classifier.at_points(points).exp().double()
    torch.testing.assert_close(found_PC, torch.from_numpy(expected_PC), rtol=0, atol=2e-3)


def test_points_and_maps_get_the_same():
    points = make_points()
    classifier = LogisticRegression(0.01)
    classifier.fit(points, 3, 0.01)
    maps = points.network_PF.t().reshape(1, 6, 10, 12)
    found = classifier.on_maps([maps[:, :4], maps[:, 4:]], None, (10, 12))
    torch.testing.assert_close(found[0].flatten(1).t(), classifier.at_points(points), rtol=0, atol=1e-4)


def test_a_second_fit_begins_at_the_first_and_ends_at_the_same():
    points = make_points()
    fitted = fit_logistic_regression(points.network_PF, points.labels_P, points.weights_P, 3, 0.1)
    again = fit_logistic_regression(points.network_PF, points.labels_P, points.weights_P, 3, 0.1, fitted)
    for first, second in zip(fitted, again, strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-2 * float(first.abs().max()))


def test_a_class_without_points_is_never_predicted_and_a_constant_feature_is_harmless():
    points = make_points()
    points = points._replace(network_PF=torch.cat([points.network_PF, torch.ones(120, 1)], 1))
    classifier = LogisticRegression(0.01)
    classifier.fit(points, 5, 0.01)
    found_PC = classifier.at_points(points)
    assert found_PC.isfinite().all()
    assert set(found_PC.argmax(1).tolist()) == {0, 1, 2}
    assert found_PC.exp()[:, 3:].max() < 1e-6


def test_fits_are_deterministic():
    points = make_points()
    first, second = (
        fit_logistic_regression(points.network_PF, points.labels_P, points.weights_P, 3, 0.1)[0] for _ in "12"
    )
    assert torch.equal(first, second)


def test_the_strength_is_positive():
    with pytest.raises(UserError, match="`C` to be a positive number or None, got 0"):
        LogisticRegression(0)
