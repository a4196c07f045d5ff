"""Which settings may be others when a run is resumed."""

import pytest
import torch
from mmengine.config import Config

from mmseg_ext.engine.resumed_config import ANYWAY_KEY, changed_settings, check_resumed_config
from mmseg_ext.errors import UserError

CONFIG = {
    "model": {"type": "EncoderDecoder", "backbone": {"type": "ResNet", "depth": 18, "norm_cfg": {"type": "SyncBN"}}},
    "train_dataloader": {
        "batch_size": 2,
        "num_workers": 4,
        "dataset": {
            "type": "mmseg_ext.LoveDADataset",
            "data_root": "data/loveDA",
            "labels": {"num_points": 20},
            "pipeline": [{"type": "LoadImageFromFile"}, {"type": "RandomCrop", "crop_size": (8, 8)}],
        },
    },
    "optim_wrapper": {"type": "OptimWrapper", "optimizer": {"type": "AdamW", "lr": 0.001}},
    "param_scheduler": [{"type": "PolyLR", "end": 100}],
    "train_cfg": {"type": "IterBasedTrainLoop", "max_iters": 100, "val_interval": 10},
    "randomness": {"seed": 0},
    "work_dir": "work_dirs/a",
    "custom_hooks": [{"type": "mmseg_ext.ConsoleHook"}],
}


def changed(options):
    """Compare the config with one that has some options."""
    now = Config(CONFIG)
    now.merge_from_dict(options)
    return [f"{key}: {what}" for key, what in changed_settings(Config(CONFIG), now)]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"train_dataloader.num_workers": 0, "train_dataloader.persistent_workers": True},
        {"train_dataloader.dataset.data_root": "/mnt/disk/loveDA"},
        {"train_dataloader.dataset.cache_dir": "/tmp/cache", "train_dataloader.dataset.cache_gb": 3},
        {"train_cfg.max_iters": 200, "train_cfg.val_interval": 20, "param_scheduler.0.end": 200},
        {"work_dir": "elsewhere", "log_level": "DEBUG", "custom_hooks": [], "a_variable": 1},
        {"model.backbone.norm_cfg.type": "BN", "model.backbone.init_cfg": {"type": "Pretrained", "checkpoint": "x"}},
        {"model.backbone.with_cp": True, "model.pretrained": None},
        {"train_dataloader.dataset.pipeline.1.crop_size": [8, 8]},
    ],
)
def test_what_does_not_change_a_score_may_be_another(options):
    assert changed(options) == []


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"train_dataloader.dataset.labels.num_points": 5}, "train_dataloader.dataset.labels.num_points: 20 → 5"),
        ({"train_dataloader.dataset.labels": None}, "train_dataloader.dataset.labels: {'num_points': 20} → none"),
        ({"train_dataloader.dataset.data_root": "data/loveDA_ds4"}, "train_dataloader.dataset.data_root: "),
        ({"train_dataloader.dataset.type": "Other"}, "train_dataloader.dataset.type: mmseg_ext.LoveDADataset → Other"),
        ({"train_dataloader.batch_size": 1}, "train_dataloader.batch_size: 2 → 1"),
        ({"model.backbone.depth": 50}, "model.backbone.depth: 18 → 50"),
        ({"model.decode_head": {"type": "FCNHead"}}, "model.decode_head: none → {'type': 'FCNHead'}"),
        ({"optim_wrapper.optimizer.lr": 0.1}, "optim_wrapper.optimizer.lr: 0.001 → 0.1"),
        ({"randomness.seed": 1}, "randomness.seed: 0 → 1"),
        (
            {"train_dataloader.dataset.pipeline": [{"type": "LoadImageFromFile"}]},
            "train_dataloader.dataset.pipeline: [LoadImageFromFile, RandomCrop] → [LoadImageFromFile]",
        ),
    ],
)
def test_what_changes_a_score_is_named(options, found):
    (line,) = changed(options)
    assert line.startswith(found)


def test_paths_below_a_data_root_move_with_it():
    def config(root):
        data = {"type": "A", "data_root": root, "labels": {"file": f"{root}/points.csv"}, "ann_file": f"{root}/a.txt"}
        return {"train_dataloader": {"dataset": data}}

    assert changed_settings(config("data/x"), config("/mnt/x/")) == []
    assert len(changed_settings(config("data/x"), config("data/y"))) == 3


@pytest.fixture
def checkpoint(tmp_path):
    def save(config, **meta):
        torch.save({"meta": {"cfg": Config(config).pretty_text, **meta}, "state_dict": {}}, tmp_path / "iter_5.pth")
        return str(tmp_path / "iter_5.pth")

    return save


def test_a_resume_with_another_config_stops_unless_it_is_wanted(checkpoint):
    path = checkpoint(CONFIG)
    check_resumed_config(Config(CONFIG), path)
    other = Config(CONFIG)
    other.train_dataloader.dataset.labels = None
    with pytest.raises(
        UserError, match=r"got another one: train_dataloader\.dataset\.labels .*--resume-anyway"
    ) as caught:
        check_resumed_config(other, path)
    assert "\n" not in str(caught.value)
    assert ANYWAY_KEY not in other
    check_resumed_config(other, path, anyway=True)
    assert other[ANYWAY_KEY] == ["train_dataloader.dataset.labels"]

    again = Config({name: value for name, value in other.to_dict().items() if name != ANYWAY_KEY})
    check_resumed_config(again, checkpoint(other.to_dict()))  # of the second run, which is resumed in its turn
    assert again[ANYWAY_KEY] == ["train_dataloader.dataset.labels"]


def test_a_seed_that_the_run_has_drawn_is_its_own(checkpoint):
    config = {**CONFIG, "randomness": {"seed": None}}
    now = Config({**CONFIG, "randomness": {"seed": 7}})
    check_resumed_config(now, checkpoint(config, seed=7))
    with pytest.raises(UserError, match=r"randomness\.seed \(8 → 7\)"):
        check_resumed_config(now, checkpoint(config, seed=8))


@pytest.mark.parametrize("meta", [{}, {"cfg": None}, {"cfg": "import os"}, {"cfg": "x = ("}, None])
def test_a_checkpoint_without_a_config_that_can_be_read_is_resumed(tmp_path, meta):
    torch.save({"meta": meta}, tmp_path / "iter_5.pth")
    check_resumed_config(Config(CONFIG), tmp_path / "iter_5.pth")
