"""Checkpoints of runs with a mean teacher: what they predict, and that a run resumes from them."""

from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmseg_ext.datasets.synthetic_aerial import generate_synthetic_aerial
from mmseg_ext.engine import launch
from mmseg_ext.models import DINO

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """
_base_ = ["{root}/configs/_base_/default_runtime.py"]
crop_size = (48, 48)
norm_cfg = dict(type="BN", requires_grad=True)
model = dict(
    type="mmseg_ext.SparseEncoderDecoder",
    teacher=dict(momentum=0.2, start=1),
    data_preprocessor=dict(type="SegDataPreProcessor", mean=[120.0] * 3, std=[60.0] * 3, size=crop_size),
    backbone={backbone},
    decode_head=dict(
        type="mmseg_ext.PointFCNHead",
        in_channels={channels},
        in_index=0,
        channels=8,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.0,
        num_classes=7,
        norm_cfg=norm_cfg,
    ),
    test_cfg=dict(mode="whole"),
)
pipeline = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]
data = dict(type="mmseg_ext.LoveDADataset", data_root="{data}", pipeline=pipeline)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(split="train", **data),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(split="val", **data),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="mmseg_ext.SegmentationMetric")
test_evaluator = val_evaluator
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=2e-2))
param_scheduler = []
train_cfg = dict(type="IterBasedTrainLoop", max_iters=6, val_interval=6)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=3),
)
custom_hooks = [dict(type="KeepClassMapsHook")]
randomness = dict(seed=0)
"""
TINY_DINO = {"embed_dim": 32, "depth": 3, "num_heads": 2}
BACKBONES = {
    "trained": (
        """dict(type="ResNetV1c", depth=18, stem_channels=8, base_channels=8, out_indices=(0, 1, 2, 3),
        norm_cfg=norm_cfg)""",
        8,
    ),
    "adapted": (
        f'dict(type="mmseg_ext.DINO", arch="dinov3_vits16", lora=dict(rank=2), arch_overrides={TINY_DINO})',
        32,
    ),
    "frozen": (f'dict(type="mmseg_ext.DINO", arch="dinov3_vits16", arch_overrides={TINY_DINO})', 32),
}


class KeepClassMapsHook(Hook):
    """Keeps the class maps of the last validation or test."""

    class_maps = []

    def before_val(self, runner):
        self.class_maps.clear()

    before_test = before_val

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.class_maps.extend(sample.pred_sem_seg.data.clone() for sample in outputs)

    after_test_iter = after_val_iter


@pytest.fixture(autouse=True)
def hook_is_known():
    HOOKS.register_module(module=KeepClassMapsHook)
    yield
    HOOKS.module_dict.pop("KeepClassMapsHook")


@pytest.fixture(params=BACKBONES)
def write_config(request, tmp_path, monkeypatch):
    """The configuration of a run, by the number of its iterations and the type of its segmentor."""
    monkeypatch.chdir(tmp_path)
    root = generate_synthetic_aerial(tmp_path / "loveda", num_train=3, num_val=1, num_test=1, size=48, seed=0)
    backbone, channels = BACKBONES[request.param]
    path = tmp_path / "config.py"
    path.write_text(CONFIG.format(root=ROOT, data=root, backbone=backbone, channels=channels))
    options = {}
    if "DINO" in backbone:
        torch.manual_seed(3)
        torch.save(DINO("dinov3_vits16", arch_overrides=TINY_DINO).network.state_dict(), tmp_path / "dino.pth")
        options["model.backbone.checkpoint"] = str(tmp_path / "dino.pth")

    def load(work_dir, max_iters=6, kind=None):
        config = launch.load_config(str(path), str(tmp_path / work_dir), {**options, "train_cfg.max_iters": max_iters})
        if kind is not None:
            config.model.type = kind
            config.model.pop("teacher")
        return config

    return load


def class_maps():
    return [class_map.clone() for class_map in KeepClassMapsHook.class_maps]


def parameters_and_buffers(model):
    return [*model.named_parameters(), *model.named_buffers()]


def share_of_equal_pixels(some, others):
    return min(float((a == b).float().mean()) for a, b in zip(some, others, strict=True))


def old_format(checkpoint):
    """The checkpoint as earlier versions wrote it: ordinary keys hold the student, the teacher has its own prefix."""
    state = checkpoint["state_dict"]
    names = [key.removeprefix("student.") for key in state if key.startswith("student.")]
    teacher = {f"teacher.average.module.{name}": state[name] for name in names}
    student = {name: state[f"student.{name}"] for name in names}
    rest = {key: value for key, value in state.items() if not key.startswith("student.")}
    return {**checkpoint, "state_dict": {**rest, **student, **teacher}}


def test_a_checkpoint_predicts_what_the_run_reported_and_the_run_resumes(write_config, tmp_path):
    runner = launch.train(write_config("whole"))
    reported = class_maps()
    score = runner.message_hub.get_scalar("val/mIoU").current()
    expected = {name: tensor.clone() for name, tensor in parameters_and_buffers(runner.model)}
    last, middle = (str(tmp_path / "whole" / f"iter_{i}.pth") for i in (6, 3))
    assert len(reported) == 2
    assert len(torch.cat(reported).unique()) > 1

    assert launch.test(write_config("own"), last)["mIoU"] == pytest.approx(score)
    assert share_of_equal_pixels(class_maps(), reported) == 1
    for kind in ("mmseg_ext.EncoderDecoder", "EncoderDecoder"):
        launch.test(write_config(f"test_{kind}", kind=kind), last)
        # Stock adds up in another order: a pixel whose two highest logits are equal within rounding may differ.
        assert share_of_equal_pixels(class_maps(), reported) > 0.999

    old = tmp_path / "old.pth"
    torch.save(old_format(torch.load(last, weights_only=False)), old)
    assert launch.test(write_config("own_old"), str(old))["mIoU"] == pytest.approx(score)
    assert share_of_equal_pixels(class_maps(), reported) == 1
    launch.test(write_config("student", kind="EncoderDecoder"), str(old))
    assert share_of_equal_pixels(class_maps(), reported) < 0.98  # the student predicts something else

    torch.save(old_format(torch.load(middle, weights_only=False)), old)
    for source in (middle, str(old)):
        resumed = launch.train(write_config(f"resumed_{Path(source).stem}"), resume=str(source))
        found = dict(parameters_and_buffers(resumed.model))
        assert resumed.iter == 6
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor, msg=name)
