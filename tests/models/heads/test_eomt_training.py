"""A micro EoMT trains by a leaf config and the launcher: on generated images, and on real ones where they are."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mmseg_ext.datasets.synthetic_aerial import generate_synthetic_aerial
from mmseg_ext.engine import launch

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
LEAF = CONFIGS / "eomt/eomt_dinov3-vitl16_1xb16-20k_loveda-512x512-20ppc.py"
SIDE = 64


def micro_config(work_dir, max_iters, leaf=LEAF):
    """The leaf with a micro network, small crops, a constant learning rate, and its own everything else."""
    config = launch.load_config(str(leaf), str(work_dir), {"train_cfg.max_iters": max_iters})
    model = config.model
    model.data_preprocessor.size = (SIDE, SIDE)
    model.backbone.update(query_blocks=2, arch_overrides={"embed_dim": 48, "depth": 4, "num_heads": 3})
    model.decode_head.update(in_channels=48, num_queries=12)
    model.test_cfg.update(crop_size=(SIDE, SIDE), stride=(SIDE, SIDE))
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
        for step in loader.dataset.pipeline:
            if "crop_size" in step:
                step.crop_size = (SIDE, SIDE)
            elif "scale" in step:
                step.update(scale=(2 * SIDE, SIDE))
    config.test_dataloader = config.val_dataloader
    config.train_dataloader.batch_size = 4
    config.optim_wrapper.update(type="OptimWrapper", clip_grad={"max_norm": 1.0})
    config.optim_wrapper.optimizer.lr = 2e-3
    config.param_scheduler = []
    config.train_cfg.val_interval = max_iters // 2
    config.default_hooks.logger.interval = 1
    config.default_hooks.checkpoint.update(interval=max_iters // 2, max_keep_ckpts=-1)
    config.custom_hooks = [{"type": "mmseg_ext.MaskAnnealingHook", "start": [4, 8], "end": [8, 16]}]
    return config


def history(runner, name):
    """What was logged under a name, step for step."""
    return runner.message_hub.get_scalar(name).data[0].tolist()


def test_it_learns_from_points_is_scored_saved_and_resumed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = generate_synthetic_aerial(tmp_path / "loveda", num_train=4, num_val=2, num_test=1, size=96, seed=0)

    def config(max_iters):
        made = micro_config(tmp_path / "run", max_iters)
        for loader in (made.train_dataloader, made.val_dataloader):
            loader.dataset.data_root = str(root)
        return made

    runner = launch.train(config(24))
    losses = history(runner, "train/loss")
    assert len(losses) == 24
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.93 * np.mean(losses[:5])  # 0.87 in one run
    seen = runner.optim_wrapper.optimizer.state
    without = [name for name, p in runner.model.named_parameters() if p.requires_grad and not seen.get(p)]
    assert without == []
    assert len(history(runner, "val/mIoU")) == 2
    for layer in ("d0.", "d1.", ""):  # before either block, and behind the last
        assert len(history(runner, f"train/decode.{layer}loss_cls")) == 24
    assert runner.model.decode_head.mask_probabilities == (0.0, 0.0)

    saved = torch.load(tmp_path / "run" / "iter_12.pth", map_location="cpu")["state_dict"]
    assert saved["decode_head.attn_mask_probs"].tolist() == pytest.approx([0.0, 0.5**0.9])
    resumed = launch.train(config(26), resume=True)
    assert resumed.iter == 26
    assert len(history(resumed, "train/loss")) == 26


def test_a_trained_eomt_predicts_by_load_from_what_it_predicted(tmp_path, monkeypatch):
    """Its checkpoint also gives backbone and head, by `checkpoint`, the same weights."""
    monkeypatch.chdir(tmp_path)
    root = generate_synthetic_aerial(tmp_path / "loveda", num_train=2, num_val=1, num_test=1, size=64, seed=0)
    config = micro_config(tmp_path / "run", 2)
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.dataset.data_root = str(root)
    trained = launch.train(config).model.eval()
    file = str(tmp_path / "run" / "iter_2.pth")
    config.model.backbone.checkpoint = config.model.decode_head.checkpoint = file
    loaded = launch.build_runner(config).model.eval()
    images = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for found, expected in zip(loaded(images), trained(images), strict=True):
            torch.testing.assert_close(found[-1], expected[-1])


def test_it_trains_on_points_of_the_real_dubai_images(dubai_root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dubai = launch.load_config(str(CONFIGS / "fpn/pointfpn_r18w32_1xb8-1500_dubai-128x128.py"), None, {})
    config = micro_config(tmp_path / "run", 16)
    config.train_cfg.val_interval = 16
    config.train_dataloader.batch_size = 2
    for split in ("train", "val"):
        loader = config[f"{split}_dataloader"]
        loader.dataset = dubai[f"{split}_dataloader"].dataset
        loader.dataset.data_root = str(dubai_root)
        for step in loader.dataset.pipeline:
            if "crop_size" in step:
                step.crop_size = (SIDE, SIDE)
            elif "scale" in step:
                step.update(scale=(1024, 2 * SIDE))
    config.train_dataloader.dataset.labels = {"num_points": 20, "per": "class"}
    config.val_dataloader.dataset.update(original_labels=False, indices=2)
    config.val_evaluator = config.test_evaluator = {"type": "mmseg_ext.SegmentationMetric"}
    config.test_dataloader = config.val_dataloader
    config.model.decode_head.num_classes = 5
    runner = launch.train(config)
    losses = history(runner, "train/loss")
    assert np.isfinite(losses).all()
    assert np.mean(losses[-4:]) < np.mean(losses[:4])
    assert 0 < history(runner, "val/mIoU")[0] <= 100
