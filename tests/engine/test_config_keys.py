"""Misspelt and ineffective keys of a config are named, and no other key is."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config

from mmseg_ext import stack

stack.prepare()

from mmseg_ext.engine.config_keys import unread_options, unread_variables  # noqa: E402

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
LEAF = CONFIGS / "fpn" / "pointfpn_r18w32_1xb8-1500_dubai-128x128.py"


@pytest.fixture(scope="module")
def config():
    return Config.fromfile(LEAF)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("optim_wraper.optimizer.lr", "nothing reads `optim_wraper.optimizer.lr`"),
        ("optim_wrapper.optimizer.weight_decai", "Did you mean `optim_wrapper.optimizer.weight_decay`?"),
        ("model.decode_hed.num_classes", "nothing reads `model.decode_hed.num_classes`"),
        ("train_dataloader.dataset.fould", "Did you mean `train_dataloader.dataset.fold`?"),
        ("train_dataloader.dataset.pipeline.0.imdecode_backed", "pipeline.0.imdecode_backend`?"),
        ("train_cfg.max_iter", "Did you mean `train_cfg.max_iters`?"),
        ("data_root", "variable of the config files.*train_dataloader.dataset.data_root"),
        ("seeed", "nothing reads `seeed`"),
    ],
)
def test_a_key_that_nothing_reads(config, key, text):
    (line,) = unread_options(config, {key: 1})
    assert re.search(text.replace("?", r"\?"), line), line


@pytest.mark.parametrize(
    "key",
    [
        "optim_wrapper.optimizer.lr",
        "optim_wrapper.optimizer.weight_decay",
        "optim_wrapper.clip_grad",
        "optim_wrapper.dtype",  # of the type that --amp makes it
        "train_dataloader.dataset.fold",
        "train_dataloader.dataset.indices",  # an argument of the base class
        "train_dataloader.num_workers",
        "train_dataloader.pin_memory",  # no type: goes to torch's DataLoader
        "train_dataloader.dataset.pipeline.0.imdecode_backend",
        "model.auxiliary_head",
        "model.backbone.with_cp",
        "resume",
        "auto_scale_lr.enable",
        "default_hooks.checkpoint.save_best",
        "custom_hooks.0.enabled",
        "train_cfg.dynamic_intervals",
    ],
)
def test_a_key_that_is_read(config, key):
    assert unread_options(config, {key: 1}) == []


def test_a_key_of_the_type_that_another_option_sets(config):
    key, kind = "optim_wrapper.optimizer.momentum", "optim_wrapper.optimizer.type"
    assert len(unread_options(config, {key: 0.9})) == 1
    assert unread_options(config, {key: 0.9, kind: "SGD"}) == []


def test_every_leaf_is_free_of_ineffective_names():
    leaves = [path for path in CONFIGS.glob("*/*.py") if path.parent.name != "_base_"]
    assert leaves
    assert {path.name: lines for path in leaves if (lines := unread_variables(path))} == {}


def test_ineffective_names_of_a_file(tmp_path):
    (tmp_path / "base.py").write_text(
        "data_root = 'data'\ntrain_dataloader = dict(dataset=dict(data_root=data_root))\n"
    )
    (tmp_path / "middle.py").write_text("_base_ = ['./base.py']\n")
    leaf = tmp_path / "leaf.py"
    leaf.write_text(
        "_base_ = './middle.py'\ndata_root = 'elsewhere'\noptim_wraper = dict()\nnote = 'mine'\nsize = 3\n"
        "model = dict(x=size, y={{_base_.data_root}}, z={'a': {'b': {}}})\n"
        "test_pipeline = []\n"  # of every config that a run has left in its work dir
    )
    lines = unread_variables(leaf)
    assert [line.split("`")[1] for line in lines] == ["data_root", "optim_wraper"]
    assert "its base files have been loaded with their own value" in lines[0]
    assert "Did you mean `optim_wrapper`?" in lines[1]
