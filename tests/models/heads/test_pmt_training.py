"""A micro PMT trains by a leaf config and the launcher, on generated images and points."""

import numpy as np
import torch
from test_eomt_training import CONFIGS, history, micro_config

from mmseg_ext.datasets.synthetic_aerial import generate_synthetic_aerial
from mmseg_ext.engine import launch

LEAF = CONFIGS / "pmt/pmt_dinov3-vitl16_1xb16-20k_loveda-512x512-20ppc.py"


def pmt_config(work_dir, max_iters, root):
    config = micro_config(work_dir, max_iters, LEAF)
    config.model.backbone.pop("query_blocks")
    config.model.backbone.out_indices = (0, 1, 2, 3)
    config.model.decode_head.update(num_blocks=2, num_heads=3, hidden_channels=48)
    for loader in (config.train_dataloader, config.val_dataloader):
        loader.dataset.data_root = str(root)
    return config


def test_it_learns_from_points_is_scored_saved_and_resumed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = generate_synthetic_aerial(tmp_path / "loveda", num_train=4, num_val=2, num_test=1, size=96, seed=0)
    runner = launch.train(pmt_config(tmp_path / "run", 24, root))
    losses = history(runner, "train/loss")
    assert len(losses) == 24
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < 0.93 * np.mean(losses[:5])
    seen = runner.optim_wrapper.optimizer.state
    trained = [name for name, p in runner.model.named_parameters() if p.requires_grad]
    assert all(name.startswith("decode_head.") for name in trained)
    assert [name for name, p in runner.model.named_parameters() if p.requires_grad and not seen.get(p)] == []
    assert len(history(runner, "val/mIoU")) == 2
    assert runner.model.decode_head.mask_probabilities == (0.0, 0.0)
    resumed = launch.train(pmt_config(tmp_path / "run", 26, root), resume=True)
    assert resumed.iter == 26
    assert len(history(resumed, "train/loss")) == 26

    config = pmt_config(tmp_path / "run", 26, root)
    config.model.decode_head.checkpoint = str(tmp_path / "run" / "iter_26.pth")
    saved = torch.load(config.model.decode_head.checkpoint, map_location="cpu")["state_dict"]
    loaded = launch.build_runner(config).model.decode_head.state_dict()
    for name, value in loaded.items():
        assert torch.equal(value, saved[f"decode_head.{name}"]), name
