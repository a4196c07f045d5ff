"""The loss over labelled pixels against torch's cross-entropy, formulas and a real decode head."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_ext.errors import UserError
from mmseg_ext.models.losses import PartialCrossEntropyLoss
from mmseg_ext.models.losses.partial_cross_entropy_loss import partial_cross_entropy

pytestmark = pytest.mark.filterwarnings("ignore:Default ``avg_non_ignore`` is False")

CLASS_WEIGHT = [0.5, 2.0, 0.0, 1.25]


def make_batch(num_labelled=30, dtype=torch.float32, seed=0, shape=(2, 4, 9, 11), ignore_index=255):
    """Logits (N, C, H, W) and labels (N, H, W) of which `num_labelled` are not ignored."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64).mul(3).to(dtype).requires_grad_()
    size = shape[0] * shape[2] * shape[3]
    labels = torch.full((size,), ignore_index)
    places = torch.randperm(size, generator=generator)[:num_labelled]
    labels[places] = torch.randint(0, shape[1], (num_labelled,), generator=generator)
    return logits, labels.view(shape[0], *shape[2:])


def value_and_gradient(loss, logits):
    (gradient,) = torch.autograd.grad(loss, logits)
    return loss.item(), gradient


@pytest.mark.parametrize("num_labelled", [1, 5, 30, 198])
@pytest.mark.parametrize("class_weight", [None, CLASS_WEIGHT])
@pytest.mark.parametrize("ignore_index", [255, -100, 0])
def test_equals_torch(num_labelled, class_weight, ignore_index):
    """torch averages with the class weights in the denominator too; so do we."""
    logits, labels = make_batch(num_labelled, ignore_index=255)
    if ignore_index == 0:  # ignore what was class 0 as well
        labels[labels == 255] = 0
        labels.view(-1)[0] = 1
    else:
        labels[labels == 255] = ignore_index
        if class_weight is not None:
            labels[0, 0, 0] = 1  # not all of weight zero
    weight = None if class_weight is None else torch.tensor(class_weight)
    loss = PartialCrossEntropyLoss(class_weight)(logits, labels, ignore_index=ignore_index)
    expected = F.cross_entropy(logits, labels, weight=weight, ignore_index=ignore_index)
    assert loss.shape == ()
    value, gradient = value_and_gradient(loss, logits)
    expected_value, expected_gradient = value_and_gradient(expected, logits)
    assert value == pytest.approx(expected_value, rel=1e-6)
    assert value > 0
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("class_weight", [None, CLASS_WEIGHT])
def test_pixel_weights_by_the_formula(class_weight):
    logits, labels = make_batch(40)
    weight = torch.rand(labels.shape, generator=torch.Generator().manual_seed(1))
    weight[0, :3] = 0
    loss = PartialCrossEntropyLoss(class_weight)(logits, labels, weight)
    total = torch.zeros(())
    sum_of_weights = torch.zeros(())
    for n, y, x in (labels != 255).nonzero().tolist():
        label = int(labels[n, y, x])
        w = weight[n, y, x] * (1 if class_weight is None else class_weight[label])
        total = total - w * logits[n, :, y, x].log_softmax(0)[label]
        sum_of_weights = sum_of_weights + w
    value, gradient = value_and_gradient(loss, logits)
    expected_value, expected_gradient = value_and_gradient(total / sum_of_weights, logits)
    assert value == pytest.approx(expected_value, rel=1e-5)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-7)
    assert (gradient[0, :, :3] == 0).all()


def test_weights_of_one_change_nothing_and_their_scale_neither():
    logits, labels = make_batch(40)
    plain = partial_cross_entropy(logits, labels).item()
    for scale in (1.0, 7.0):
        same = partial_cross_entropy(logits, labels, torch.full((4,), scale), torch.full(labels.shape, scale))
        assert same.item() == pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("class_weight", [None, CLASS_WEIGHT])
@pytest.mark.parametrize("pixel_weight", [False, True])
@pytest.mark.parametrize("fill", [0.0, float("inf"), float("nan")])
def test_nothing_labelled_is_exactly_zero_with_a_gradient_path(class_weight, pixel_weight, fill):
    """torch gives nan here. Logits that overflowed do no harm either: no pixel of them is looked at."""
    logits, labels = make_batch(0)
    assert F.cross_entropy(logits, labels, ignore_index=255).isnan()
    with torch.no_grad():
        logits[0] += fill
    weight = torch.ones(labels.shape) if pixel_weight else None
    value, gradient = value_and_gradient(PartialCrossEntropyLoss(class_weight)(logits, labels, weight), logits)
    assert value == 0
    assert gradient.shape == logits.shape
    assert (gradient == 0).all()


def test_weights_that_sum_to_zero_give_exactly_zero():
    logits, labels = make_batch(30)
    only_class_2 = torch.where(labels == 255, 255, 2)
    for loss in (
        PartialCrossEntropyLoss(CLASS_WEIGHT)(logits, only_class_2),
        PartialCrossEntropyLoss()(logits, labels, torch.zeros(labels.shape)),
    ):
        value, gradient = value_and_gradient(loss, logits)
        assert value == 0
        assert (gradient == 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("class_weight", [None, CLASS_WEIGHT])
def test_half_precision_is_computed_in_float32(dtype, class_weight):
    logits, labels = make_batch(50, dtype=dtype)
    loss = PartialCrossEntropyLoss(class_weight)(logits, labels)
    assert loss.dtype == torch.float32
    value, gradient = value_and_gradient(loss, logits)
    exact = logits.detach().double().requires_grad_()
    weight = None if class_weight is None else torch.tensor(class_weight, dtype=torch.float64)
    expected = F.cross_entropy(exact, labels, weight=weight, ignore_index=255)
    expected_value, expected_gradient = value_and_gradient(expected, exact)
    assert value == pytest.approx(expected_value, rel=1e-6)
    assert gradient.dtype == dtype
    torch.testing.assert_close(gradient.double(), expected_gradient, rtol=2 * torch.finfo(dtype).eps, atol=1e-7)


def test_large_half_precision_logits_do_not_overflow():
    logits = torch.tensor([60000.0, -60000.0, 0.0], dtype=torch.float16).view(1, 3, 1, 1)
    assert partial_cross_entropy(logits, torch.tensor([[[0]]])).item() == 0
    assert partial_cross_entropy(logits, torch.tensor([[[1]]])).item() == pytest.approx(119936, rel=1e-3)


def test_under_autocast_the_value_stays_that_of_float32():
    logits, labels = make_batch(50)
    expected = F.cross_entropy(logits, labels, ignore_index=255).item()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = PartialCrossEntropyLoss()(logits, labels)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("class_weight", [None, CLASS_WEIGHT])
def test_ignored_pixels_get_exactly_no_gradient(class_weight):
    logits, labels = make_batch(10)
    _, gradient = value_and_gradient(PartialCrossEntropyLoss(class_weight)(logits, labels), logits)
    touched = (gradient != 0).any(dim=1)
    counted = labels != 255
    if class_weight is not None:
        counted &= labels != 2  # of weight zero
    assert counted.sum() > 0
    assert torch.equal(touched, counted)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradcheck(weighted):
    logits, labels = make_batch(6, dtype=torch.float64, shape=(2, 3, 3, 4))
    class_weight = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64) if weighted else None
    generator = torch.Generator().manual_seed(1)
    weight = torch.rand(labels.shape, generator=generator, dtype=torch.float64) if weighted else None
    assert partial_cross_entropy(logits, labels, class_weight, weight).dtype == torch.float64
    assert torch.autograd.gradcheck(lambda x: partial_cross_entropy(x, labels, class_weight, weight), (logits,))
    torch.testing.assert_close(
        partial_cross_entropy(logits, labels, class_weight),
        F.cross_entropy(logits, labels, weight=class_weight, ignore_index=255),
    )


def test_batch_of_one():
    for shape in ((1, 4, 1, 1), (1, 4, 5, 7)):
        logits, labels = make_batch(1, shape=shape)
        expected = F.cross_entropy(logits, labels, ignore_index=255).item()
        assert PartialCrossEntropyLoss()(logits, labels).item() == pytest.approx(expected, rel=1e-6)


def test_loss_weight_name_and_arguments_of_other_losses():
    logits, labels = make_batch(30)
    plain = PartialCrossEntropyLoss()
    assert plain.loss_name == "loss_pce"
    half = PartialCrossEntropyLoss(loss_weight=0.5, loss_name="loss_points")
    assert half.loss_name == "loss_points"
    expected = F.cross_entropy(logits, labels, ignore_index=255).item()
    assert half(logits, labels).item() == pytest.approx(expected / 2, rel=1e-6)
    same = plain(logits, labels, weight=None, avg_factor=None, reduction_override=None, ignore_index=255)
    assert same.item() == pytest.approx(expected, rel=1e-6)


def test_class_weight_is_a_setting_not_a_weight():
    loss = PartialCrossEntropyLoss(CLASS_WEIGHT)
    assert dict(loss.state_dict()) == {}
    assert list(loss.parameters()) == []
    assert [name for name, _ in loss.named_buffers()] == ["_class_weight_C"]  # moves with the model
    assert loss.double().class_weight_C.dtype == torch.float64


def test_wrong_class_weights_are_refused():
    with pytest.raises(UserError, match=r"`class_weight` to be a list \(each item a non-negative number\)") as caught:
        PartialCrossEntropyLoss([1.0, -0.5])
    assert "-0.5" in str(caught.value)
    logits, labels = make_batch(30)
    for num_weights in (3, 5):
        with pytest.raises(UserError, match=f"`class_weight` of 4 numbers, one a class, got {num_weights}"):
            PartialCrossEntropyLoss([1.0] * num_weights)(logits, labels)


def test_a_single_channel_is_refused_because_nothing_would_be_learned():
    """Softmax over one channel is 1 whatever the logit: torch's loss and gradient are zero, silently."""
    logits = torch.randn(1, 1, 3, 3, requires_grad=True)
    labels = torch.zeros(1, 3, 3, dtype=torch.long)
    assert F.cross_entropy(logits, labels).item() == 0
    with pytest.raises(UserError, match="at least two, got 1"):
        PartialCrossEntropyLoss()(logits, labels)


def test_stock_divides_by_all_pixels_and_ours_by_the_labelled():
    """The documented difference: with 10 labelled of 8,192 pixels, stock's loss is 819 times smaller."""
    logits, labels = make_batch(10, shape=(2, 4, 64, 64))
    stock = CrossEntropyLoss()(logits, labels, ignore_index=255)
    ours = PartialCrossEntropyLoss()(logits, labels)
    assert ours.item() == pytest.approx(stock.item() * 8192 / 10, rel=1e-5)
    assert ours.item() == pytest.approx(
        CrossEntropyLoss(avg_non_ignore=True)(logits, labels, ignore_index=255).item(), rel=1e-5
    )


def head_with(loss_decode):
    torch.manual_seed(0)
    return MODELS.build(
        {
            "type": "FCNHead",
            "in_channels": 4,
            "channels": 4,
            "num_convs": 0,
            "concat_input": False,
            "in_index": 0,
            "num_classes": 4,
            "dropout_ratio": 0,
            "loss_decode": loss_decode,
        }
    )


def data_samples(labels):
    samples = []
    for label in labels:
        sample = SegDataSample()
        sample.gt_sem_seg = PixelData(data=label[None])
        samples.append(sample)
    return samples


@pytest.mark.parametrize("class_weight", [None, CLASS_WEIGHT])
def test_in_a_real_decode_head(mmseg_scope, class_weight):
    points = {"type": "mmseg_ext.PartialCrossEntropyLoss", "class_weight": class_weight, "loss_weight": 0.4}
    head = head_with(points)
    assert type(head.loss_decode) is PartialCrossEntropyLoss
    stock = head_with({"type": "CrossEntropyLoss"})
    assert head.state_dict().keys() == stock.state_dict().keys()
    logits, _ = make_batch(0, shape=(2, 4, 5, 6))
    _, labels = make_batch(25, shape=(2, 4, 19, 23))
    losses = head.loss_by_feat(logits, data_samples(labels))
    assert set(losses) == {"loss_pce", "acc_seg"}
    resized = F.interpolate(logits, (19, 23), mode="bilinear", align_corners=False)
    weight = None if class_weight is None else torch.tensor(class_weight)
    expected = 0.4 * F.cross_entropy(resized, labels, weight=weight, ignore_index=255)
    value, gradient = value_and_gradient(losses["loss_pce"], logits)
    expected_value, expected_gradient = value_and_gradient(expected, logits)
    assert value == pytest.approx(expected_value, rel=1e-5)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-4, atol=1e-8)


def test_two_losses_of_one_name_are_added_and_of_two_names_kept_apart(mmseg_scope):
    logits, labels = make_batch(25)
    points = {"type": "mmseg_ext.PartialCrossEntropyLoss"}
    once = head_with(points).loss_by_feat(logits, data_samples(labels))["loss_pce"].item()
    twice = head_with([points, points]).loss_by_feat(logits, data_samples(labels))
    assert twice["loss_pce"].item() == pytest.approx(2 * once, rel=1e-6)
    both = head_with([points, {"type": "CrossEntropyLoss"}]).loss_by_feat(logits, data_samples(labels))
    assert set(both) == {"loss_pce", "loss_ce", "acc_seg"}
    assert both["loss_pce"].item() == pytest.approx(once, rel=1e-6)


def test_a_decode_head_trains_through_a_batch_without_labels(mmseg_scope):
    head = head_with({"type": "mmseg_ext.PartialCrossEntropyLoss"})
    _, labels = make_batch(0)
    features = torch.randn(2, 4, 5, 6)
    losses = head.loss([features], data_samples(labels), train_cfg={})
    losses["loss_pce"].backward()
    assert losses["loss_pce"].item() == 0
    gradients = [p.grad for p in head.conv_seg.parameters()]
    assert len(gradients) == 2
    assert all((g == 0).all() for g in gradients)


@pytest.mark.parametrize("thresh", [None, 0.7])
def test_a_stock_head_with_ohem_works_by_threshold_and_says_so_otherwise(thresh, mmseg_scope):
    head = MODELS.build(
        {
            "type": "FCNHead",
            "in_channels": 4,
            "channels": 4,
            "num_convs": 0,
            "concat_input": False,
            "num_classes": 3,
            "loss_decode": {"type": "mmseg_ext.PartialCrossEntropyLoss"},
            "sampler": {"type": "OHEMPixelSampler", "thresh": thresh, "min_kept": 5},
        }
    )
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 3, (1, 8, 8))))
    if thresh is None:
        with pytest.raises(UserError, match=r"reduction_override='none'\. Give OHEMPixelSampler a `thresh`"):
            head.loss((torch.randn(1, 4, 8, 8),), [sample], {})
    else:
        assert head.loss((torch.randn(1, 4, 8, 8),), [sample], {})["loss_pce"] > 0
