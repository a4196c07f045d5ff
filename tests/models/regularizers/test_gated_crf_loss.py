"""The gated CRF loss against a loop over pairs, written out by hand."""

import math

import pytest
import torch

from mmseg_ext.errors import UserError
from mmseg_ext.models.regularizers import GatedCRFLoss, TrainingBatch
from mmseg_ext.models.regularizers.gated_crf_loss import gated_crf_loss


def make_case(seed=0, shape=(2, 3, 5, 6), dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    n, _, h, w = shape
    logits = torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_()
    colors = torch.rand(n, 3, h, w, generator=generator, dtype=dtype)
    image = torch.ones(n, h, w, dtype=torch.bool)
    image[0, -1] = False
    image[-1, :, -2:] = False
    return logits, colors, image


def by_hand(logits, colors, image, xy, rgb, radius):
    """Pixel by pixel, over the window of each."""
    p = logits.detach().softmax(1)
    total = 0.0
    for n, y, x in image.nonzero().tolist():
        for v in range(max(0, y - radius), min(p.shape[2], y + radius + 1)):
            for u in range(max(0, x - radius), min(p.shape[3], x + radius + 1)):
                if (v, u) != (y, x) and image[n, v, u]:
                    color = sum(float(colors[n, c, y, x] - colors[n, c, v, u]) ** 2 for c in range(3))
                    exponent = ((v - y) ** 2 + (u - x) ** 2) / (2 * xy**2) + color / (2 * rgb**2)
                    agreement = sum(float(p[n, c, y, x] * p[n, c, v, u]) for c in range(p.shape[1]))
                    total += math.exp(-exponent) * (1 - agreement)
    return total / int(image.sum())


@pytest.mark.parametrize("radius", [1, 3, 9])  # the last is larger than the map
@pytest.mark.parametrize(("xy", "rgb"), [(6.0, 0.1), (2.0, 0.5)])
def test_equals_the_loop_over_windows(radius, xy, rgb):
    logits, colors, image = make_case()
    value = gated_crf_loss(logits, colors, image, xy, rgb, radius).item()
    assert value == pytest.approx(by_hand(logits, colors, image, xy, rgb, radius), rel=1e-9)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 2, 1, 4), (1, 2, 3, 1)])
def test_gradient(shape):
    logits, colors, _ = make_case(shape=shape)
    image = torch.ones(shape[0], *shape[2:], dtype=torch.bool)
    image[0, 0, -1] = False
    assert torch.autograd.gradcheck(lambda x: 3 * gated_crf_loss(x, colors, image, 2.0, 0.5, 2), logits)


def test_padding_gets_no_gradient():
    logits, colors, image = make_case()
    gated_crf_loss(logits, colors, image).backward()
    assert (logits.grad.abs().sum(1)[~image] == 0).all()
    assert (logits.grad.abs().sum(1)[image] > 0).any()


def test_no_image():
    logits, colors, image = make_case()
    loss = gated_crf_loss(logits, colors, torch.zeros_like(image))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_registered_loss_weighs_and_works_under_autocast():
    logits, colors, image = make_case(dtype=torch.float32)
    batch = TrainingBatch(colors, [], logits, torch.full(image.shape, 255), image)
    expected = 0.1 * gated_crf_loss(logits, colors, image).item()
    assert GatedCRFLoss()(batch).item() == pytest.approx(expected, rel=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert GatedCRFLoss()(batch).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("settings", [{"xy": 0.0}, {"rgb": -1.0}, {"radius": 0}])
def test_settings_out_of_range(settings):
    with pytest.raises(UserError, match=next(iter(settings))):
        GatedCRFLoss(**settings)
