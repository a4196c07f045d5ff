"""Downloads that fail, and the caches that make them needless."""

import pytest
from fresh_python import run_python

from mmseg_ext import stack
from mmseg_ext.errors import UserError


def test_failed_downloads_end_in_one_line(tmp_path):
    out, err = run_python(
        """
        import time
        import torch
        from mmseg_ext import stack
        from mmseg_ext.errors import UserError
        stack.prepare()
        from mmengine.runner.checkpoint import _load_checkpoint
        from mmseg.models import TIMMBackbone
        start = time.monotonic()
        for what in (
            lambda: _load_checkpoint("https://download.openmmlab.com/pretrain/resnet50_v1c-2cccc1ad.pth?x=1"),
            lambda: _load_checkpoint("torchvision://resnet50"),
            lambda: _load_checkpoint("open-mmlab://resnet50_v1c"),
            lambda: TIMMBackbone("test_vit.r160_in1k"),
        ):
            try:
                what()
            except UserError as error:
                print("ERROR", error)
        assert time.monotonic() - start < 30
        """,
        tmp_path,
        env={"TORCH_HOME": str(tmp_path / "torch"), "HF_HUB_CACHE": str(tmp_path / "hub")},
        network=False,
    )
    lines = [line for line in out.splitlines() if not line.startswith(("Downloading: ", "Loads checkpoint by "))]
    assert len(lines) == 4
    assert err == ""
    for line in lines:
        assert line.startswith("ERROR Could not download the weights ")
        assert "Name or service not known" in line
        assert "--cfg-options model.pretrained=None model.backbone.init_cfg=None" in line
    assert f"Put the file at {tmp_path}/torch/hub/checkpoints/resnet50_v1c-2cccc1ad.pth," in lines[0]
    assert "https://download.pytorch.org/models/resnet50-" in lines[1]
    assert (
        f"models--timm--test_vit.r160_in1k (elsewhere: hf download timm/test_vit.r160_in1k) into {tmp_path}/hub"
        in (lines[3])
    )


def test_the_caches_work_without_a_network(tmp_path):
    out, err = run_python(
        """
        import os
        import timm, torch
        from pathlib import Path
        from safetensors.torch import save_file
        from mmseg_ext import stack
        from mmseg_ext.errors import UserError
        weights = timm.create_model("test_vit.r160_in1k").state_dict()
        repository = Path("hub/models--timm--test_vit.r160_in1k")
        (repository / "snapshots/abc").mkdir(parents=True)
        (repository / "refs").mkdir()
        (repository / "refs/main").write_text("abc")
        save_file(weights, repository / "snapshots/abc/model.safetensors")
        Path("torch/hub/checkpoints").mkdir(parents=True)
        torch.save(weights, "torch/hub/checkpoints/some.pth")
        torch.save(stack.prepare, "torch/hub/checkpoints/evil.pth")
        stack.prepare()
        model = timm.create_model("test_vit.r160_in1k", pretrained=True)
        from mmengine.runner.checkpoint import _load_checkpoint
        loaded = _load_checkpoint("https://example.com/some.pth")
        for name, weight in weights.items():
            assert torch.equal(model.state_dict()[name], weight)
            assert torch.equal(loaded[name], weight)
        try:
            _load_checkpoint("https://example.com/evil.pth")
        except UserError as error:
            print(error)
        """,
        tmp_path,
        env={"TORCH_HOME": str(tmp_path / "torch"), "HF_HUB_CACHE": str(tmp_path / "hub")},
        network=False,
    )
    assert err == ""
    refusal = out.splitlines()[-1]
    assert refusal.startswith(f"Refused to load {tmp_path}/torch/hub/checkpoints/evil.pth: besides weights it holds")
    assert "`mmseg_ext.stack.prepare`" in refusal


def test_other_errors_pass_through():
    with pytest.raises(KeyError), stack.explained_download("https://example.com/x.pth"):
        raise KeyError("x")
    with pytest.raises(UserError, match=r"\(two lines\)"), stack.explained_download("https://example.com/x.pth"):
        raise ConnectionError("two\nlines")
