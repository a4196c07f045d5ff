"""The light head: means of classifiers, chosen settings, states, one channel, and what it refuses."""

import json
import math

import pytest
import torch
from made_points import make_points

from mmseg_ext.errors import UserError
from mmseg_ext.features import ExtraTrees, LightHead, LogisticRegression
from mmseg_ext.features.calibration import mean_cross_entropy

REGRESSION = {"type": "mmseg_ext.LogisticRegression", "C": 0.01}
TREES = {"type": "mmseg_ext.ExtraTrees", "num_trees": 10}

pytestmark = pytest.mark.usefixtures("mmseg_scope")


def maps_of(points):
    return points.network_PF.t().reshape(1, 6, 10, 12), points.descriptors_PD.t().reshape(1, 6, 10, 12)


def test_it_is_the_geometric_mean_of_its_classifiers():
    points = make_points()
    head = LightHead(3, [REGRESSION, TREES], calibrate=False)
    report = head.fit(points)
    regression, trees = LogisticRegression(0.01), ExtraTrees(10)
    regression.fit(points, 3, C=0.01)
    trees.fit(points, 3)
    product = regression.at_points(points).exp() * trees.at_points(points).exp()
    expected_PC = product.sqrt() / product.sqrt().sum(1, keepdim=True)
    found = head(maps_of(points))
    torch.testing.assert_close(found[0].flatten(1).t().exp(), expected_PC, rtol=0, atol=1e-4)
    assert report.num_points == 120
    assert math.isnan(report.loss)


def test_without_trees_no_descriptors_are_asked_for():
    head = LightHead(3, [REGRESSION])
    assert not head.uses_descriptors
    points = make_points()
    head.fit(points)
    assert head(maps_of(points)[:1]).shape == (1, 3, 10, 12)


def test_calibrated_on_held_out_images():
    report = LightHead(3, [REGRESSION, TREES]).fit(make_points())
    assert 0.1 <= report.temperature <= 10
    assert 0 < report.loss < math.log(3)
    assert 0 <= report.calibration_error < 0.3
    assert "on held-out images: cross-entropy" in report.describe()


def test_a_strength_that_is_not_given_is_chosen_on_held_out_images():
    points = make_points()
    head = LightHead(3, [{"type": "mmseg_ext.LogisticRegression"}])
    report = head.fit(points)
    chosen = report.chosen["LogisticRegression"]["C"]
    held_out = [points.images_P < 2, (points.images_P >= 2) & (points.images_P < 4), points.images_P >= 4]
    losses = {}
    for C in (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1):
        total = 0.0
        for fold_P in held_out:
            other = LogisticRegression(C)
            other.fit(points.select(~fold_P), 3, C=C)
            part = points.select(fold_P)
            total += mean_cross_entropy(other.at_points(part), part) * float(part.weights_P.sum())
        losses[C] = total
    assert chosen == min(losses, key=losses.get)


def test_points_of_one_image_are_fitted_without_calibration():
    points = make_points(num_images=1)
    report = LightHead(3, [{"type": "mmseg_ext.LogisticRegression"}]).fit(points)
    assert report.chosen == {"LogisticRegression": {"C": 0.003}}
    assert report.temperature == 1
    assert math.isnan(report.calibration_error)
    assert "held-out" not in report.describe()


def test_a_class_with_one_point():
    points = make_points()
    first = torch.arange(120) == 2
    report = LightHead(3, [REGRESSION, TREES]).fit(points.select((points.labels_P != 2) | first))
    assert report.num_points == 81
    assert math.isfinite(report.loss)


def test_a_state_loads_into_a_head_that_was_never_fitted():
    points = make_points()
    head, other = LightHead(3, [REGRESSION, TREES]), LightHead(3, [REGRESSION, TREES])
    head.fit(points)
    other.load_state_dict(head.state_dict())
    assert torch.equal(other(maps_of(points)), head(maps_of(points)))


def test_one_channel_is_the_logit_of_class_1():
    points = make_points(num_classes=2)
    two = LightHead(2, [REGRESSION], calibrate=False)
    one = LightHead(2, [REGRESSION], calibrate=False, out_channels=1, threshold=0.5)
    two.fit(points)
    one.fit(points)
    maps = maps_of(points)[:1]
    torch.testing.assert_close(one(maps).sigmoid()[:, 0], two(maps).softmax(1)[:, 1])


def test_what_it_refuses():
    with pytest.raises(UserError, match=r"Fit it: python tools/fit\.py CONFIG"):
        LightHead(3, [REGRESSION])((torch.zeros(1, 6, 2, 2),))
    with pytest.raises(UserError, match="expected `classifiers` to be a list of configs"):
        LightHead(3, [])
    with pytest.raises(UserError, match="Expected 3 weights, one a class, in `class_weight`, got 2"):
        LightHead(3, [REGRESSION], class_weight=[1, 2])
    with pytest.raises(UserError, match="'FILE:FORMULA'"):
        LightHead(3, [REGRESSION], class_weight="a.json:inverse")
    with pytest.raises(UserError, match="expected `class_weight` to be"):
        LightHead(3, [REGRESSION], class_weight=[1, -2, 1])
    points = make_points()
    with pytest.raises(UserError, match="two classes or more, got 40 points of class 1 alone"):
        LightHead(3, [REGRESSION]).fit(points.select(points.labels_P == 1))


def test_class_weights_are_those_of_scikit_learn():
    sklearn = pytest.importorskip("sklearn.linear_model")
    points = make_points()
    x_PF = ((points.network_PF - points.network_PF.mean(0)) / points.network_PF.std(0, correction=0)).double().numpy()
    labels_P, weights_C = points.labels_P.numpy(), [1.0, 4.0, 0.5]
    weights_P = points.weights_P.numpy() * torch.tensor(weights_C)[points.labels_P].numpy()
    C = 0.01
    other = sklearn.LogisticRegression(C=C / weights_P.mean(), class_weight=dict(enumerate(weights_C)), tol=1e-8)
    other.fit(x_PF, labels_P, points.weights_P.numpy())
    head = LightHead(3, [REGRESSION], calibrate=False, class_weight=weights_C)
    head.fit(points)
    found_PC = head(maps_of(points)[:1])[0].flatten(1).t().exp()
    torch.testing.assert_close(found_PC.double(), torch.from_numpy(other.predict_proba(x_PF)), rtol=0, atol=1e-3)


def test_class_weights_from_the_statistics_of_a_dataset(tmp_path):
    file = tmp_path / "statistics.json"
    head = LightHead(3, [REGRESSION, TREES], class_weight=f"{file}:median_frequency")
    points = make_points()
    with pytest.raises(UserError, match=r"statistics\.json"):
        head.fit(points)
    file.write_text(json.dumps({"weights": {"median_frequency": [1.0, 4.0, 0.5]}}))
    head.fit(points)
    given = LightHead(3, [REGRESSION, TREES], class_weight=[1.0, 4.0, 0.5])
    given.fit(points)
    assert torch.equal(head(maps_of(points)), given(maps_of(points)))
    file.write_text(json.dumps({"weights": {"median_frequency": [1.0, 4.0]}}))
    with pytest.raises(UserError, match=r"Expected 3 weights, one a class, in .*statistics\.json.*, got 2"):
        head.fit(points)


def uneven_points():
    points = make_points()
    return points.select((points.labels_P != 2) | (torch.arange(len(points.labels_P)) < 20))


def test_balanced_classes_weigh_alike():
    points = uneven_points()
    balanced = points.balanced()
    totals_C = torch.bincount(points.labels_P, points.weights_P)
    torch.testing.assert_close(torch.bincount(balanced.labels_P, balanced.weights_P), totals_C.mean().expand(3))
    weights_C = (totals_C.mean() / totals_C).tolist()
    head, given = (LightHead(3, [REGRESSION, TREES], class_weight=weight) for weight in ("balanced", weights_C))
    assert head.fit(points).temperature == pytest.approx(given.fit(points).temperature, rel=0.2)
    found_PC, expected_PC = (one.classifiers[0].at_points(points) for one in (head, given))
    torch.testing.assert_close(found_PC, expected_PC, rtol=0, atol=1e-4)


def test_a_class_without_points_takes_no_share_of_the_balance():
    points = make_points()
    points = points.select(points.labels_P != 1)
    balanced = points.balanced()
    totals_C = torch.bincount(balanced.labels_P, balanced.weights_P)
    assert totals_C[1] == 0
    torch.testing.assert_close(totals_C[[0, 2]], points.weights_P.sum().expand(2) / 2)
    assert LightHead(3, [REGRESSION], class_weight="balanced").fit(points).num_points == 80


def test_held_out_points_are_predicted_by_balanced_fits():
    points, classifier = uneven_points(), LogisticRegression(0.01)
    fold_P = points.images_P >= 3
    head = LightHead(3, [REGRESSION], class_weight="balanced")
    found_PC = head.predict_fold(classifier, points, fold_P, {"C": 0.01})
    classifier.fit(points.select(~fold_P).balanced(), 3, C=0.01)
    torch.testing.assert_close(found_PC, classifier.at_points(points.select(fold_P)))


def test_a_class_of_weight_0_is_not_fitted_to():
    points = make_points()
    head = LightHead(3, [REGRESSION, TREES], class_weight=[1, 1, 0])
    report = head.fit(points)
    assert report.num_points == 80
    assert (head(maps_of(points)).argmax(1) != 2).all()
    without = LightHead(3, [REGRESSION, TREES])
    assert without.fit(points.select(points.labels_P != 2))._replace(seconds=0) == report._replace(seconds=0)
