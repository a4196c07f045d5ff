import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from PIL import Image

from mmseg_ext.engine import launch
from mmseg_ext.engine.checkpoint_choice import seed_to_resume
from mmseg_ext.errors import UserError
from mmseg_ext.registry import HOOKS
from mmseg_ext.stack import last_checkpoint

ROOT = Path(__file__).resolve().parents[2]


@HOOKS.register_module(force=True)
class RecordHook(Hook):
    """Notes what a run does, step by step; raises at one of them."""

    events: list = []

    def __init__(self, stop_at: int | None = None):
        self.stop_at = stop_at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.stop_at:
            raise KeyboardInterrupt
        names = [Path(s.img_path).name for s in data_batch["data_samples"]]
        self.events.append((runner.iter, names, runner.optim_wrapper.get_lr()["lr"]))

    def before_val(self, runner):
        self.events.append(("validation", runner.iter))


def record(config_path, work_dir, *, stop_at=None, resume=False, seed=0, workers=0):
    config = launch.load_config(str(config_path), str(work_dir))
    config.custom_hooks = [{"type": "mmseg_ext.RecordHook", "stop_at": stop_at}]
    config.randomness = {"seed": seed}
    config.train_dataloader.num_workers = workers
    RecordHook.events = []
    launch.train(config, resume=resume)
    return RecordHook.events


@pytest.mark.parametrize(("seed", "workers"), [(0, 0), (None, 0), (0, 2)])
def test_a_resumed_run_goes_on_like_an_uninterrupted_one(tiny_config, tmp_path, seed, workers):
    try:
        record(tiny_config, tmp_path / "cut", stop_at=8, seed=seed, workers=workers)
    except KeyboardInterrupt:
        before = list(RecordHook.events)
    assert (tmp_path / "cut" / "last_checkpoint").read_text().strip().endswith("iter_6.pth")
    after = record(tiny_config, tmp_path / "cut", resume=True, seed=seed, workers=workers)

    if seed is None:  # the run drew its own seed: give it to the run to compare with
        seed = seed_to_resume(last_checkpoint(tmp_path / "cut"))
        assert isinstance(seed, int)
    whole = record(tiny_config, tmp_path / "whole", seed=seed, workers=workers)
    assert [e for e in whole if e[0] == "validation"] == [("validation", i) for i in (4, 8, 12)]
    assert len(whole) == 12 + 3
    assert before == whole[: len(before)]
    first = next(i for i, event in enumerate(whole) if event[0] == 6)
    assert [e[:2] for e in after] == [e[:2] for e in whole[first:]]
    rates = [e[2][0] for e in after if e[0] != "validation"]
    assert rates == pytest.approx([e[2][0] for e in whole[first:] if e[0] != "validation"], rel=1e-9)


def test_resume_of_the_config_is_kept(tiny_config, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        record(tiny_config, tmp_path / "run", stop_at=5)
    config = launch.load_config(str(tiny_config), str(tmp_path / "run"), {"resume": True})
    config.custom_hooks = [{"type": "mmseg_ext.RecordHook"}]
    RecordHook.events = []
    launch.train(config, resume=False)
    assert RecordHook.events[0][0] == 4  # the best checkpoint, of the validation at 4, is the latest


def test_a_work_dir_that_holds_another_run_is_refused(tiny_config, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        record(tiny_config, tmp_path / "run", stop_at=5)
    with pytest.raises(UserError, match=r"Continue that run with --resume, or name another folder with --work-dir"):
        record(tiny_config, tmp_path / "run")


def test_sync_batchnorm_becomes_batchnorm_everywhere():
    config = Config({"a": {"type": "SyncBN"}, "b": [{"norm_cfg": {"type": "SyncBN", "momentum": 0.1}}, {"type": "LN"}]})
    assert launch.replace_sync_batchnorm(config) == 2
    assert config.a.type == "BN"
    assert config.b[0].norm_cfg == {"type": "BN", "momentum": 0.1}
    assert config.b[1].type == "LN"


def test_amp_needs_a_plain_optimizer_wrapper_and_a_gpu(tiny_config, tmp_path, monkeypatch):
    config = Config({"optim_wrapper": {"type": "OptimWrapper"}})
    launch.enable_amp(config)
    assert config.optim_wrapper == {"type": "AmpOptimWrapper", "loss_scale": "dynamic"}
    launch.enable_amp(config)
    with pytest.raises(UserError, match=r"Expected `optim_wrapper\.type` to be OptimWrapper for --amp, got Other"):
        launch.enable_amp(Config({"optim_wrapper": {"type": "Other"}}))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="Expected a GPU for mixed precision, found none"):
        launch.train(launch.load_config(str(tiny_config), str(tmp_path / "amp")), amp=True)


def test_the_work_dir_comes_from_the_command_then_the_config_then_the_name(tmp_path):
    path = tmp_path / "leaf.py"
    path.write_text("x = 1\n")
    assert launch.load_config(str(path)).work_dir == os.path.join("work_dirs", "leaf")
    assert launch.load_config(str(path), cfg_options={"work_dir": "own"}).work_dir == "own"
    assert launch.load_config(str(path), "given", {"work_dir": "own"}).work_dir == "given"


def run_tool(*arguments, cwd, env=None):
    command = [sys.executable, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def trained(tiny_config, tmp_path):
    """A run of tools/train.py, as a person starts it on a machine without that GPU."""
    done = run_tool(ROOT / "tools/train.py", tiny_config, cwd=tmp_path, env={"CUDA_VISIBLE_DEVICES": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def matrix_of(work_dir, iteration):
    records = [json.loads(p.read_text()) for p in work_dir.glob("*/confusion_matrix.json")]
    return next(np.array(r["matrix"]) for r in records if r["iteration"] == iteration)


def test_train_then_test_from_the_command_line(trained, tiny_config, tmp_path, tiny_data):
    work_dir = tmp_path / "work_dirs" / "tiny"
    lines = trained.stdout.splitlines()
    summary = lines[: next(i for i, line in enumerate(lines) if line.startswith("evaluated"))]
    assert 8 <= len(summary) <= 30
    text = "\n".join(summary)
    for part in ("LoveDADataset, 6 images", "7: background, building", "12 iterations of 2 images", "SyncBN replaced"):
        assert part in text
    assert [line for line in lines if line.startswith("evaluated")][2].startswith("evaluated at 12  aAcc ")
    assert "python tools/test.py work_dirs/tiny/tiny.py work_dirs/tiny/best_mIoU_iter_" in trained.stdout
    assert trained.stderr == ""
    assert (work_dir / "pictures" / "training_crops.png").is_file()
    assert len(list((work_dir / "pictures" / "validation").glob("*.png"))) == 4

    predictions = tmp_path / "predictions"
    checkpoint = work_dir / "iter_12.pth"
    tested = run_tool(ROOT / "tools/test.py", tiny_config, checkpoint, "--class-maps", predictions, cwd=tmp_path)
    assert tested.returncode == 0, tested.stdout + tested.stderr
    total = matrix_of(work_dir, 12)
    assert f"{np.trace(total) / total.sum() * 100:.2f}" in tested.stdout
    written = sorted(p.relative_to(predictions).as_posix() for p in predictions.rglob("*.png"))
    expected = sorted(p.relative_to(tiny_data).as_posix() for p in tiny_data.glob("Val/*/images_png/*.png"))
    assert written == expected
    found = np.zeros_like(total)
    for name in written:
        prediction = np.asarray(Image.open(predictions / name)).astype(int)
        truth = np.asarray(Image.open(tiny_data / name.replace("images_png", "masks_png"))).astype(int) - 1
        np.add.at(found, (truth[truth >= 0], prediction[truth >= 0]), 1)
    assert (found == total).all()

    options = ["--cfg-options", "test_dataloader.dataset.split=test"]
    blind = run_tool(
        ROOT / "tools/test.py", tiny_config, checkpoint, "--class-maps", predictions, *options, cwd=tmp_path
    )
    assert blind.returncode == 0, blind.stdout + blind.stderr
    assert "No image has labels: nothing to score." in blind.stdout
    assert len(list(predictions.glob("Test/*/images_png/*.png"))) == 2


def test_two_processes_on_a_cpu_validate_every_image_once(tiny_config, tmp_path, trained):
    work_dir = tmp_path / "two"
    options = ["--launcher", "pytorch", "--work-dir", work_dir]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = run_tool(*launcher, ROOT / "tools/train.py", tiny_config, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 iterations of 4 images" in done.stdout
    assert "2 processes" in done.stdout
    # The same labelled pixels as in one process: each image was counted, none twice.
    alone = matrix_of(tmp_path / "work_dirs" / "tiny", 12)
    assert (matrix_of(work_dir, 12).sum(1) == alone.sum(1)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py"], "error: Expected a config file, found none at nowhere.py"),
        (
            ["tiny.py", "--cfg-options", "train_dataloader.dataset.data_root=elsewhere"],
            "error: Expected the folder elsewhere/Train/Urban/images_png, found none. Unpack LoveDA's Train.zip",
        ),
    ],
)
def test_bad_input_is_one_line_and_status_2(tiny_config, tmp_path, arguments, message):
    done = run_tool(ROOT / "tools/train.py", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_missing_checkpoint_is_one_line_and_status_2(tiny_config, tmp_path):
    done = run_tool(ROOT / "tools/test.py", tiny_config, "gone.pth", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: Expected a checkpoint file, found none at gone.pth.\n"
