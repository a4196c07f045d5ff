"""The feature-affinity loss against a loop over pixels, written out by hand."""

import math

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from mmseg_ext.errors import UserError
from mmseg_ext.models.regularizers import FeatureAffinityLoss, TrainingBatch, feature_affinity_loss
from mmseg_ext.models.regularizers.feature_affinity_loss import feature_affinity_loss as affinity_loss


def make_case(seed=0, shape=(2, 3, 4, 5), dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    n, _, h, w = shape
    logits = torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_()
    features = torch.randn(n, 6, h, w, generator=generator, dtype=dtype)
    image = torch.ones(n, h, w, dtype=torch.bool)
    image[0, -1] = False
    counted = image & (torch.rand(n, h, w, generator=generator) > 0.3)
    return logits, features, counted, image


def by_hand(logits, features, counted, image, temperature):
    """Pixel by pixel: softmax over the image's pixels of the cosine of the features, by the temperature."""
    p = logits.detach().softmax(1)
    total = 0.0
    for n, y, x in counted.nonzero().tolist():
        own = features[n, :, y, x].tolist()
        others = [(v, u) for v, u in image[n].nonzero().tolist()]
        scores = []
        for v, u in others:
            other = features[n, :, v, u].tolist()
            cosine = sum(a * b for a, b in zip(own, other, strict=True)) / math.hypot(*own) / math.hypot(*other)
            scores.append(math.exp(cosine / temperature))
        for c in range(p.shape[1]):
            average = sum(s * float(p[n, c, v, u]) for s, (v, u) in zip(scores, others, strict=True)) / sum(scores)
            total += abs(average - float(p[n, c, y, x]))
    return total / int(counted.sum())


@pytest.mark.parametrize("rows_at_once", [1, 7, 512])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_equals_the_loop_over_pixels(rows_at_once, temperature, monkeypatch):
    monkeypatch.setattr(feature_affinity_loss, "ROWS_AT_ONCE", rows_at_once)
    case = make_case()
    assert affinity_loss(*case, temperature).item() == pytest.approx(by_hand(*case, temperature), rel=1e-9)


def test_gradient(monkeypatch):
    monkeypatch.setattr(feature_affinity_loss, "ROWS_AT_ONCE", 7)
    logits, features, counted, image = make_case()
    assert torch.autograd.gradcheck(lambda x: 2 * affinity_loss(x, features, counted, image, 0.5), logits)


def test_features_get_no_gradient():
    logits, features, counted, image = make_case()
    features.requires_grad_()
    affinity_loss(logits, features, counted, image).backward()
    assert features.grad is None
    assert logits.grad.abs().sum() > 0


@pytest.mark.parametrize("factor", [2, 3])
def test_larger_predictions_are_averaged(factor):
    logits, features, counted, image = make_case(dtype=torch.float32)
    large = logits.detach().repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    assert affinity_loss(large, features, counted, image).item() == pytest.approx(
        affinity_loss(logits, features, counted, image).item(), rel=1e-4
    )


def test_smaller_predictions_are_enlarged():
    logits, features, counted, image = make_case(dtype=torch.float32)
    small = adaptive_avg_pool2d(logits, (2, 3))
    loss = affinity_loss(small, features, counted, image)
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad.abs().sum() > 0


def test_everything_labelled():
    logits, features, counted, image = make_case()
    loss = affinity_loss(logits, features, torch.zeros_like(counted), image)
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_registered_loss_leaves_labelled_cells_out():
    logits, features, _, image = make_case(dtype=torch.float32)
    labels = torch.full((2, 8, 10), 255)
    labels[1, 5, 7] = 2  # in cell (2, 3) of the features
    large = image.repeat_interleave(2, 1).repeat_interleave(2, 2)
    batch = TrainingBatch(torch.rand(2, 3, 8, 10), [features[:, :, :1, :1], features], logits, labels, large)
    counted = image.clone()
    counted[1, 2, 3] = False
    expected = 0.1 * affinity_loss(logits, features, counted, image).item()
    assert FeatureAffinityLoss(loss_weight=0.1)(batch).item() == pytest.approx(expected, rel=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert FeatureAffinityLoss(loss_weight=0.1)(batch).item() == pytest.approx(expected, rel=1e-6)


def test_temperature_out_of_range():
    with pytest.raises(UserError, match="temperature"):
        FeatureAffinityLoss(temperature=0)
