"""Mask2Former and K-Net learn: tiny ones, by the leaf configs and the launcher, on a few images laid out as ADE20K."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmseg_ext.engine import launch

CONFIGS = Path(__file__).resolve().parents[3] / "configs"
WIDTHS = [16, 32, 64, 128]
SWIN = {"embed_dims": 16, "depths": [1, 1, 1, 1], "num_heads": [2, 2, 4, 4], "window_size": 4, "init_cfg": None}


@pytest.fixture(scope="module")
def ade20k_root(tmp_path_factory):
    """Four training and two validation images of 64 × 72, each in two halves: dark of class 1, bright of class 2."""
    root = tmp_path_factory.mktemp("data") / "ADEChallengeData2016"
    rng = np.random.default_rng(0)
    for folder, kind, count in (("training", "train", 4), ("validation", "val", 2)):
        for number in range(1, count + 1):
            labels_HW = np.ones((64, 72), np.uint8)
            labels_HW[:, rng.integers(24, 48) :] = 2
            labels_HW[:4] = 0  # ignored
            image_HW3 = (labels_HW[..., None] == 2) * 150 + rng.integers(0, 60, (64, 72, 3))
            name = f"ADE_{kind}_{number:08d}"
            for tree, suffix, pixels in (
                ("images", "jpg", image_HW3.astype(np.uint8)),
                ("annotations", "png", labels_HW),
            ):
                path = root / tree / folder / f"{name}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    return root


def shrink_knet(model):
    model.backbone.update(SWIN, with_cp=False)
    generate = model.decode_head.kernel_generate_head
    generate.update(in_channels=WIDTHS, channels=32)
    for head in model.decode_head.kernel_update_head:
        head.update(in_channels=32, out_channels=32, num_heads=4, feedforward_channels=32)
        head.kernel_updator_cfg.update(in_channels=32, feat_channels=32, out_channels=32)
    model.auxiliary_head.update(in_channels=WIDTHS[2], channels=16)


def shrink_mask2former(model):
    model.backbone.update(SWIN)
    head = model.decode_head
    head.update(in_channels=WIDTHS, feat_channels=32, out_channels=32, num_queries=8)
    attention = {"embed_dims": 32, "num_heads": 4}
    encoder, decoder = head.pixel_decoder.encoder, head.transformer_decoder
    head.pixel_decoder.norm_cfg.num_groups = 8
    encoder.num_layers = 1
    encoder.layer_cfg.self_attn_cfg.update(attention)
    encoder.layer_cfg.ffn_cfg.update(embed_dims=32, feedforward_channels=32)
    decoder.num_layers = 2
    for name in ("self_attn_cfg", "cross_attn_cfg"):
        decoder.layer_cfg[name].update(attention)
    decoder.layer_cfg.ffn_cfg.update(embed_dims=32, feedforward_channels=32)
    for positions in (head.positional_encoding, head.pixel_decoder.positional_encoding):
        positions.num_feats = 16
    head.train_cfg.num_points = 256


HEADS = {
    "knet/knet-s3_swin-l_upernet_1xb16-adamw-80k_ade20k-512x512.py": shrink_knet,
    "mask2former/mask2former_swin-s_1xb16-160k_ade20k-512x512.py": shrink_mask2former,
}


def tiny_config(leaf, work_dir, root, max_iters):
    """The leaf with a tiny network, crops of 64 × 64, a constant learning rate, and its own everything else."""
    config = launch.load_config(str(CONFIGS / leaf), str(work_dir), {"train_cfg.max_iters": max_iters})
    config.model.data_preprocessor.size = (64, 64)
    HEADS[leaf](config.model)
    for step in config.train_dataloader.dataset.pipeline:
        if "crop_size" in step:
            step.crop_size = (64, 64)
        if "scales" in step:
            step.update(scales=[64, 96], max_size=192)
        elif "scale" in step:
            step.update(scale=(128, 64))
    for step in config.val_dataloader.dataset.pipeline:
        if "scale" in step:
            step.update(scale=(128, 64))
    config.test_dataloader = config.val_dataloader
    for split in ("train", "val", "test"):
        loader = config[f"{split}_dataloader"]
        loader.dataset.data_root = str(root)
        loader.update(num_workers=0, persistent_workers=False)
    config.train_dataloader.batch_size = 2
    config.optim_wrapper.optimizer.lr = 8e-3  # for 16 images, so 1e-3 for two
    config.param_scheduler = []
    config.train_cfg.val_interval = 12
    config.default_hooks.logger.interval = 1
    config.default_hooks.checkpoint.interval = 12
    config.custom_hooks = []
    return config


def history(runner, name):
    """What was logged under a name, step for step."""
    return runner.message_hub.get_scalar(name).data[0].tolist()


@pytest.mark.parametrize("leaf", HEADS, ids=lambda leaf: leaf.partition("/")[0])
def test_a_tiny_one_learns_is_scored_saved_and_resumed(leaf, ade20k_root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    work_dir = tmp_path / "run"
    runner = launch.train(tiny_config(leaf, work_dir, ade20k_root, max_iters=24))
    losses = history(runner, "train/loss")
    assert len(losses) == 24
    assert np.isfinite(losses).all()
    # Ten seeds, each with and without vector instructions: 0.44 to 0.54 of the first losses with K-Net, 0.55 to 0.61
    # with Mask2Former.
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert max(group["lr"] for group in runner.optim_wrapper.optimizer.param_groups) == pytest.approx(1e-3)
    seen = runner.optim_wrapper.optimizer.state  # AdamW's mean of squared gradients, by parameter
    parameters = [(name, seen.get(p)) for name, p in runner.model.named_parameters() if p.requires_grad]
    without = [name for name, state in parameters if not state or not state["exp_avg_sq"].any()]
    assert without == []
    scores = history(runner, "val/mIoU")
    assert len(scores) == 2
    # Two of 150 classes are there: chance gives 0.7. In the runs above K-Net's better score was 5.6 to 93 and
    # Mask2Former's 93 to 99.6: so early, scores depend on the seed and on how the processor rounds.
    assert max(scores) > 2

    saved = torch.load(work_dir / "iter_24.pth", map_location="cpu")["state_dict"]
    trained = runner.model.state_dict()
    assert saved.keys() == trained.keys()
    assert all(torch.equal(saved[name], trained[name]) for name in trained)
    resumed = launch.train(tiny_config(leaf, work_dir, ade20k_root, max_iters=25), resume=True)
    assert resumed.iter == 25
    assert len(history(resumed, "train/loss")) == 25, "it went on, and did not begin again"


def test_swin_takes_its_weights_from_a_file_by_the_setting_of_the_docs(ade20k_root, tmp_path):
    leaf = "mask2former/mask2former_swin-s_1xb16-160k_ade20k-512x512.py"
    file = tmp_path / "swin.pth"
    config = tiny_config(leaf, tmp_path / "a", ade20k_root, max_iters=1)
    backbone = launch.build_runner(config).model.backbone
    torch.save({"model": backbone.state_dict()}, file)
    config = tiny_config(leaf, tmp_path / "b", ade20k_root, max_iters=1)
    stock = launch.load_config(str(CONFIGS / leaf), None, {"model.backbone.init_cfg.checkpoint": str(file)})
    config.model.backbone.init_cfg = stock.model.backbone.init_cfg
    loaded = launch.build_runner(config).model
    loaded.init_weights()
    for name, weight in backbone.state_dict().items():
        assert torch.equal(loaded.backbone.state_dict()[name], weight), name
