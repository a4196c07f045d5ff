"""Cross-entropy at label resolution against torch: enlarge all logits, then cross-entropy with ignored labels."""

import pytest
import torch
import torch.nn.functional as F
from comparisons import near_ties

from mmseg_ext.errors import UserError
from mmseg_ext.models.resampling import label_blocks, label_points
from mmseg_ext.models.resampling.interpolation import interpolate_at
from mmseg_ext.models.resampling.label_resolution import label_resolution_cross_entropy

CLASS_WEIGHT = torch.tensor([0.5, 2.0, 0.0, 1.25, 1.0])
METHODS = ["points", "blocks"]
# small (h, w) → labels (H, W): large, uneven, equal, shrunk, and single pixels
SIZES = [
    ((7, 9), (98, 126)),
    ((6, 5), (23, 31)),
    ((5, 7), (5, 7)),
    ((9, 8), (4, 5)),
    ((1, 1), (6, 3)),
    ((4, 1), (1, 9)),
]


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few pixels, so that small maps have many."""
    limits = label_blocks.LIMITS["cpu"]._replace(values=600, columns=11)
    monkeypatch.setitem(label_blocks.LIMITS, "cpu", limits)
    monkeypatch.setattr(label_points, "POINTS_AT_ONCE", 7)


def make_batch(sizes=SIZES[0], share=0.5, dtype=torch.float32, scale=3.0, seed=0, num_classes=5):
    """Logits (2, C, h, w) and labels (2, H, W) of which about `share` are not ignored, at least one."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, num_classes, *sizes[0], generator=generator, dtype=torch.float64) * scale
    labels = torch.randint(0, num_classes, (2, *sizes[1]), generator=generator)
    first = labels[0, 0, 0].item()
    labels[torch.rand(labels.shape, generator=generator) >= share] = 255
    labels[0, 0, 0] = first or 1
    return logits.to(dtype).requires_grad_(), labels


def reference(logits, labels, align_corners=False, class_weight=None, weight=None):
    """Loss by the formula on all logits, enlarged, in the precision of the logits; its gradient; right pixels.

    Their number is a :func:`pytest.approx` that leaves near ties open.
    """
    enlarged = F.interpolate(logits, labels.shape[1:], mode="bilinear", align_corners=align_corners)
    losses = F.cross_entropy(enlarged, labels, ignore_index=255, reduction="none")
    weights = (labels != 255).to(losses)
    if class_weight is not None:
        weights = weights * class_weight.to(losses)[torch.where(labels == 255, 0, labels)]
    if weight is not None:
        weights = weights * weight.to(losses)
    loss = (losses * weights).sum() / weights.sum()
    (gradient,) = torch.autograd.grad(loss, logits)
    labelled = labels != 255
    num_correct = ((enlarged.argmax(1) == labels) & labelled).sum().item()
    num_open = (near_ties(enlarged, class_dim=1) & labelled).sum().item()
    return loss.item(), gradient, pytest.approx(num_correct, rel=0, abs=num_open)


def compute(logits, labels, **arguments):
    result = label_resolution_cross_entropy(logits, labels, **arguments)
    (gradient,) = torch.autograd.grad(result.loss, logits)
    return result, gradient


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("share", [0.02, 0.6, 1.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 5e-6), (torch.float64, 1e-13)])
def test_equals_torch(method, align_corners, sizes, share, dtype, tolerance):
    logits, labels = make_batch(sizes, share, dtype)
    expected, expected_gradient, num_correct = reference(logits, labels, align_corners)
    result, gradient = compute(logits, labels, align_corners=align_corners, method=method)
    assert result.loss.shape == ()
    assert result.loss.dtype == dtype
    assert result.loss.item() == pytest.approx(expected, rel=tolerance)
    assert (gradient - expected_gradient).abs().max() <= tolerance * expected_gradient.abs().max()
    assert result.num_correct.item() == num_correct
    assert result.num_labelled == int((labels != 255).sum()) > 0


@pytest.mark.parametrize("device_type", ["cpu", "cuda"])
@pytest.mark.parametrize("method", METHODS)
def test_equals_torchs_own_average_at_the_size_of_the_benchmark(method, device_type, monkeypatch):
    """The block sizes of a device; 40 classes; against F.cross_entropy(ignore_index=255) and its mean."""
    monkeypatch.setitem(label_blocks.LIMITS, "cpu", label_blocks.limits_of(torch.device(device_type)))
    logits, labels = make_batch(((13, 13), (182, 182)), share=0.3, num_classes=40)
    enlarged = F.interpolate(logits, (182, 182), mode="bilinear")
    expected = F.cross_entropy(enlarged, labels, ignore_index=255)
    (expected_gradient,) = torch.autograd.grad(expected, logits)
    result, gradient = compute(logits, labels, method=method)
    assert result.loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert (gradient - expected_gradient).abs().max() <= 1e-5 * expected_gradient.abs().max()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("class_weight", [None, CLASS_WEIGHT])
@pytest.mark.parametrize("pixel_weight", [False, True])
@pytest.mark.parametrize("align_corners", [False, True])
def test_weights(method, class_weight, pixel_weight, align_corners):
    logits, labels = make_batch(SIZES[1])
    weight = None
    if pixel_weight:
        weight = torch.rand(labels.shape, generator=torch.Generator().manual_seed(1))
        weight[:, :4] = 0
        weight[labels == 255] = torch.nan  # what nobody looks at does no harm
    clean = None if weight is None else weight.nan_to_num(0)
    expected, expected_gradient, _ = reference(logits, labels, align_corners, class_weight, clean)
    result, gradient = compute(
        logits, labels, align_corners=align_corners, class_weight_C=class_weight, weight_NHW=weight, method=method
    )
    assert result.loss.item() == pytest.approx(expected, rel=5e-6)
    assert (gradient - expected_gradient).abs().max() <= 5e-6 * expected_gradient.abs().max()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradcheck(method, align_corners, weighted):
    logits, labels = make_batch(((3, 4), (7, 9)), dtype=torch.float64, num_classes=3)
    class_weight = torch.tensor([0.5, 2.0, 1.0]) if weighted else None
    weight = torch.rand(labels.shape, generator=torch.Generator().manual_seed(1)) if weighted else None

    def loss(x):
        return label_resolution_cross_entropy(x, labels, align_corners, class_weight, weight, method=method).loss

    assert torch.autograd.gradcheck(loss, (logits,))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_is_computed_in_float32(method, dtype, align_corners, autocast):
    logits, labels = make_batch(dtype=dtype)
    exact = logits.detach().double().requires_grad_()
    expected, expected_gradient, _ = reference(exact, labels, align_corners)
    with torch.autocast("cpu", dtype=dtype, enabled=autocast):
        result, gradient = compute(logits, labels, align_corners=align_corners, method=method)
    assert result.loss.dtype == torch.float32
    assert result.loss.item() == pytest.approx(expected, rel=1e-5)
    assert gradient.dtype == dtype
    largest = expected_gradient.abs().max()
    assert (gradient.double() - expected_gradient).abs().max() <= torch.finfo(dtype).eps * largest


@pytest.mark.parametrize("method", METHODS)
def test_a_loss_scale_saves_gradients_that_half_precision_cannot_hold(method):
    logits, labels = make_batch(((4, 4), (128, 128)), share=1.0, dtype=torch.float16)
    exact = logits.detach().double().requires_grad_()
    _, expected, _ = reference(exact, labels)
    loss = label_resolution_cross_entropy(logits, labels, method=method, denominator=1e8).loss
    (gradient,) = torch.autograd.grad(loss * 2.0**16, logits)
    factor = 2.0**16 * labels.numel() / 1e8
    assert (gradient.double() - expected * factor).abs().max() <= 1e-3 * (expected * factor).abs().max()


@pytest.mark.parametrize("setting", ["high", "medium"])
def test_reduced_precision_of_matrix_products_does_not_reach_the_loss(setting):
    logits, labels = make_batch(((13, 13), (180, 180)), share=1.0)
    expected, expected_gradient, _ = reference(logits, labels)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(setting)
        result, gradient = compute(logits, labels)
        assert torch.get_float32_matmul_precision() == setting
    finally:
        torch.set_float32_matmul_precision(before)
    assert torch.get_float32_matmul_precision() == before
    assert result.loss.item() == pytest.approx(expected, rel=1e-6)
    assert (gradient - expected_gradient).abs().max() <= 5e-6 * expected_gradient.abs().max()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("class_weight", [None, CLASS_WEIGHT])
def test_nothing_labelled_is_exactly_zero_with_a_gradient_path(method, class_weight):
    logits, labels = make_batch()
    labels[:] = 255
    weight = torch.ones(labels.shape)
    result, gradient = compute(logits, labels, class_weight_C=class_weight, weight_NHW=weight, method=method)
    assert result.loss.item() == 0
    assert (result.num_correct.item(), result.num_labelled) == (0, 0)
    assert gradient.shape == logits.shape
    assert (gradient == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_weights_that_sum_to_zero_give_exactly_zero(method):
    logits, labels = make_batch()
    labels[labels != 255] = 2
    result, gradient = compute(logits, labels, class_weight_C=CLASS_WEIGHT, method=method)
    assert result.loss.item() == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e-3, 40.0, 1000.0, 1e6])
def test_logits_of_any_size(method, scale):
    """Neighbours that are sure of different classes: the middle lies far below both maxima."""
    logits, labels = make_batch(share=1.0, scale=scale, dtype=torch.float64)
    expected, expected_gradient, num_correct = reference(logits, labels)
    single = logits.detach().float().requires_grad_()
    result, gradient = compute(single, labels, method=method)
    assert result.loss.item() == pytest.approx(expected, rel=1e-5)
    # Half an ulp of a float32 logit moves a probability by scale × 1e-7.
    assert (gradient - expected_gradient).abs().max() <= max(1e-5, scale * 2e-6) * expected_gradient.abs().max()
    assert result.num_correct.item() == num_correct


@pytest.mark.parametrize("method", METHODS)
def test_pixels_that_take_nothing_from_a_label_get_exactly_no_gradient(method):
    logits, labels = make_batch(((6, 6), (60, 60)), share=0.0)
    _, gradient = compute(logits, labels, method=method)
    assert (gradient[0, :, 0, 0] != 0).all()
    assert (gradient != 0).any(1).sum() == 1


@pytest.mark.parametrize("method", METHODS)
def test_other_ignore_indices_label_types_and_denominators(method):
    logits, labels = make_batch(SIZES[1])
    expected, _, _ = reference(logits, labels)
    num_labelled = int((labels != 255).sum())
    moved = torch.where(labels == 255, -1, labels)
    small = labels.to(torch.uint8)
    for result in (
        label_resolution_cross_entropy(logits, moved, ignore_index=-1, method=method),
        label_resolution_cross_entropy(logits, small, method=method),
        label_resolution_cross_entropy(logits, labels, denominator=num_labelled, method=method),
    ):
        assert result.loss.item() == pytest.approx(expected, rel=1e-6)
    halved = label_resolution_cross_entropy(logits, labels, denominator=2 * num_labelled, method=method)
    assert halved.loss.item() == pytest.approx(expected / 2, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_without_gradients_the_value_is_the_same(method):
    logits, labels = make_batch()
    expected, _, num_correct = reference(logits, labels)
    with torch.no_grad():
        result = label_resolution_cross_entropy(logits, labels, method=method)
    detached = label_resolution_cross_entropy(logits.detach(), labels, method=method)
    for each in (result, detached):
        assert each.loss.item() == pytest.approx(expected, rel=1e-6)
        assert not each.loss.requires_grad
        assert each.num_correct.item() == num_correct


def test_the_method_is_chosen_by_the_share_of_labels(monkeypatch):
    called = []
    for name in METHODS:
        original = getattr(label_blocks if name == "blocks" else label_points, f"{name}_cross_entropy")

        def spy(*args, _name=name, _original=original, **kwargs):
            called.append(_name)
            return _original(*args, **kwargs)

        monkeypatch.setattr(f"mmseg_ext.models.resampling.label_resolution.{name}_cross_entropy", spy)
    for share in (0.005, 0.5):
        label_resolution_cross_entropy(*make_batch(share=share))
    assert called == METHODS


@pytest.mark.parametrize("method", METHODS)
def test_a_tie_is_not_right(method):
    logits = torch.zeros(1, 3, 2, 2)
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    assert label_resolution_cross_entropy(logits, labels, method=method).num_correct.item() == 0
    logits[:, 0] = 1e-6
    assert label_resolution_cross_entropy(logits, labels, method=method).num_correct.item() == 64


@pytest.mark.parametrize("method", METHODS)
def test_backward_twice_and_several_uses(method):
    logits, labels = make_batch(SIZES[1])
    _, expected, _ = reference(logits, labels)
    loss = label_resolution_cross_entropy(logits, labels, method=method).loss
    total = 2 * loss + loss
    first = torch.autograd.grad(total, logits, retain_graph=True)[0]
    second = torch.autograd.grad(total, logits)[0]
    assert torch.equal(first, second)
    torch.testing.assert_close(first, 3 * expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_values_at_pixels_equal_those_of_the_enlarged_map(align_corners, sizes):
    logits, labels = make_batch(sizes, share=0.4, dtype=torch.float64)
    positions = (labels != 255).flatten().nonzero().squeeze(1)
    enlarged = F.interpolate(logits, sizes[1], mode="bilinear", align_corners=align_corners)
    expected = enlarged.movedim(1, -1)[labels != 255]
    values = interpolate_at(logits, positions, sizes[1], align_corners)
    torch.testing.assert_close(values, expected, rtol=1e-12, atol=1e-12)
    weights = torch.randn(values.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradient, expected_gradient = (torch.autograd.grad((v * weights).sum(), logits)[0] for v in (values, expected))
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-12, atol=1e-12)


def test_wrong_arguments():
    logits, labels = make_batch()
    with pytest.raises(UserError, match="at least two, got 1"):
        label_resolution_cross_entropy(logits[:, :1], labels)
    with pytest.raises(UserError, match="`class_weight` of 5 numbers, one a class, got 4"):
        label_resolution_cross_entropy(logits, labels, class_weight_C=CLASS_WEIGHT[:4])


@pytest.mark.parametrize("method", METHODS)
def test_a_label_out_of_range_is_an_error(method):
    logits, labels = make_batch()
    labels[1, 3, 3] = 7
    with pytest.raises((IndexError, RuntimeError)):
        label_resolution_cross_entropy(logits, labels, method=method)
