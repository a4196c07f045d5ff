"""A run of a few seconds: a tiny network on a tiny generated dataset in LoveDA's layout."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mmseg_ext import stack

stack.prepare()

ROOT = Path(__file__).resolve().parents[2]

TINY_CONFIG = """
_base_ = [
    "{root}/configs/_base_/models/fpn_r18w32.py",
    "{root}/configs/_base_/default_runtime.py",
]
crop_size = (32, 32)
model = dict(
    data_preprocessor=dict(size=crop_size),
    backbone=dict(stem_channels=8, base_channels=8),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=8),
    decode_head=dict(in_channels=[8, 8, 8, 8], channels=8, num_classes=7),
)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations"), dict(type="PackSegInputs")]
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type="InfiniteSampler", shuffle=True),
    dataset=dict(type="mmseg_ext.LoveDADataset", data_root="{data}", split="train", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(type="mmseg_ext.LoveDADataset", data_root="{data}", split="val", pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="mmseg_ext.SegmentationMetric")
test_evaluator = val_evaluator
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=1e-3))
param_scheduler = [dict(type="PolyLR", eta_min=0.0, power=0.9, begin=0, end=12, by_epoch=False)]
train_cfg = dict(type="IterBasedTrainLoop", max_iters=12, val_interval=4)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=2, log_metric_by_epoch=False),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=3, save_best="mIoU"),
)
"""


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mmseg_ext.datasets.synthetic_aerial import generate_synthetic_aerial

    root = tmp_path_factory.mktemp("data") / "loveda"
    return generate_synthetic_aerial(root, num_train=3, num_val=2, num_test=1, size=48, seed=0)


@pytest.fixture
def tiny_config(tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config file whose work dir is below `tmp_path`, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "tiny.py"
    path.write_text(TINY_CONFIG.format(root=ROOT, data=tiny_data))
    return path


@pytest.fixture
def run_tiny(tiny_config: Path) -> Callable:
    """Train the tiny config for four iterations with some hooks: run_tiny(work_dir, hooks, **options) -> Runner."""
    from mmseg_ext.engine import launch

    def run(work_dir, hooks, *, resume=False, **options):
        config = launch.load_config(str(tiny_config), str(work_dir), {"train_cfg.max_iters": 4, **options})
        config.custom_hooks = hooks
        return launch.train(config, resume=resume)

    return run


@pytest.fixture
def point_pipeline() -> list[dict]:
    """A training pipeline that keeps three points an image."""
    return [
        {"type": "LoadImageFromFile"},
        {"type": "LoadAnnotations"},
        {"type": "mmseg_ext.SamplePoints", "num_points": 3, "seed": 5},
        {"type": "PackSegInputs"},
    ]
