"""Point heads against the stock heads that enlarge all logits."""

import numpy as np
import pytest
import torch
from comparisons import MAX_SHARE, near_ties
from knet_settings import kernel_update_head
from mmengine.registry import MODELS as ENGINE_MODELS
from mmengine.structures import PixelData
from mmseg.models.decode_heads import DAHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_ext.errors import UserError
from mmseg_ext.models.heads import PointSupervision

pytestmark = [
    pytest.mark.usefixtures("mmseg_scope"),
    pytest.mark.filterwarnings("ignore:Default ``avg_non_ignore`` is False"),
    pytest.mark.filterwarnings(
        "ignore:.*binary segmentation.*", "ignore:When align_corners=True", "ignore:.dropout. is"
    ),
]

NUM_CLASSES = 5
CLASS_WEIGHT = [0.5, 2.0, 0.0, 1.25, 1.0]
PARTIAL = {"type": "mmseg_ext.PartialCrossEntropyLoss"}
NORM = {"type": "BN"}
COMMON = {"num_classes": NUM_CLASSES, "norm_cfg": NORM, "dropout_ratio": 0}
HEADS = {
    "FCNHead": {"in_channels": 6, "channels": 8, "in_index": 1, "num_convs": 1},
    "UPerHead": {"in_channels": [4, 6], "channels": 8, "in_index": [0, 1], "pool_scales": (1, 2)},
    "FPNHead": {"in_channels": [4, 6], "channels": 8, "in_index": [0, 1], "feature_strides": [4, 8]},
    "mmseg_ext.LinearHead": {"in_channels": [4, 6], "in_index": [0, 1]},
}
every_head = pytest.mark.parametrize("name", HEADS)


def build(kind, seed=0, **arguments):
    torch.manual_seed(seed)
    head = MODELS.build({"type": kind, **COMMON, **arguments})
    head.init_weights()
    torch.manual_seed(seed)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return head


def build_pair(name, align_corners=False, loss_decode=None, **arguments):
    """The stock head and the point head of one kind, with the same weights."""
    loss_decode = PARTIAL if loss_decode is None else loss_decode
    arguments = {**HEADS[name], "align_corners": align_corners, "loss_decode": loss_decode, **arguments}
    point_name = f"mmseg_ext.Point{name.rpartition('.')[2]}"
    return build(name, **arguments), build(point_name, **arguments)


def features(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(2, c, s, s + 1, generator=generator) for c, s in ((4, 12), (6, 6))]


def samples(share=0.2, seed=0, size=(48, 52), num_classes=NUM_CLASSES):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, num_classes, (2, *size), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) >= share] = 255
    return [SegDataSample(gt_sem_seg=PixelData(data=label[None])) for label in labels]


def train(head, share=0.2, **kwargs):
    """The losses of a step, and the gradient of every parameter."""
    losses = head.loss(features(), samples(share, **kwargs), train_cfg={})
    head.zero_grad()
    sum(value for key, value in losses.items() if "loss" in key).backward()
    return losses, {key: p.grad.clone() for key, p in head.named_parameters()}


def assert_same(stock, ours, share=0.2):
    (expected, expected_gradients), (losses, gradients) = train(stock, share), train(ours, share)
    assert losses.keys() == expected.keys()
    num_labelled = sum(int((sample.gt_sem_seg.data != 255).sum()) for sample in samples(share))
    near_tie = 100 * max(1 / num_labelled, MAX_SHARE)  # percent of the labelled pixels
    for key, value in expected.items():
        tolerance = {"abs": near_tie} if "acc" in key else {"rel": 1e-5}
        assert losses[key].item() == pytest.approx(value.item(), **tolerance), key
    assert gradients.keys() == expected_gradients.keys()
    largest = max(g.abs().max() for g in expected_gradients.values())
    assert largest > 0
    for key, gradient in expected_gradients.items():
        assert (gradients[key] - gradient).abs().max() <= 1e-5 * largest, key
    return losses


@every_head
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("share", [0.01, 0.7])
def test_trains_as_the_stock_head_and_has_its_state(name, align_corners, share):
    stock, ours = build_pair(name, align_corners)
    assert list(ours.state_dict()) == list(stock.state_dict())
    ours.load_state_dict(stock.state_dict())
    losses = assert_same(stock, ours, share)
    assert set(losses) == {"loss_pce", "acc_seg"}
    assert 0 <= losses["acc_seg"].item() <= 100
    stock.eval(), ours.eval()
    with torch.no_grad():
        assert torch.equal(ours(features()), stock(features()))


@every_head
def test_the_logits_are_never_enlarged(name, monkeypatch):
    _, ours = build_pair(name)
    logits = torch.randn(2, NUM_CLASSES, 6, 7, requires_grad=True)

    def refuse(*args, **kwargs):
        pytest.fail("the logits were enlarged")

    monkeypatch.setattr("mmseg.models.decode_heads.decode_head.resize", refuse)
    monkeypatch.setattr("torch.nn.functional.interpolate", refuse)
    for share in (0.01, 1.0):
        ours.loss_by_feat(logits, samples(share))["loss_pce"].backward()
    assert (logits.grad != 0).any()


@pytest.mark.parametrize(
    "loss_decode",
    [
        {"type": "CrossEntropyLoss"},
        {"type": "CrossEntropyLoss", "avg_non_ignore": True, "loss_weight": 0.4},
        {"type": "CrossEntropyLoss", "class_weight": CLASS_WEIGHT},
        {**PARTIAL, "class_weight": CLASS_WEIGHT, "loss_weight": 0.4, "loss_name": "loss_points"},
        {"type": "mmseg_ext.PartialDiceLoss"},
        {"type": "mmseg_ext.PartialDiceLoss", "class_weight": CLASS_WEIGHT, "loss_weight": 3.0},
        [PARTIAL, {"type": "mmseg_ext.PartialDiceLoss"}],
        [PARTIAL, {**PARTIAL, "loss_weight": 0.5}, {"type": "CrossEntropyLoss"}],
    ],
)
@pytest.mark.parametrize("share", [0.01, 0.7])
def test_every_loss_that_it_takes_has_the_value_of_the_stock_head(loss_decode, share):
    assert_same(*build_pair("FCNHead", loss_decode=loss_decode), share)


def test_one_channel_with_dice():
    dice = {"type": "mmseg_ext.PartialDiceLoss", "use_sigmoid": True}
    arguments = {"num_classes": 2, "out_channels": 1, "threshold": 0.4}
    stock, ours = build_pair("FCNHead", loss_decode=dice, **arguments)
    labels = samples(num_classes=2)
    logits = stock(features())
    expected, losses = stock.loss_by_feat(logits, labels), ours.loss_by_feat(logits, labels)
    assert losses["loss_pdice"].item() == pytest.approx(expected["loss_pdice"].item(), rel=1e-5)
    enlarged = torch.nn.functional.interpolate(logits, (48, 52), mode="bilinear").sigmoid()
    truth = torch.cat([sample.gt_sem_seg.data for sample in labels])
    labelled = truth != 255
    right = ((enlarged[:, 0] > 0.4) == (truth == 1))[labelled].double().mean().item()
    open_share = near_ties(enlarged, 0.4, class_dim=1)[labelled].double().mean().item()
    assert losses["acc_seg"].item() == pytest.approx(100 * right, abs=1e-3 + 100 * open_share)


@pytest.mark.parametrize("loss_decode", [PARTIAL, {"type": "mmseg_ext.PartialDiceLoss"}])
def test_nothing_labelled(loss_decode):
    """Stock reports an accuracy of 100 here."""
    stock, ours = build_pair("FCNHead", loss_decode=loss_decode)
    losses, gradients = train(ours, share=0.0)
    assert train(stock, share=0.0)[0]["acc_seg"].item() == pytest.approx(100)
    assert losses["acc_seg"].item() == 0
    assert sum(losses[key].item() for key in losses if "loss" in key) == 0
    assert gradients
    assert all((g == 0).all() for g in gradients.values())


def test_under_autocast():
    stock, ours = build_pair("FCNHead")
    logits = stock(features()).detach().bfloat16().requires_grad_()
    exact = logits.detach().double().requires_grad_()
    expected = stock.loss_by_feat(exact, samples())["loss_pce"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = ours.loss_by_feat(logits, samples())["loss_pce"]
    loss.backward(), expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert (logits.grad.double() - exact.grad).abs().max() <= 2**-8 * exact.grad.abs().max()


def knet(generate_head):
    update = kernel_update_head(NUM_CLASSES, num_ffn_fcs=2, feedforward_channels=8, conv_kernel_size=1)
    torch.manual_seed(0)
    return MODELS.build(
        {
            "type": "IterativeDecodeHead",
            "num_stages": 2,
            "kernel_update_head": [dict(update), dict(update)],
            "kernel_generate_head": {
                "type": generate_head,
                **COMMON,
                **HEADS["UPerHead"],
                "align_corners": False,
                "loss_decode": dict(PARTIAL),
            },
        }
    )


@pytest.mark.parametrize("share", [0.01, 0.7])
def test_knets_iterative_heads(share):
    stock, ours = knet("UPerHead"), knet("mmseg_ext.PointUPerHead")
    assert list(ours.state_dict()) == list(stock.state_dict())
    ours.load_state_dict(stock.state_dict())
    losses = assert_same(stock, ours, share)
    assert set(losses) == {f"{key}.s{stage}" for key in ("loss_pce", "acc_seg") for stage in range(3)}


@ENGINE_MODELS.register_module()
class PointDAHeadOfTheTest(DAHead, PointSupervision):
    """A head that computes its base class's loss three times."""


def test_a_head_with_auxiliary_outputs_by_the_mixin_alone(monkeypatch):
    arguments = {**HEADS["FCNHead"], "pam_channels": 4, "loss_decode": PARTIAL, "align_corners": False}
    del arguments["num_convs"]
    stock, ours = build("DAHead", **arguments), build("PointDAHeadOfTheTest", **arguments)
    losses = assert_same(stock, ours)
    assert len([key for key in losses if "loss" in key]) == 3
    monkeypatch.setattr("mmseg.models.decode_heads.decode_head.resize", lambda *a, **k: pytest.fail("enlarged"))
    train(ours)


@every_head
def test_the_default_loss_is_that_over_labelled_pixels(name):
    head = build(f"mmseg_ext.Point{name.rpartition('.')[2]}", **HEADS[name])
    assert type(head.loss_decode).__name__ == "PartialCrossEntropyLoss"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"loss_decode": {"type": "FocalLoss"}}, ["PointFCNHead", "FocalLoss", "`loss_decode`", "stock head"]),
        ({"loss_decode": [PARTIAL, {"type": "LovaszLoss", "reduction": "none"}]}, ["LovaszLoss"]),
        (
            {"loss_decode": {"type": "CrossEntropyLoss", "use_sigmoid": True}},
            ["softmax CrossEntropyLoss", "use_sigmoid=True", "Use mmseg_ext.PartialBinaryCrossEntropyLoss"],
        ),
        (
            {"loss_decode": {"type": "CrossEntropyLoss", "reduction": "sum"}},
            ["CrossEntropyLoss(reduction='sum')", "Leave `reduction` out"],
        ),
        ({"sampler": {"type": "OHEMPixelSampler", "min_kept": 5}}, ["`sampler`", "OHEMPixelSampler"]),
        ({"num_classes": 2, "out_channels": 1}, ["out_channels=1", "PartialBinaryCrossEntropyLoss", "PartialDiceLoss"]),
    ],
)
def test_what_it_cannot_do_is_refused(arguments, parts):
    with pytest.raises(UserError) as caught:
        build("mmseg_ext.PointFCNHead", **{**HEADS["FCNHead"], **arguments})
    for part in parts:
        assert part in str(caught.value)


def weighted_samples(weights, share=0.2, **kwargs):
    found = samples(share, **kwargs)
    for sample, label_weights in zip(found, weights, strict=True):
        sample.set_metainfo({"label_weights": np.array(label_weights, np.float32)})
    return found


WEIGHTS = [[1.0, 0.0, 3.0, 0.5, 2.0], [10.0, 20.0, 0.0, 5.0, 1.0]]


@pytest.mark.parametrize("share", [0.01, 0.7])
@pytest.mark.parametrize("loss_decode", [PARTIAL, {"type": "mmseg_ext.PartialDiceLoss"}])
def test_labels_count_as_their_image_says(loss_decode, share):
    head = build("mmseg_ext.PointFCNHead", **HEADS["FCNHead"], loss_decode=loss_decode)
    data_samples = weighted_samples(WEIGHTS, share)
    losses = head.loss(features(), data_samples, train_cfg={})
    labels = torch.stack([s.gt_sem_seg.data.squeeze(0) for s in data_samples])
    pixel_weights = torch.stack([torch.tensor(w)[label.clamp_max(4)] for w, label in zip(WEIGHTS, labels, strict=True)])
    logits = torch.nn.functional.interpolate(head(features()), labels.shape[1:], mode="bilinear")
    expected = head.loss_decode(logits, labels, weight=pixel_weights)
    assert losses[head.loss_decode.loss_name].item() == pytest.approx(expected.item(), rel=1e-4)


def test_weights_of_the_same_ratios_are_the_same_loss():
    head = build("mmseg_ext.PointFCNHead", **HEADS["FCNHead"], loss_decode={"type": "CrossEntropyLoss"})
    plain = head.loss(features(), samples(), train_cfg={})
    for scale in (1.0, 700.0):
        weighted = head.loss(features(), weighted_samples([[scale] * 5] * 2), train_cfg={})
        assert weighted["loss_ce"].item() == pytest.approx(plain["loss_ce"].item(), rel=1e-5)


@pytest.mark.parametrize("weights", [[[0.0] * 5] * 2, WEIGHTS])
def test_no_weight_at_all_and_no_label_at_all_are_no_loss(weights):
    head = build("mmseg_ext.PointFCNHead", **HEADS["FCNHead"])
    losses = head.loss(features(), weighted_samples(weights, share=0.2 if weights != WEIGHTS else 0.0), train_cfg={})
    losses["loss_pce"].backward()
    assert losses["loss_pce"].item() == 0
    assert all(p.grad is None or not p.grad.any() for p in head.parameters())


@pytest.mark.parametrize("missing", [None, [1.0, 1.0]])
def test_weights_for_some_are_refused(missing):
    head = build("mmseg_ext.PointFCNHead", **HEADS["FCNHead"])
    data_samples = weighted_samples(WEIGHTS)
    if missing is None:
        data_samples[1] = samples()[1]
    else:
        data_samples[1].set_metainfo({"label_weights": np.array(missing, np.float32)})
    with pytest.raises(UserError, match=r"`label_weights` for the classes 0\.\.4 in every image"):
        head.loss(features(), data_samples, train_cfg={})


@pytest.mark.parametrize("share", [0.01, 0.7])
@pytest.mark.parametrize("label", [5, -1])
@pytest.mark.parametrize("loss_decode", [PARTIAL, {"type": "mmseg_ext.PartialDiceLoss"}])
def test_a_label_beyond_the_classes_is_named_with_its_file(loss_decode, label, share):
    head = build("mmseg_ext.PointFCNHead", **HEADS["FCNHead"], loss_decode=loss_decode)
    data_samples = samples(share)
    data_samples[1].set_metainfo({"seg_map_path": "masks/7.png"})
    data_samples[1].gt_sem_seg.data[0, 3, 4] = label
    with pytest.raises(UserError, match=rf"masks/7\.png: Expected labels in 0\.\.4 \(or 255.*got \[{label}\] at 1 pix"):
        head.loss(features(), data_samples, train_cfg={})


@pytest.mark.parametrize("loss_decode", [PARTIAL, {"type": "mmseg_ext.PartialDiceLoss"}])
def test_pixels_weigh_as_their_sample_says_and_padding_has_no_weight(loss_decode):
    head = build("mmseg_ext.PointFCNHead", **HEADS["FCNHead"], loss_decode=loss_decode)
    data_samples, generator = samples(0.7), torch.Generator().manual_seed(0)
    weights = torch.randint(0, 256, (2, 48, 52), generator=generator, dtype=torch.uint8)
    data_samples[1].gt_sem_seg.data[:, 40:] = 255  # padded, as the preprocessor pads labels alone
    for sample, weight_HW, height in zip(data_samples, weights, (48, 40), strict=True):
        sample.gt_label_weight = PixelData(data=weight_HW[None, :height])
    losses = head.loss(features(), data_samples, train_cfg={})
    labels = torch.stack([s.gt_sem_seg.data.squeeze(0) for s in data_samples])
    logits = torch.nn.functional.interpolate(head(features()), labels.shape[1:], mode="bilinear")
    expected = head.loss_decode(logits, labels, weight=weights.float() / 255)
    assert losses[head.loss_decode.loss_name].item() == pytest.approx(expected.item(), rel=1e-4)
    del data_samples[0].gt_label_weight
    with pytest.raises(UserError, match="weights of the labels in every image of the batch, got them for some"):
        head.loss(features(), data_samples, train_cfg={})
