"""The Potts loss against a loop over pairs, written out by hand."""

import math

import pytest
import torch

from mmseg_ext.errors import UserError
from mmseg_ext.models.regularizers import PottsLoss, TrainingBatch
from mmseg_ext.models.regularizers.potts_loss import potts_loss


def make_case(seed=0, shape=(2, 3, 4, 5), dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    n, _, h, w = shape
    logits = torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_()
    colors = torch.rand(n, 3, h, w, generator=generator, dtype=dtype)
    image = torch.ones(n, h, w, dtype=torch.bool)
    image[0, -1] = False  # the first image is padded below
    return logits, colors, image


def by_hand(logits, colors, image, sigma):
    """Pair by pair, in Python's double precision."""
    probabilities = logits.detach().softmax(1)
    total = 0.0
    for n in range(logits.shape[0]):
        pairs = []
        for y, x in image[n].nonzero().tolist():
            for other in ((y, x + 1), (y + 1, x)):
                if other[0] < image.shape[1] and other[1] < image.shape[2] and image[n][other]:
                    contrast = sum(float(colors[n, c, y, x] - colors[n, c][other]) ** 2 for c in range(3))
                    p, q = probabilities[n, :, y, x].tolist(), probabilities[n, :, other[0], other[1]].tolist()
                    cosine = sum(a * b for a, b in zip(p, q, strict=True)) / math.hypot(*p) / math.hypot(*q)
                    pairs.append((contrast, -math.log(cosine)))
        variance = sigma**2 if sigma else sum(c for c, _ in pairs) / len(pairs)
        total += sum(math.exp(-contrast / (2 * variance)) * energy for contrast, energy in pairs)
    return total / int(image.sum())


@pytest.mark.parametrize("sigma", [None, 0.3])
def test_equals_the_loop_over_pairs(sigma):
    logits, colors, image = make_case()
    assert float(potts_loss(logits, colors, image, sigma).detach()) == pytest.approx(
        by_hand(logits, colors, image, sigma), abs=1e-12
    )


def test_gradient():
    logits, colors, image = make_case()
    assert torch.autograd.gradcheck(lambda x: potts_loss(x, colors, image), logits)


def test_equal_predictions_cost_nothing_however_unsure():
    _, colors, image = make_case()
    logits = torch.tensor([0.3, 0.2, 0.1]).view(1, 3, 1, 1).expand(2, 3, 4, 5)
    assert float(potts_loss(logits, colors, image)) == pytest.approx(0, abs=1e-6)


def test_a_colour_edge_makes_a_class_edge_cheap():
    logits = torch.zeros(1, 2, 1, 4)
    logits[0, 0, 0, :2] = logits[0, 1, 0, 2:] = 4.0
    image = torch.ones(1, 1, 4, dtype=torch.bool)
    edge_there, edge_elsewhere = torch.zeros(1, 3, 1, 4), torch.zeros(1, 3, 1, 4)
    edge_there[..., 2:] = edge_elsewhere[..., 1:] = 1.0
    assert potts_loss(logits, edge_there, image) < 0.3 * potts_loss(logits, edge_elsewhere, image)


@pytest.mark.parametrize("shape", [(1, 3, 1, 5), (1, 3, 4, 1), (1, 3, 1, 1)])
def test_maps_of_one_row_or_column(shape):
    logits, colors, _ = make_case(shape=shape)
    loss = potts_loss(logits, colors, torch.ones(1, *shape[2:], dtype=torch.bool))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_no_image_and_one_colour_are_finite():
    logits, colors, image = make_case()
    nothing = potts_loss(logits, colors, torch.zeros_like(image))
    assert nothing.item() == 0
    flat = potts_loss(logits, torch.zeros_like(colors), image)
    flat.backward()
    assert torch.isfinite(logits.grad).all()


def test_registered_loss_takes_colours_at_the_size_of_the_logits_and_weighs():
    logits, colors, image = make_case(dtype=torch.float32)
    large = colors.repeat_interleave(4, 2).repeat_interleave(4, 3)
    batch = TrainingBatch(
        large, [], logits, torch.full((2, 16, 20), 255), image.repeat_interleave(4, 1).repeat_interleave(4, 2)
    )
    expected = potts_loss(logits, colors, image)
    assert PottsLoss(loss_weight=2.5)(batch).item() == pytest.approx(2.5 * expected.item(), rel=1e-5)


def test_half_precision_computes_in_float32():
    logits, colors, image = make_case(dtype=torch.float32)
    half = logits.detach().bfloat16()
    assert potts_loss(half, colors, image).item() == pytest.approx(potts_loss(half.float(), colors, image).item())


@pytest.mark.parametrize("settings", [{"sigma": 0.0}, {"loss_name": "potts"}, {"start": -1}])
def test_settings_out_of_range(settings):
    with pytest.raises(UserError, match=next(iter(settings))):
        PottsLoss(**settings)
