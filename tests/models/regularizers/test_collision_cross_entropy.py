"""Collision cross-entropy against a loop over pixels, written out by hand."""

import math

import pytest
import torch

from mmseg_ext.models.regularizers.collision_cross_entropy import collision_cross_entropy


def make_case(seed=0, shape=(2, 4, 3, 5), dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_()
    target = 3 * torch.randn(*shape, generator=generator, dtype=dtype)
    return logits, target, torch.rand(shape[0], *shape[2:], generator=generator) > 0.4


def test_equals_the_loop_over_pixels():
    logits, target, counted = make_case()
    p, q = logits.detach().softmax(1), target.softmax(1)
    total = 0.0
    for n, y, x in counted.nonzero().tolist():
        total -= math.log(sum(float(p[n, c, y, x]) * float(q[n, c, y, x]) for c in range(4)))
    value = collision_cross_entropy(logits, target, counted).item()
    assert value == pytest.approx(total / int(counted.sum()), rel=1e-12)


def test_gradient_only_of_the_student_and_only_where_counted():
    logits, target, counted = make_case()
    target.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: collision_cross_entropy(x, target.detach(), counted), logits)
    collision_cross_entropy(logits, target, counted).backward()
    assert target.grad is None
    assert (logits.grad.abs().sum(1)[~counted] == 0).all()
    assert (logits.grad.abs().sum(1)[counted] > 0).all()


def test_an_undecided_teacher_asks_for_nothing():
    logits, target, counted = make_case()
    loss = collision_cross_entropy(logits, torch.zeros_like(target), counted)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(4))
    assert logits.grad.abs().max() < 1e-12


def test_extreme_logits_and_nothing_counted_are_finite():
    logits = torch.tensor([500.0, -500.0]).view(1, 2, 1, 1).requires_grad_()
    counted = torch.ones(1, 1, 1, dtype=torch.bool)
    loss = collision_cross_entropy(logits, -logits.detach(), counted)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
    assert collision_cross_entropy(logits, logits, ~counted).item() == 0
