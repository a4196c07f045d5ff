"""Class priors: by hand, and on a problem whose answer is known."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from mmseg_ext.errors import UserError
from mmseg_ext.models.regularizers import TrainingBatch
from mmseg_ext.models.segmentors.class_priors import SMALLEST_SHARE, ClassPriors


def make_batch(logits, labels):
    image = torch.ones(labels.shape, dtype=torch.bool)
    return TrainingBatch(torch.zeros(len(labels), 3, *labels.shape[1:]), [], logits, labels, image)


def test_update_and_shift_by_hand():
    priors = ClassPriors(3, momentum=0.25)
    logits = torch.zeros(1, 3, 2, 2)
    logits[0, 1, 0, 0] = math.log(2)  # 1/4, 1/2, 1/4 there; a third each in the other cells
    labels = torch.full((1, 2, 2), 255)
    labels[0, 0, 1], labels[0, 1, 1] = 0, 2
    priors.update(make_batch(logits, labels))
    unlabelled = (torch.tensor([1 / 4, 1 / 2, 1 / 4]) + torch.full((3,), 1 / 3)) / 2
    points = torch.tensor([0.5, 0.0, 0.5])
    torch.testing.assert_close(priors.point_share_C, points)
    torch.testing.assert_close(priors.area_share_C, 0.75 * points + 0.25 * unlabelled)
    shifted = priors.shift(logits)
    area = 0.75 * points + 0.25 * unlabelled
    expected = torch.log((points + SMALLEST_SHARE) / (area + SMALLEST_SHARE))
    torch.testing.assert_close(shifted - logits, expected.view(1, 3, 1, 1).expand_as(logits))


def test_before_any_label_nothing_is_shifted():
    priors = ClassPriors(2)
    logits = torch.randn(1, 2, 3, 3)
    priors.update(make_batch(logits, torch.full((1, 3, 3), 255)))
    assert torch.equal(priors.shift(logits), logits)


def test_one_sigmoid_channel_is_shifted_as_two_classes():
    priors = ClassPriors(2)
    priors.point_share_C.copy_(torch.tensor([0.5, 0.5]))
    priors.area_share_C.copy_(torch.tensor([0.9, 0.1]))
    logit = torch.randn(1, 1, 2, 2)
    both = priors.shift(torch.cat([torch.zeros_like(logit), logit], 1))
    torch.testing.assert_close(priors.shift(logit).squeeze(1), both[:, 1] - both[:, 0])


def test_a_network_that_learns_from_balanced_points_finds_the_true_areas():
    """Two overlapping Gaussians, 90 % and 10 % of the area, labelled half and half."""
    generator = torch.Generator().manual_seed(0)
    share = 0.1
    rare = torch.rand(1, 100, 100, generator=generator) < share
    colour = torch.randn(1, 1, 100, 100, generator=generator) + 2.0 * rare[:, None]
    labels = torch.full((1, 100, 100), 255)
    for label in (0, 1):
        places = (rare.flatten() == bool(label)).nonzero().squeeze(1)
        labels.view(-1)[places[torch.randperm(len(places), generator=generator)[:500]]] = label

    def train(priors):
        torch.manual_seed(0)
        network = nn.Conv2d(1, 2, 1)
        optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
        for _ in range(600):
            logits = network(colour)
            if priors is not None:
                priors.update(make_batch(logits, labels))
            loss = cross_entropy(logits if priors is None else priors.shift(logits), labels, ignore_index=255)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return float((network(colour).argmax(1) == 1).float().mean())

    # With the true priors the better decision calls 5.7 % of the ground rare: x > 1 + log(9) / 2 = 2.10.
    assert train(None) > 0.2
    assert 0.03 < train(ClassPriors(2, momentum=0.02)) < 0.09


@pytest.mark.parametrize("momentum", [0.0, 1.5])
def test_momentum_out_of_range(momentum):
    with pytest.raises(UserError, match="momentum"):
        ClassPriors(2, momentum)
