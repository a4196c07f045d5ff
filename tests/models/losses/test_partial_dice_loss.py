"""Dice over labelled pixels against a loop over pixels, written out by hand."""

import math

import pytest
import torch
from mmseg.models.losses import DiceLoss
from segmentation_models_pytorch.losses import DiceLoss as SMPDiceLoss

from mmseg_ext.errors import UserError
from mmseg_ext.models.losses import PartialDiceLoss
from mmseg_ext.models.losses.partial_dice_loss import partial_dice

CLASS_WEIGHT = [0.5, 2.0, 0.0, 1.25]
KINDS = [False, True]  # softmax, one sigmoid channel


def make_batch(use_sigmoid, num_labelled=20, dtype=torch.float32, seed=0, shape=(2, 6, 7)):
    generator = torch.Generator().manual_seed(seed)
    num_channels, num_classes = (1, 2) if use_sigmoid else (4, 3)  # the last of four classes is never a label
    logits = torch.randn(2, num_channels, *shape[1:], generator=generator, dtype=torch.float64) * 2
    labels = torch.full((math.prod(shape),), 255)
    places = torch.randperm(len(labels), generator=generator)[:num_labelled]
    labels[places] = torch.arange(num_labelled) % num_classes
    return logits.to(dtype).requires_grad_(), labels.view(shape)


def by_hand(logits, labels, use_sigmoid, class_weight=None, weight=None, eps=1e-3):
    """The formula, pixel by pixel, in Python's double precision."""
    num_classes = logits.shape[1]
    shared, predicted, true = [0.0] * num_classes, [0.0] * num_classes, [0.0] * num_classes
    for n, y, x in (labels != 255).nonzero().tolist():
        values = logits[n, :, y, x].tolist()
        label = int(labels[n, y, x])
        w = 1.0 if weight is None else float(weight[n, y, x])
        if use_sigmoid:
            probabilities, targets = [1 / (1 + math.exp(-values[0]))], [float(label == 1)]
        else:
            total = sum(math.exp(v) for v in values)
            probabilities = [math.exp(v) / total for v in values]
            targets = [float(c == label) for c in range(num_classes)]
        for c in range(num_classes):
            shared[c] += w * probabilities[c] * targets[c]
            predicted[c] += w * probabilities[c]
            true[c] += w * targets[c]
    loss = total_weight = 0.0
    for c in range(num_classes):
        counts = 1.0 if class_weight is None else class_weight[c]
        if true[c] > 0:
            loss += counts * (1 - (2 * shared[c] + eps) / (predicted[c] + true[c] + eps))
            total_weight += counts
    return loss / total_weight if total_weight else 0.0


@pytest.mark.parametrize("use_sigmoid", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("pixel_weight", [False, True])
@pytest.mark.parametrize("num_labelled", [1, 2, 20, 84])
def test_equals_the_formula(use_sigmoid, weighted, pixel_weight, num_labelled):
    logits, labels = make_batch(use_sigmoid, num_labelled)
    class_weight = (CLASS_WEIGHT[: logits.shape[1]]) if weighted else None
    weight = torch.rand(labels.shape, generator=torch.Generator().manual_seed(1)) + 0.1 if pixel_weight else None
    expected = by_hand(logits, labels, use_sigmoid, class_weight, weight)
    loss = PartialDiceLoss(use_sigmoid, class_weight)(logits, labels, weight)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert (0 < loss.item() <= 1) == bool(expected)


@pytest.mark.parametrize("use_sigmoid", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradcheck_and_the_gradient_of_ignored_pixels_is_exactly_zero(use_sigmoid, weighted):
    logits, labels = make_batch(use_sigmoid, 9, dtype=torch.float64, shape=(2, 3, 4))
    class_weight = torch.tensor(CLASS_WEIGHT[: logits.shape[1]]) if weighted else None
    weight = torch.rand(labels.shape, generator=torch.Generator().manual_seed(1)) if weighted else None
    assert torch.autograd.gradcheck(lambda x: partial_dice(x, labels, use_sigmoid, class_weight, weight), (logits,))
    (gradient,) = torch.autograd.grad(partial_dice(logits, labels, use_sigmoid, class_weight, weight), logits)
    assert torch.equal((gradient != 0).any(1), labels != 255)


def test_stock_pushes_on_ignored_pixels():
    """The documented difference."""
    logits, labels = make_batch(True, 20)
    stock = DiceLoss(use_sigmoid=True, activate=True)(logits, labels, ignore_index=255)
    (gradient,) = torch.autograd.grad(stock, logits)
    assert gradient[:, 0][labels == 255].abs().sum() > 0.2 * gradient.abs().sum()


@pytest.mark.parametrize("use_sigmoid", KINDS)
@pytest.mark.parametrize("pixel_weight", [None, 0.0, 1.0])
def test_nothing_labelled_or_no_weight_is_exactly_zero(use_sigmoid, pixel_weight):
    logits, labels = make_batch(use_sigmoid, 0 if pixel_weight != 0 else 12)
    weight = None if pixel_weight is None else torch.full(labels.shape, pixel_weight)
    loss = PartialDiceLoss(use_sigmoid)(logits, labels, weight)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == 0
    assert gradient.shape == logits.shape
    assert (gradient == 0).all()


@pytest.mark.parametrize("use_sigmoid", KINDS)
def test_a_perfect_prediction_costs_nothing(use_sigmoid):
    _, labels = make_batch(use_sigmoid, 84)
    if use_sigmoid:
        logits = ((labels == 1) * 200.0 - 100)[:, None]
    else:
        logits = torch.nn.functional.one_hot(labels, 4).movedim(-1, 1) * 100.0
    assert PartialDiceLoss(use_sigmoid)(logits, labels).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("logit", [-20.0, 0.0, 20.0])
def test_background_alone_counts_nothing_in_one_channel(logit):
    """As in segmentation-models-pytorch; the gradient of V-Net's Dice is zero there too, whatever is predicted."""
    labels = torch.zeros(2, 64, 64, dtype=torch.long)
    logits = torch.full((2, 1, 64, 64), logit, requires_grad=True)
    loss = partial_dice(logits, labels, use_sigmoid=True)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == SMPDiceLoss("binary")(logits, labels).item() == 0
    assert not gradient.any()


@pytest.mark.parametrize("use_sigmoid", KINDS)
@pytest.mark.parametrize("foreground", [True, False])
def test_equals_segmentation_models_pytorch_where_every_pixel_is_labelled(use_sigmoid, foreground):
    logits, labels = make_batch(use_sigmoid, 84)
    if use_sigmoid and not foreground:
        labels[:] = 0
    smp = SMPDiceLoss("binary" if use_sigmoid else "multiclass")
    expected = smp(logits, labels)
    if not use_sigmoid:
        expected = expected * 4 / 3  # its mean is over all four classes, ours over the three that are labelled
    loss = partial_dice(logits, labels, use_sigmoid, eps=1e-7)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    (gradient,), (expected_gradient,) = torch.autograd.grad(loss, logits), torch.autograd.grad(expected, logits)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("use_sigmoid", KINDS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(use_sigmoid, dtype):
    logits, labels = make_batch(use_sigmoid, 30, dtype=dtype)
    with torch.autocast("cpu", dtype=dtype):
        loss = PartialDiceLoss(use_sigmoid)(logits, labels)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(by_hand(logits, labels, use_sigmoid), rel=1e-5)


def test_settings():
    loss = PartialDiceLoss(class_weight=CLASS_WEIGHT, loss_weight=3.0, loss_name="loss_d")
    assert loss.loss_name == "loss_d"
    assert PartialDiceLoss().loss_name == "loss_pdice"
    assert dict(loss.state_dict()) == {}
    logits, labels = make_batch(False)
    assert loss(logits, labels).item() == pytest.approx(3 * by_hand(logits, labels, False, CLASS_WEIGHT), rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [({"class_weight": [1, -1]}, "non-negative"), ({"eps": 0}, "`eps` to be a positive number, got 0")],
)
def test_wrong_settings(arguments, part):
    with pytest.raises(UserError, match=part):
        PartialDiceLoss(**arguments)


@pytest.mark.parametrize(
    ("use_sigmoid", "num_channels", "class_weight", "part"),
    [
        (True, 4, None, "one channel with use_sigmoid=True, got 4"),
        (False, 1, None, "at least two channels with use_sigmoid=False, got 1"),
        (False, 4, [1.0], "`class_weight` of 4 numbers, got 1"),
    ],
)
def test_channels_that_do_not_fit(use_sigmoid, num_channels, class_weight, part):
    with pytest.raises(UserError, match=part):
        PartialDiceLoss(use_sigmoid, class_weight)(torch.zeros(1, num_channels, 2, 2), torch.zeros(1, 2, 2).long())
