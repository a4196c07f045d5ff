"""SparseEncoderDecoder and its teacher: against the stock segmentor, by hand, and in training runs."""

import pytest
import torch
from comparisons import assert_same_classes
from knet_settings import kernel_update_head
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmseg_ext.errors import UserError
from mmseg_ext.models.regularizers import Regularizer
from mmseg_ext.models.regularizers.collision_cross_entropy import collision_cross_entropy

MEAN, STD = [120.0, 110.0, 100.0], [50.0, 60.0, 70.0]


class Recorder(Regularizer):
    """Keeps what it was shown; its loss is the mean of the logits."""

    def __init__(self, loss_name="loss_recorder", start=0):
        super().__init__(1.0, loss_name, start)
        self.seen = []

    def compute(self, batch):
        self.seen.append(batch)
        return batch.logits_NChw.mean()


@pytest.fixture(autouse=True)
def recorder_is_known():
    if "Recorder" not in MODELS.module_dict:
        MODELS.register_module(module=Recorder)
    with DefaultScope.overwrite_default_scope("mmseg"):
        yield
    MODELS.module_dict.pop("Recorder", None)


def model_config(**settings):
    norm = {"type": "BN", "requires_grad": True}
    return {
        "type": "mmseg_ext.SparseEncoderDecoder",
        "data_preprocessor": {
            "type": "SegDataPreProcessor",
            "mean": MEAN,
            "std": STD,
            "bgr_to_rgb": True,
            "size": (32, 32),
            "pad_val": 0,
            "seg_pad_val": 255,
        },
        "backbone": {
            "type": "ResNetV1c",
            "depth": 18,
            "stem_channels": 8,
            "base_channels": 8,
            "out_indices": (0, 1, 2, 3),
            "strides": (1, 2, 2, 2),
            "dilations": (1, 1, 1, 1),
            "norm_cfg": norm,
            "norm_eval": False,
        },
        "neck": {"type": "FPN", "in_channels": [8, 16, 32, 64], "out_channels": 8, "num_outs": 4},
        "decode_head": {
            "type": "mmseg_ext.PointFPNHead",
            "in_channels": [8] * 4,
            "in_index": [0, 1, 2, 3],
            "feature_strides": [4, 8, 16, 32],
            "channels": 8,
            "dropout_ratio": 0.0,
            "num_classes": 3,
            "norm_cfg": norm,
            "align_corners": False,
        },
        "test_cfg": {"mode": "whole"},
        **settings,
    }


def build(seed=0, **settings):
    torch.manual_seed(seed)
    return MODELS.build(ConfigDict(model_config(**settings))).train()


def make_data(sizes=((32, 32), (24, 20)), seed=0, num_classes=3):
    """Packed images (BGR uint8) of several sizes with five points each."""
    generator = torch.Generator().manual_seed(seed)
    inputs, samples = [], []
    for height, width in sizes:
        inputs.append(torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8))
        labels = torch.full((1, height, width), 255)
        places = torch.randperm(height * width, generator=generator)[:5]
        labels.view(-1)[places] = torch.randint(0, num_classes, (5,), generator=generator)
        sample = SegDataSample(metainfo={"img_shape": (height, width), "ori_shape": (height, width)})
        sample.gt_sem_seg = PixelData(data=labels)
        samples.append(sample)
    return {"inputs": inputs, "data_samples": samples}


def losses_of(model, data=None):
    return model(**model.data_preprocessor(data or make_data(), training=True), mode="loss")


def test_without_additions_it_is_the_stock_segmentor():
    ours, stock = build(), build(type="EncoderDecoder")
    assert set(ours.state_dict()) - set(stock.state_dict()) == {"iteration"}
    for name, value in losses_of(stock).items():
        assert torch.equal(losses_of(ours)[name], value), name


def test_auxiliary_heads_keep_their_loss():
    auxiliary = {**model_config()["decode_head"], "type": "FCNHead", "in_channels": 8, "in_index": 1, "num_convs": 1}
    auxiliary.pop("feature_strides")
    auxiliary["loss_decode"] = {"type": "mmseg_ext.PartialCrossEntropyLoss"}
    ours, stock = build(auxiliary_head=auxiliary), build(auxiliary_head=auxiliary, type="EncoderDecoder")
    assert losses_of(ours)["aux.loss_pce"] == losses_of(stock)["aux.loss_pce"]


def test_what_a_regularizer_sees():
    model = build(regularizers=[{"type": "Recorder"}])
    data = make_data()
    images, labels = [i.clone() for i in data["inputs"]], [s.gt_sem_seg.data.clone() for s in data["data_samples"]]
    losses = losses_of(model, data)
    (batch,) = model.regularizers[0].seen
    assert losses["loss_recorder"] == batch.logits_NChw.mean()
    for n, (image, label) in enumerate(zip(images, labels, strict=True)):
        height, width = image.shape[1:]
        rgb = image.flip(0).float() / 255
        torch.testing.assert_close(batch.colors_N3HW[n, :, :height, :width], rgb, atol=1e-6, rtol=0)
        assert torch.equal(batch.labels_NHW[n, :height, :width], label[0])
        assert batch.image_NHW[n].sum() == height * width
        assert batch.image_NHW[n, :height, :width].all()
    assert [tuple(f.shape[1:]) for f in batch.features] == [(8, 8, 8), (16, 4, 4), (32, 2, 2), (64, 1, 1)]
    assert batch.logits_NChw.shape == (2, 3, 8, 8)
    # A cell of the logits is 4 × 4 pixels: the second image, of 24 × 20, fills 6 × 5 of the 8 × 8 cells.
    assert batch.image_at((8, 8))[1].sum() == 30
    labelled_cells = {(y // 4, x // 4) for y, x in (labels[1][0] != 255).nonzero().tolist()}
    assert batch.unlabelled_at((8, 8))[1].sum() == 30 - len(labelled_cells)


def test_a_regularizer_starts_when_it_is_told_to():
    model = build(regularizers=[{"type": "Recorder", "start": 2}])
    assert ["loss_recorder" in losses_of(model) for _ in range(4)] == [False, False, True, True]
    assert int(model.iteration) == 4


def test_the_real_regularizers_and_the_teacher_train_together():
    kinds = ("FeatureAffinityLoss", "PottsLoss", "GatedCRFLoss")
    model = build(regularizers=[{"type": f"mmseg_ext.{kind}"} for kind in kinds], teacher={})
    losses = losses_of(model)
    added = {"loss_affinity", "loss_potts", "loss_gated_crf", "loss_teacher"}
    assert added <= set(losses)
    sum(losses[name] for name in added).backward()
    assert model.decode_head.conv_seg.weight.grad.abs().sum() > 0
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_one_sigmoid_channel_is_two_classes():
    head = {
        **model_config()["decode_head"],
        "num_classes": 2,
        "out_channels": 1,
        "loss_decode": {"type": "mmseg_ext.PartialDiceLoss", "use_sigmoid": True},
    }
    model = build(decode_head=head, regularizers=[{"type": "Recorder"}], teacher={})
    losses = losses_of(model, make_data(num_classes=2))
    logits = model.regularizers[0].seen[0].logits_NChw
    assert logits.shape == (2, 2, 8, 8)
    assert (logits[:, 0] == 0).all()
    assert torch.isfinite(losses["loss_teacher"])


def test_a_head_of_several_stages_shows_its_last_logits():
    head = {
        "type": "IterativeDecodeHead",
        "num_stages": 1,
        "kernel_update_head": [
            kernel_update_head(
                3,
                num_ffn_fcs=2,
                dropout=0.0,
                conv_kernel_size=1,
                ffn_act_cfg={"type": "ReLU", "inplace": True},
                with_ffn=True,
                feat_transform_cfg={"conv_cfg": {"type": "Conv2d"}, "act_cfg": None},
            )
        ],
        "kernel_generate_head": model_config()["decode_head"]
        | {"type": "mmseg_ext.PointFCNHead", "in_channels": 8, "in_index": 0, "num_convs": 1},
    }
    head["kernel_generate_head"].pop("feature_strides")
    model = build(decode_head=head, regularizers=[{"type": "Recorder"}], teacher={})
    losses = losses_of(model)
    assert {"decode.loss_pce.s0", "loss_recorder", "loss_teacher"} <= set(losses)
    with torch.no_grad():
        stages = model.decode_head(model.extract_feat(model.data_preprocessor(make_data(), training=True)["inputs"]))
    assert model.regularizers[0].seen[0].logits_NChw.shape == stages[-1].shape


def step(model, optimizer):
    losses = losses_of(model)
    sum(v for k, v in losses.items() if "loss" in k).backward()
    optimizer.step()
    optimizer.zero_grad()
    return losses


def trained_names(model):
    return [name for name, p in model.named_parameters() if p.requires_grad]


@pytest.mark.parametrize("moved", [{}, {"memory_format": torch.channels_last}, {"dtype": torch.float64}])
def test_the_teacher_is_the_moving_average(moved):
    model = build(teacher={"momentum": 0.25, "start": 100})
    if moved:  # a runner moves a model after it was built: what it averages must be the tensors it has by then
        model.to(**moved)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    expected = None
    for _ in range(3):
        weight = model.decode_head.conv_seg.weight.detach().clone()
        expected = weight if expected is None else 0.75 * expected + 0.25 * weight
        step(model, optimizer)
    average = model.teacher.average.module
    torch.testing.assert_close(average["decode_head"].conv_seg.weight, expected)
    assert not torch.equal(average["backbone"].stem[0].weight, model.backbone.stem[0].weight)
    statistics = [model.backbone.stem[1].running_mean, average["backbone"].stem[1].running_mean]
    assert all(s.abs().sum() > 0 for s in statistics)
    assert not torch.equal(*statistics)
    assert not any(name.startswith("teacher") for name in trained_names(model))
    assert not average["decode_head"].training
    assert model.decode_head.training


@pytest.mark.parametrize("flip", [True, False])
def test_the_teachers_loss(flip):
    model = build(teacher={"flip": flip, "temperature": 0.5, "loss_weight": 2.0}, regularizers=[{"type": "Recorder"}])
    losses = losses_of(model)
    teacher = build(seed=5, type="EncoderDecoder").eval()
    # The first time the teacher takes the student's weights, with the statistics as they were or are by then.
    teacher.load_state_dict(model.state_dict(), strict=False)
    with torch.no_grad():
        inputs = model.data_preprocessor(make_data(), training=True)["inputs"]
        target = teacher.decode_head(teacher.extract_feat(inputs.flip(3) if flip else inputs)) / 0.5
        target = target.flip(3) if flip else target
    batch = model.regularizers[0].seen[0]
    expected = 2 * collision_cross_entropy(batch.logits_NChw, target, batch.unlabelled_at((8, 8)))
    torch.testing.assert_close(losses["loss_teacher"], expected)


def test_a_frozen_backbone_is_shared():
    model = build(teacher={})
    for parameter in model.backbone.parameters():
        parameter.requires_grad = False
    frozen = MODELS.build(
        model_config(backbone={**model_config()["backbone"], "frozen_stages": 4, "norm_eval": True}, teacher={})
    )
    if any(p.requires_grad for p in frozen.backbone.parameters()):
        pytest.fail("Expected frozen_stages=4 to freeze the backbone")
    frozen.train()
    assert "backbone" not in frozen.teacher.average.module
    assert torch.isfinite(losses_of(frozen)["loss_teacher"])
    assert "backbone" in model.teacher.average.module


def test_a_checkpoint_without_a_teacher_becomes_the_teacher():
    plain = build(seed=1, type="EncoderDecoder")
    model = build(seed=2, teacher={"start": 0})
    model.load_state_dict(plain.state_dict(), strict=False)
    losses_of(model)
    weight = model.teacher.average.module["decode_head"].conv_seg.weight
    assert torch.equal(weight, plain.decode_head.conv_seg.weight)


def test_a_state_carries_teacher_and_iteration_over():
    model = build(teacher={"momentum": 0.5, "start": 1})
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    step(model, optimizer)
    step(model, optimizer)
    again = build(seed=9, teacher={"momentum": 0.5, "start": 1})
    again.load_state_dict(model.state_dict())
    expected, got = losses_of(model), losses_of(again)
    assert "loss_teacher" in got
    assert all(torch.equal(expected[name], got[name]) for name in expected)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"teacher": {"momentum": 0.0}}, "momentum"),
        ({"teacher": {"temperature": 0.0}}, "temperature"),
        ({"teacher": {"start": -1}}, "start"),
        ({"regularizers": [{"type": "Recorder"}, {"type": "Recorder"}]}, "loss_name"),
        ({"regularizers": [{"type": "mmseg_ext.PottsLoss", "loss_name": "potts"}]}, "loss_name"),
    ],
)
def test_bad_settings(settings, word):
    with pytest.raises(UserError, match=word):
        build(**settings)


def test_a_head_with_a_loss_of_its_own_is_refused():
    from mmseg.models.decode_heads import FCNHead

    class OwnLossHead(FCNHead):
        def loss(self, inputs, batch_data_samples, train_cfg):
            return {"loss_own": inputs[0].mean()}

    MODELS.register_module(module=OwnLossHead)
    head = {**model_config()["decode_head"], "type": "OwnLossHead", "in_channels": 8, "in_index": 0, "num_convs": 1}
    head.pop("feature_strides")
    try:
        with pytest.raises(UserError, match="OwnLossHead"):
            build(decode_head=head)
    finally:
        MODELS.module_dict.pop("OwnLossHead")


def test_weights_are_loaded_into_the_student_alone(tmp_path):
    """Initialisation from a checkpoint reads it once: the teacher copies the student at the first step."""
    model = build(teacher={})
    assert not hasattr(model.teacher, "init_weights")
    model.init_weights()
    losses_of(model)
    student, teacher = model.decode_head, model.teacher.average.module["decode_head"]
    assert isinstance(teacher, nn.Module)
    assert torch.equal(student.conv_seg.weight, teacher.conv_seg.weight)


@pytest.mark.parametrize("predicts", [True, False])
def test_who_predicts(predicts):
    model = build(teacher={"momentum": 0.25, "start": 100, "predicts": predicts})
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        step(model, optimizer)
    stock = build(seed=4, type="EncoderDecoder").eval()
    stock.load_state_dict(model.state_dict(), strict=False)
    predicting = model.teacher.average.module["decode_head"] if predicts else model.decode_head
    assert torch.equal(stock.decode_head.conv_seg.weight, predicting.conv_seg.weight)
    model.eval()
    data = model.data_preprocessor(make_data(sizes=((32, 32), (32, 32))), training=False)
    before = {name: id(getattr(model, name)) for name in ("backbone", "neck", "decode_head")}
    with torch.no_grad():
        torch.testing.assert_close(model(data["inputs"]), stock(data["inputs"]))
        found, expected = model.predict(data["inputs"]), stock.predict(data["inputs"])
    for a, b in zip(found, expected, strict=True):
        assert_same_classes(a.pred_sem_seg.data[0], b.seg_logits.data)
    assert before == {name: id(getattr(model, name)) for name in before}


def test_before_the_first_step_the_student_predicts():
    model = build(teacher={}).eval()
    inputs = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model(inputs), model.decode_head(model.extract_feat(inputs)))
