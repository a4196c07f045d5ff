"""Binary cross-entropy over labelled pixels against torch's own on those pixels alone."""

import json

import pytest
import torch
import torch.nn.functional as F

from mmseg_ext.errors import UserError
from mmseg_ext.models.losses import PartialBinaryCrossEntropyLoss, PartialDiceLoss
from mmseg_ext.models.losses.partial_binary_cross_entropy_loss import partial_binary_cross_entropy


def make_batch(num_labelled=20, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 6, 7, generator=generator, dtype=torch.float64).to(dtype) * 3
    labels = torch.full((84,), 255)
    labels[torch.randperm(84, generator=generator)[:num_labelled]] = torch.arange(num_labelled) % 2
    return logits.requires_grad_(), labels.view(2, 6, 7)


@pytest.mark.parametrize("pos_weight", [1.0, 3.5, 0.0])
@pytest.mark.parametrize("num_labelled", [1, 20, 84])
def test_value_and_gradient_are_torchs_on_the_labelled_pixels(pos_weight, num_labelled):
    logits, labels = make_batch(num_labelled)
    partial_binary_cross_entropy(logits, labels, pos_weight).backward()
    own = logits.detach().clone().requires_grad_()
    known = labels != 255
    expected = F.binary_cross_entropy_with_logits(
        own.squeeze(1)[known], labels[known].float(), pos_weight=torch.tensor(pos_weight)
    )
    expected.backward()
    assert partial_binary_cross_entropy(logits, labels, pos_weight).item() == pytest.approx(expected.item(), rel=1e-6)
    torch.testing.assert_close(logits.grad, own.grad)
    assert (logits.grad.squeeze(1)[~known] == 0).all()


def test_a_gradient_by_finite_differences():
    logits, labels = make_batch(dtype=torch.float64)
    weight = torch.rand(labels.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: partial_binary_cross_entropy(x, labels, 2.0, weight), logits)


def test_pixel_weights_enter_the_divisor():
    logits, labels = make_batch(84)
    weight = torch.zeros(labels.shape)
    weight[0] = 2.0
    expected = F.binary_cross_entropy_with_logits(logits[0, 0], labels[0].float())
    assert partial_binary_cross_entropy(logits, labels, weight_NHW=weight).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("make_weight", [lambda labels: None, torch.zeros_like])
def test_nothing_labelled_is_exactly_zero_with_a_gradient_path(make_weight):
    logits, labels = make_batch(0)
    loss = PartialBinaryCrossEntropyLoss()(logits, labels, make_weight(labels.float()))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_half_precision_is_computed_in_float32():
    logits, labels = make_batch()
    half = logits.detach().half()
    assert partial_binary_cross_entropy(half, labels).dtype == torch.float32
    extreme = torch.full_like(half, 60000.0)
    assert torch.isfinite(partial_binary_cross_entropy(extreme, labels))


def test_settings_and_the_names_in_the_log():
    logits, labels = make_batch()
    loss = PartialBinaryCrossEntropyLoss(pos_weight=2.0, loss_weight=0.5)
    expected = 0.5 * partial_binary_cross_entropy(logits, labels, 2.0)
    assert loss(logits, labels, avg_factor=None).item() == pytest.approx(expected.item())
    assert loss.loss_name == "loss_pbce"
    assert loss.takes_labelled_pixels
    with pytest.raises(UserError, match="`pos_weight` to be a non-negative number or a string, got -1"):
        PartialBinaryCrossEntropyLoss(pos_weight=-1)
    with pytest.raises(UserError, match=r"Expected one channel, got 2\. Set the head's `out_channels=1`"):
        loss(torch.zeros(1, 2, 3, 3), torch.zeros(1, 3, 3, dtype=torch.long))


def test_bce_and_dice_together_push_on_no_ignored_pixel():
    logits, labels = make_batch()
    total = PartialBinaryCrossEntropyLoss()(logits, labels) + PartialDiceLoss(use_sigmoid=True)(logits, labels)
    total.backward()
    known = labels != 255
    assert (logits.grad.squeeze(1)[~known] == 0).all()
    assert (logits.grad.squeeze(1)[known] != 0).all()


def test_the_weight_comes_from_the_statistics_once_they_are_there(tmp_path):
    path = tmp_path / "statistics.json"
    loss = PartialBinaryCrossEntropyLoss(f"{path}:median_frequency")
    logits, labels = make_batch()
    with pytest.raises(UserError, match=r"found no file\. Write it with: python tools/dataset_stats\.py CONFIG --out"):
        loss(logits, labels)
    path.write_text(json.dumps({"weights": {"median_frequency": [0.5, 2.0]}}))
    assert loss.pos_weight == PartialBinaryCrossEntropyLoss(f"{path}:median_frequency").pos_weight == 4.0
