"""The mask losses against mmdet's Mask2FormerHead, and what labelled pixels alone teach."""

import pytest
import torch
from mmdet.models.dense_heads import Mask2FormerHead as MMDetHead
from mmdet.models.task_modules import HungarianAssigner, MaskPseudoSampler
from mmengine.structures import InstanceData, PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_ext.errors import UserError
from mmseg_ext.models.losses import MaskLoss, PointMaskLoss

pytestmark = pytest.mark.usefixtures("mmseg_scope")

NUM_CLASSES, NUM_QUERIES, HEIGHT, WIDTH = 4, 6, 24, 32
# Which points are the least certain depends on the rounding: the tests of equality choose none.
SETTINGS = {"num_points": 50, "importance_sample_ratio": 0.0}


def mmdet_losses(class_logits, mask_logits, labels, **settings):
    """The losses by mmdet's own code, of a head without its network."""
    head = MMDetHead.__new__(MMDetHead)
    torch.nn.Module.__init__(head)
    head.num_classes, head.num_queries = NUM_CLASSES, NUM_QUERIES
    head.num_points, head.oversample_ratio = settings["num_points"], 3.0
    head.importance_sample_ratio = settings["importance_sample_ratio"]
    head.class_weight = [1.0] * NUM_CLASSES + [0.1]
    build = MODELS.build
    cross_entropy = {"type": "mmdet.CrossEntropyLoss", "reduction": "mean"}
    head.loss_cls = build({**cross_entropy, "loss_weight": 2.0, "class_weight": head.class_weight})
    head.loss_mask = build({**cross_entropy, "use_sigmoid": True, "loss_weight": 5.0})
    head.loss_dice = build({"type": "mmdet.DiceLoss", "naive_dice": True, "eps": 1.0, "loss_weight": 5.0})
    costs = [
        {"type": "mmdet.ClassificationCost", "weight": 2.0},
        {"type": "mmdet.CrossEntropyLossCost", "weight": 5.0, "use_sigmoid": True},
        {"type": "mmdet.DiceCost", "weight": 5.0, "pred_act": True, "eps": 1.0},
    ]
    head.assigner = HungarianAssigner(costs)
    head.sampler = MaskPseudoSampler()
    instances = []
    for labels_HW in labels:
        classes = [c for c in labels_HW.unique().tolist() if c != 255]
        masks = torch.stack([labels_HW == c for c in classes]).long()
        instances.append(InstanceData(labels=torch.tensor(classes), masks=masks))
    losses = head.loss_by_feat(class_logits, mask_logits, instances, [{}] * len(labels))
    return {name: value.squeeze() for name, value in losses.items()}  # mmdet's have one element


def sample_of(labels_HW, **meta):
    return SegDataSample(gt_sem_seg=PixelData(data=labels_HW[None]), metainfo=meta)


def block_labels(seed=0, num_images=2):
    """Labels of blocks, so that masks have borders."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.randint(NUM_CLASSES, (num_images, 3, 4), generator=generator)
    return small.repeat_interleave(8, 1).repeat_interleave(8, 2)


def logits(num_layers=2, num_images=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    classes = [torch.randn(num_images, NUM_QUERIES, NUM_CLASSES + 1, generator=generator) for _ in range(num_layers)]
    masks = [3 * torch.randn(num_images, NUM_QUERIES, 6, 8, generator=generator) for _ in range(num_layers)]
    return [x.requires_grad_() for x in classes], [x.requires_grad_() for x in masks]


def run(function, *args):
    """Losses and the gradients at the logits, with the same random numbers each time."""
    classes, masks = logits()
    torch.manual_seed(3)
    losses = function(classes, masks, *args)
    sum(losses.values()).backward()
    return losses, [x.grad for x in (*classes, *masks)]


def assert_same(found, expected):
    assert found[0].keys() == expected[0].keys()
    assert len(found[0]) == 6
    for name, value in expected[0].items():
        torch.testing.assert_close(
            found[0][name], value, rtol=1e-5, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}"
        )
    for gradient, wanted in zip(found[1], expected[1], strict=True):
        assert wanted.any()
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", [MaskLoss, PointMaskLoss])
def test_on_full_labels_it_is_mmdets(kind):
    labels = block_labels()
    labels[0][labels[0] == 3] = 0  # an absent class
    expected = run(lambda *x: mmdet_losses(*x, labels, **SETTINGS))
    assert_same(run(kind(**SETTINGS), [sample_of(x) for x in labels]), expected)


def test_the_published_loss_takes_unlabelled_pixels_for_negatives_as_mmdet_does():
    labels = block_labels()
    labels[:, 4:20, 3:30] = 255
    expected = run(lambda *x: mmdet_losses(*x, labels, **SETTINGS))
    assert_same(run(MaskLoss(**SETTINGS), [sample_of(x) for x in labels]), expected)


def test_uncertain_points_are_drawn_as_mmdet_does():
    """Most points are where masks are uncertain; the loss at them is mmdet's unless the rounding chooses others."""
    settings = {"num_points": 50, "importance_sample_ratio": 0.75}
    labels = block_labels()
    expected, _ = run(lambda *x: mmdet_losses(*x, labels, **settings))
    found, _ = run(MaskLoss(**settings), [sample_of(x) for x in labels])
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, rtol=1e-2, atol=1e-3, msg=lambda text, name=name: f"{name}: {text}"
        )


def points_of(labels, num=12, seed=5):
    """Labels of `num` pixels of each image, none of them of class 3."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.full_like(labels, 255)
    for n, labels_HW in enumerate(labels):
        candidates = (labels_HW.flatten() < 3).nonzero().squeeze(1)
        chosen = candidates[torch.randperm(len(candidates), generator=generator)[:num]]
        points[n].view(-1)[chosen] = labels_HW.flatten()[chosen]
    return points


def test_points_teach_nothing_about_other_pixels_and_classes():
    points = points_of(block_labels())
    points[:, :, 16:] = 255  # nothing is labelled on the right
    samples = [sample_of(x, sparse_labels="points") for x in points]
    losses, gradients = run(PointMaskLoss(), samples)
    absent = torch.stack([~torch.stack([(x == c).any() for c in range(NUM_CLASSES)]) for x in points])
    assert absent[:, 3].all()
    for gradient in gradients[:2]:
        assert (gradient[..., :NUM_CLASSES].mT[absent] == 0).all()
        assert gradient[..., NUM_CLASSES].any()
    for gradient in gradients[2:]:
        assert (gradient[..., 5:] == 0).all()  # a pixel of column 15 is interpolated from columns 3 and 4
        assert gradient[..., :4].any()
        assert (gradient.flatten(2).any(2).sum(1) == (~absent).sum(1)).all()  # matched queries only
    assert all(loss.isfinite() for loss in losses.values())


def test_a_pixel_that_is_not_labelled_gives_no_gradient():
    labels = torch.full((2, HEIGHT, WIDTH), 255)
    labels[:, 5, 6] = 1
    _, gradients = run(PointMaskLoss(), [sample_of(x, sparse_labels="points") for x in labels])
    for gradient in gradients[2:]:
        # Row 5 and column 6 of 4 pixels a cell: between the cells 0 and 1 of rows, 1 and 2 of columns.
        touched = gradient.flatten(0, 1).any(0).nonzero().tolist()
        assert touched == [[0, 1], [0, 2], [1, 1], [1, 2]]


def test_with_labels_at_all_pixels_points_are_the_published_loss_on_known_classes():
    """Without any unlabelled class the mark of sparse labels changes nothing."""
    labels = block_labels()
    labels[:, 0, :NUM_CLASSES] = torch.arange(NUM_CLASSES)
    expected = run(lambda *x: mmdet_losses(*x, labels, **SETTINGS))
    assert_same(run(PointMaskLoss(**SETTINGS), [sample_of(x, sparse_labels="points") for x in labels]), expected)


def by_hand(class_logits, mask_logits, labels_HW, num_classes=NUM_CLASSES):
    """Losses of one layer and image of sparse labels, with the matching by trying all."""
    from itertools import permutations

    enlarged = torch.nn.functional.interpolate(mask_logits, labels_HW.shape, mode="bilinear", align_corners=False)[0]
    labelled = labels_HW != 255
    x_QP, labels_P = enlarged[:, labelled], labels_HW[labelled]
    present = labels_P.unique().tolist()
    known = [*present, num_classes]
    log_QK = torch.full_like(class_logits[0], -torch.inf)
    log_QK[:, known] = class_logits[0][:, known].log_softmax(1)
    best = None
    for queries in permutations(range(len(x_QP)), len(present)):
        cost = mask = dice = 0.0
        for q, c in zip(queries, present, strict=True):
            t_P = (labels_P == c).float()
            bce = torch.nn.functional.binary_cross_entropy_with_logits(x_QP[q], t_P)
            p_P = x_QP[q].sigmoid()
            one_minus = 1 - (2 * (p_P * t_P).sum() + 1) / (p_P.sum() + t_P.sum() + 1)
            cost += float(-2 * log_QK[q, c].exp() + 5 * bce + 5 * one_minus)
            mask, dice = mask + bce / len(present), dice + one_minus / len(present)
        if best is None or cost < best[0]:
            best = cost, queries, mask, dice
    target_Q = torch.full((len(x_QP),), num_classes)
    target_Q[list(best[1])] = torch.tensor(present)
    weight_Q = torch.where(target_Q == num_classes, 0.1, 1.0)
    nll_Q = -log_QK.gather(1, target_Q[:, None]).squeeze(1)
    return {
        "loss_cls": 2 * (nll_Q * weight_Q).sum() / weight_Q.sum(),
        "loss_mask": 5 * best[2],
        "loss_dice": 5 * best[3],
    }


@pytest.mark.parametrize("num_points", [12, 5000])
def test_points_against_a_loop_over_all_matchings(num_points):
    """The outermost pixels too, at which logits are those of the enlarged map."""
    labels = points_of(block_labels(num_images=1))
    labels[0, 0, 0], labels[0, HEIGHT - 1, WIDTH - 1] = 255, 255
    free = (labels[0] == 0).nonzero()[0].tolist()
    labels[0, free[0], free[1]] = 255
    labels[0, 0, 0] = 0  # still 12 labels, one of them in the corner
    classes, masks = logits(1, 1)
    found = PointMaskLoss(num_points=num_points)(classes, masks, [sample_of(labels[0], sparse_labels="points")])
    for name, value in by_hand(classes[0], masks[0], labels[0]).items():
        torch.testing.assert_close(
            found[name], value, rtol=1e-5, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_unlabelled_classes_of_complete_labels_are_absent():
    """Without the mark of sparse labels, an image teaches 'no object' also where some pixels are not labelled."""
    labels = points_of(block_labels(), num=200)
    _, (*class_gradients, _, _) = run(PointMaskLoss(), [sample_of(x) for x in labels])
    assert all(gradient[..., 3].all() for gradient in class_gradients)
    _, sparse = run(PointMaskLoss(sparse_labels=True), [sample_of(x) for x in labels])
    assert not sparse[0][..., 3].any()


def test_a_batch_may_hold_labels_of_every_kind():
    """Full labels, many points, few points, none: each image gives what it gives alone in a batch of its kind."""
    labels = block_labels(num_images=4)
    labels[1:3] = points_of(labels[1:3], num=200)
    labels[2:3] = points_of(labels[2:3], num=5)
    labels[3] = 255
    samples = [sample_of(x, sparse_labels=mark) for x, mark in zip(labels, (None, *["points"] * 3), strict=True)]
    generator = torch.Generator().manual_seed(0)
    classes = torch.randn(4, NUM_QUERIES, NUM_CLASSES + 1, generator=generator, requires_grad=True)
    masks = torch.randn(4, NUM_QUERIES, 6, 8, generator=generator, requires_grad=True)
    loss = PointMaskLoss(num_points=50)
    losses = loss([classes], [masks], samples)
    sum(losses.values()).backward()
    assert masks.grad[:3].flatten(2).any(2).sum(1).tolist() == [len(x.unique()) - (255 in x) for x in labels[:3]]
    assert not masks.grad[3].any()
    assert not classes.grad[3].any()
    num_masks, in_batch = [len(x.unique()) - (255 in x) for x in labels], masks.grad[2].clone()
    masks.grad = None
    alone = loss([classes[2:3]], [masks[2:3]], samples[2:3])
    (alone["loss_mask"] + alone["loss_dice"]).backward()
    torch.testing.assert_close(in_batch * sum(num_masks), masks.grad[2] * num_masks[2], rtol=1e-4, atol=1e-6)


def test_labels_count_by_their_weights():
    """Twice the weight of the labels of a class counts like having them twice, and the scale does not matter."""
    labels = points_of(block_labels(num_images=1), num=10)
    classes, masks = logits(1, 1)
    plain = PointMaskLoss()(classes, masks, [sample_of(labels[0], sparse_labels="points")])
    same = PointMaskLoss()(classes, masks, [sample_of(labels[0], sparse_labels="points", label_weights=[7.0] * 4)])
    for name, value in plain.items():
        torch.testing.assert_close(same[name], value, rtol=1e-5, atol=1e-6)
    weighed = PointMaskLoss()(classes, masks, [sample_of(labels[0], label_weights=[5.0, 1.0, 1.0, 1.0])])
    assert abs(weighed["loss_mask"] - plain["loss_mask"]) > 1e-3


@pytest.mark.parametrize("kind", [MaskLoss, PointMaskLoss])
def test_half_precision_is_computed_in_float32(kind):
    """Logits of 60,000 and sums of thousands of points stay finite."""
    labels = block_labels()
    classes, masks = logits(1)
    half = [[(20 * x.detach()).half() for x in part] for part in (classes, masks)]
    half[1][0][0, 0] = 6e4
    results = []
    for values in (half, [[x.float() for x in part] for part in half]):
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            results.append(kind(**SETTINGS)(*values, [sample_of(x) for x in labels]))
    for name, value in results[0].items():
        assert value.dtype == torch.float32
        assert value.isfinite()
        torch.testing.assert_close(value, results[1][name])


def test_logits_that_are_not_finite_reach_the_loss_and_no_error():
    """A scaler of gradients then skips the step."""
    classes, masks = logits(1)
    masks[0].data[0] = torch.nan
    losses = MaskLoss(**SETTINGS)(classes, masks, [sample_of(x) for x in block_labels()])
    assert losses["loss_mask"].isnan()


def test_a_batch_without_labels_gives_zero():
    labels = torch.full((2, HEIGHT, WIDTH), 255)
    losses, gradients = run(PointMaskLoss(), [sample_of(x, sparse_labels="points") for x in labels])
    assert not any(losses.values())
    assert not any(gradient.any() for gradient in gradients)


def test_a_label_out_of_range_names_its_file():
    labels = torch.full((HEIGHT, WIDTH), 9)
    with pytest.raises(UserError, match=r"tile\.png.*9"):
        PointMaskLoss()(*logits(1, 1), [sample_of(labels, seg_map_path="tile.png")])


def test_a_setting_out_of_range_is_refused():
    with pytest.raises(UserError, match="`num_points` to be a positive int"):
        MODELS.build({"type": "mmseg_ext.PointMaskLoss", "num_points": 0})
    with pytest.raises(UserError, match=r"`oversample_ratio` to be .*at least 1"):
        MODELS.build({"type": "mmseg_ext.MaskLoss", "oversample_ratio": 0.5})
