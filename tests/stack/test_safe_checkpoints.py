"""Checkpoints are data: own ones resume, code in others is refused."""

import pickle

import pytest
import torch
from fresh_python import run_python


def test_own_checkpoints_resume_safely(tmp_path):
    out, err = run_python(
        """
        import torch
        from mmseg_ext import stack
        stack.prepare()
        from mmengine.logging import MessageHub
        from mmengine.model import BaseModel
        from mmengine.runner import Runner

        class Model(BaseModel):
            def __init__(self):
                super().__init__()
                self.linear = torch.nn.Linear(2, 1)
            def forward(self, inputs, mode):
                return dict(loss=self.linear(torch.stack(inputs)).square().sum(), acc_seg=torch.tensor(50.0))

        asked = []
        stock_load = torch.load
        def load(*args, **kwargs):
            asked.append(kwargs["weights_only"])
            return stock_load(*args, **kwargs)
        torch.load = load

        def run(max_iters, resume):
            runner = Runner(
                Model(), "run", experiment_name=str(max_iters), resume=resume,
                train_dataloader=dict(
                    dataset=[dict(inputs=torch.ones(2)) for _ in range(4)], batch_size=2,
                    sampler=dict(type="InfiniteSampler", shuffle=True)),
                train_cfg=dict(type="IterBasedTrainLoop", max_iters=max_iters),
                optim_wrapper=dict(optimizer=dict(type="AdamW", lr=0.1)),
                param_scheduler=[dict(type="PolyLR", by_epoch=False, end=4)],
                default_hooks=dict(
                    logger=dict(type="LoggerHook", interval=1),
                    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2)),
                custom_hooks=[dict(type="EMAHook")], randomness=dict(seed=0))
            if not resume:
                runner.message_hub.update_info("best_score", __import__("numpy").float32(0.5))
            runner.train()
            return runner

        first = run(2, False)
        losses = first.message_hub.get_scalar("train/loss").data[0].tolist()
        runner = run(4, True)
        hub = runner.message_hub
        assert runner.iter == 4
        assert hub.get_scalar("train/loss").data[0].tolist()[:2] == losses
        assert hub.get_scalar("train/loss").mean() > 0
        assert float(hub.get_info("best_score")) == 0.5
        state = runner.optim_wrapper.optimizer.state_dict()["state"]
        assert [int(value["step"]) for value in state.values()] == [4, 4]
        print(asked)
        """,
        tmp_path,
    )
    assert out.splitlines()[-1] == "[True]"
    assert "Falling back" not in out + err


EVIL = """
import collections, os, pickle, sys, torch
class Evil:
    def __init__(self, function, *args):
        self.reduced = function, args
    def __reduce__(self):
        return self.reduced
class Custom:
    pass
from mmengine.logging import HistoryBuffer
torch.save(dict(state_dict={}, meta=Evil(os.system, "touch ran")), "system.pth")
torch.save(dict(state_dict={}, meta=Custom()), "custom.pth")
torch.save(dict(state_dict={}, meta=Evil(getattr, HistoryBuffer, "__init__")), "getattr.pth")
torch.save(dict(state_dict={}, meta=Evil(eval, "open('ran', 'w')")), "legacy.pth", _use_new_zipfile_serialization=False)
torch.save(dict(state_dict={}, meta=Evil(os.system, "touch ran")), "protocol.pth", pickle_protocol=4)
"""


def test_code_in_a_checkpoint_is_refused(tmp_path):
    run_python(EVIL, tmp_path)
    (tmp_path / "page.pth").write_text("<html>404</html>")
    (tmp_path / "short.pth").write_bytes((tmp_path / "custom.pth").read_bytes()[:200])
    (tmp_path / "empty.pth").write_bytes(b"")
    out, _ = run_python(
        """
        import subprocess, sys, torch
        from mmseg_ext import stack
        from mmseg_ext.errors import UserError
        stack.prepare()
        from mmengine.runner import load_checkpoint
        from mmengine.runner.checkpoint import CheckpointLoader, _load_checkpoint
        names = "system custom getattr legacy protocol page short empty".split()
        for name in names:
            try:
                _load_checkpoint(f"{name}.pth")
            except UserError as error:
                print(error)
        try:
            torch.load("system.pth", weights_only=False)
        except Exception as error:
            print(type(error).__name__)
        child = [sys.executable, "-c", "import torch; torch.load('system.pth', weights_only=False)"]
        print("Weights only load failed" in subprocess.run(child, capture_output=True, text=True).stderr)
        """,
        tmp_path,
        env={"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"},
    )
    assert not (tmp_path / "ran").exists()
    lines = [line for line in out.splitlines() if not line.startswith("Loads checkpoint by")]
    assert len(lines) == 10
    found = {
        "system": "posix.system",
        "custom": "__main__.Custom",
        "getattr": "builtins.getattr",
        "legacy": "builtins.eval",
    }
    for line, (name, held) in zip(lines[:4], found.items(), strict=True):
        assert line.startswith(f"Refused to load {name}.pth: besides weights it holds `{held}`")
        assert line.endswith("--trust-checkpoint")
    for line, name in zip(lines[4:8], ("protocol", "page", "short", "empty"), strict=True):
        assert line.startswith(f"Expected weights in {name}.pth, got something else")
    assert lines[8:] == ["UserError", "True"]


def test_a_trusted_checkpoint_loads(tmp_path):
    run_python(EVIL, tmp_path)
    out, _ = run_python(
        """
        import os
        from mmseg_ext import stack
        stack.prepare()
        stack.prepare(trust_checkpoint=True)
        from mmengine.runner.checkpoint import _load_checkpoint
        from mmengine.config import Config
        print(Config.fromstring("a = len(__import__('os').sep)", ".py").a)
        print(_load_checkpoint("system.pth"), "TORCH_FORCE_WEIGHTS_ONLY_LOAD" in os.environ)
        """,
        tmp_path,
    )
    lines = out.splitlines()
    assert (lines[0], lines[-1]) == ("1", "{'state_dict': {}, 'meta': 0} False")
    assert (tmp_path / "ran").exists()


def test_files_that_are_not_there_and_errors_of_torch_pass_through(tmp_path):
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "none.pth")
    torch.save({"weight": torch.ones(2)}, tmp_path / "some.pth")

    def out_of_memory(storage, location):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        torch.load(tmp_path / "some.pth", map_location=out_of_memory)


def test_tensors_in_plain_pickles_are_read():
    tensor = pickle.loads(pickle.dumps(torch.arange(3)))
    assert tensor.tolist() == [0, 1, 2]
