"""Calibration: errors computed by hand, temperatures of distorted probabilities, folds of whole images."""

import pytest
import torch
from made_points import make_points

from mmseg_ext.features.calibration import (
    choose_temperature,
    expected_calibration_error,
    mean_cross_entropy,
    split_images,
)


def test_the_error_of_two_bins_by_hand():
    # Bin of 0.9: three points, two right, 0.9 − 2/3; bin of 0.6: one point, right, 1 − 0.6; weights 1, 1, 1 and 2.
    probabilities_PC = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.4, 0.6]])
    labels_P, weights_P = torch.tensor([0, 1, 1, 1]), torch.tensor([1.0, 1.0, 1.0, 2.0])
    expected = (abs(0.9 * 3 - 2) + 2 * 0.4) / 5
    assert expected_calibration_error(probabilities_PC, labels_P, weights_P) == pytest.approx(expected, abs=1e-6)


def test_the_temperature_undoes_a_distortion():
    generator = torch.Generator().manual_seed(0)
    log_probabilities_PC = (2 * torch.randn(20000, 3, generator=generator)).log_softmax(1)
    labels_P = torch.multinomial(log_probabilities_PC.exp(), 1, generator=generator)[:, 0]
    points = make_points(20000)._replace(labels_P=labels_P, weights_P=torch.ones(20000))
    assert choose_temperature(log_probabilities_PC, points) == pytest.approx(1, rel=0.05)
    assert choose_temperature(3 * log_probabilities_PC, points) == pytest.approx(3, rel=0.05)
    assert expected_calibration_error(log_probabilities_PC.exp(), labels_P, points.weights_P) < 0.02


def test_the_loss_is_that_of_torch():
    points = make_points()
    logits_PC = torch.randn(120, 3)
    losses_P = torch.nn.functional.cross_entropy(logits_PC, points.labels_P, reduction="none")
    expected = float((losses_P * points.weights_P).sum() / points.weights_P.sum())
    assert mean_cross_entropy(logits_PC.log_softmax(1), points) == pytest.approx(expected, rel=1e-5)


def test_folds_hold_whole_images_that_lie_beside_one_another():
    images_P = torch.tensor([0, 0, 3, 3, 4, 7, 9, 9])
    folds = split_images(images_P, 3)
    assert torch.stack(folds).sum(0).tolist() == [1] * 8
    assert [sorted(set(images_P[fold].tolist())) for fold in folds] == [[0, 3], [4, 7], [9]]
    assert split_images(torch.zeros(4, dtype=torch.long)) == []
    assert len(split_images(torch.tensor([1, 2]))) == 2
