"""Configs in checkpoints and work dirs: the same values as mmengine's, and nothing is executed."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from tiny_runs import tiny_runner

from mmseg_ext.errors import UserError
from mmseg_ext.stack import read_dumped_config
from mmseg_ext.stack.config_text import parse_config_text

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("config", sorted((ROOT / "configs" / "fpn").glob("*.py")), ids=lambda path: path.stem)
def test_a_dumped_config_is_read_as_mmengine_reads_it(config, tmp_path):
    Config.fromfile(config).dump(tmp_path / "dumped.py")
    assert read_dumped_config(tmp_path / "dumped.py").to_dict() == Config.fromfile(tmp_path / "dumped.py").to_dict()


@pytest.mark.parametrize(
    "text",
    [
        "a = __import__('os').system('touch ran')",
        "import os",
        "a = dict(b=open('ran', 'w'))",
        "a = dict(**dict(b=1))",
        "a = dict([(1, 2)])",
        "a = [i for i in range(3)]",
        "a.b = 1",
        "text = 'not closed",
        "filename = 1\n" + "a = " + "(" * 500,
        "a = " + "-" * 100_000 + "1",
        "if True:\n    a = 1",
    ],
)
def test_more_than_plain_values_is_refused(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="Expected only plain values in the config of a checkpoint"):
        Config.fromstring(text, ".py")
    assert not (tmp_path / "ran").exists()


def test_formats():
    assert parse_config_text('{"a": {"b": [1]}}', ".json").a.b == [1]
    with pytest.raises(UserError, match=r"got \.yaml"):
        Config.fromstring("a: !!python/object/apply:os.system [touch ran]", ".yaml")


@pytest.mark.parametrize("key", ["config", "cfg"])
def test_resuming_executes_no_text_of_the_checkpoint(key, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_runner(tmp_path / "run", max_iters=2).train()
    file = tmp_path / "run" / "iter_2.pth"
    checkpoint = torch.load(file)
    checkpoint["meta"][key] = "a = __import__('os').system('touch ran')"
    checkpoint["message_hub"]["runtime_info"]["cfg"] = checkpoint["meta"][key]
    torch.save(checkpoint, file)
    runner = tiny_runner(tmp_path / "run", max_iters=4, resume=True)
    if key == "config":  # what mmengine reads the number of GPUs from
        with pytest.raises(UserError, match="Expected only plain values"):
            runner.train()
        checkpoint["meta"][key] = "gpu_ids = range(0, 1)\n".replace("range(0, 1)", "[0]")
        torch.save(checkpoint, file)
        runner = tiny_runner(tmp_path / "run", max_iters=4, resume=True)
    assert isinstance(runner, Runner)
    runner.train()
    assert runner.iter == 4
    assert not (tmp_path / "ran").exists()
