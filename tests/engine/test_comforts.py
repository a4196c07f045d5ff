"""The fragments of configs/_base_/comforts: inherited as their docstrings say, and running."""

import ast
import json
import re
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import HOOKS, OPTIM_WRAPPERS, PARAM_SCHEDULERS, TRANSFORMS
from mmengine.runner import CheckpointLoader
from mmseg.registry import VISBACKENDS
from mmseg.visualization import SegLocalVisualizer
from PIL import Image

from mmseg_ext.engine import launch
from mmseg_ext.tables.run_reading import read_runs

COMFORTS = sorted((Path(__file__).resolve().parents[2] / "configs" / "_base_" / "comforts").glob("*.py"))
LINE = re.compile(r"^(?:optim_wrapper|param_scheduler|custom_hooks|default_hooks|vis_backends|visualizer) = .*$", re.M)


@pytest.fixture(autouse=True)
def _own_visualizer(monkeypatch):
    """A visualizer is kept by its name for a whole process; the runs here have different ones."""
    monkeypatch.setattr(SegLocalVisualizer, "_instance_dict", OrderedDict())


def leaf_of(tiny_config, names, lines):
    """Write a leaf that stands on the tiny config and on fragments."""
    bases = [str(tiny_config), *(str(path) for path in COMFORTS if path.stem in names)]
    path = tiny_config.with_name("leaf.py")
    path.write_text(f"_base_ = {bases!r}\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("path", COMFORTS, ids=lambda path: path.stem)
def test_every_fragment_is_inherited_as_it_says_and_builds(path, tiny_config, mmseg_scope):
    text = ast.get_docstring(ast.parse(path.read_text()))
    lines = [re.sub(r"begin=(N|100)", "begin=1", line) for line in LINE.findall(text)]
    names = {path.stem, *re.findall(r"_base_\.(\w+)", " ".join(lines))}
    config = Config.fromfile(leaf_of(tiny_config, names, lines))
    fragment = config[path.stem]
    assert lines or path.stem == "color_jitter"
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    kind = fragment.get("type", "")
    if path.stem in ("amp", "gradient_accumulation"):
        if torch.cuda.is_available() or path.stem != "amp":
            OPTIM_WRAPPERS.build({**config.optim_wrapper, "optimizer": optimizer})
        assert config.optim_wrapper.optimizer.type == "AdamW", "the rest of the wrapper stays"
        assert fragment.items() <= config.optim_wrapper.items()
    elif lines and lines[-1].startswith("param_scheduler"):
        assert kind in [scheduler["type"] for scheduler in config.param_scheduler]
        for scheduler in config.param_scheduler:
            PARAM_SCHEDULERS.build({**scheduler, "optimizer": optimizer})
    elif path.stem == "early_stopping":
        HOOKS.build(config.custom_hooks[-1])
        assert len(config.custom_hooks) > 1
    elif path.stem == "best_checkpoint":
        HOOKS.build(config.default_hooks.checkpoint)
        assert config.default_hooks.checkpoint.interval == 3, "the rest of the hook stays"
    elif path.stem == "color_jitter":
        TRANSFORMS.build(fragment)
    else:
        assert config.visualizer.vis_backends[-1] == fragment
        VISBACKENDS.build({**fragment, "save_dir": str(tiny_config.parent)})


def scalars_of(work_dir):
    (path,) = work_dir.glob("*/vis_data/scalars.json")
    return [json.loads(line) for line in path.read_text().splitlines()]


def run(path, work_dir, resume=False, **options):
    SegLocalVisualizer._instance_dict.clear()
    return launch.train(launch.load_config(str(path), str(work_dir), options), resume=resume)


def test_a_run_with_one_cycle_and_two_loggers_has_everything_at_its_step(tiny_config, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="Weights & Biases is not installed: python -m pip install wandb")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from wandb_files import read_history

    monkeypatch.setenv("WANDB_SILENT", "true")
    hooks = '[dict(type="mmseg_ext.ValidationPicturesHook", num_images=2, height=32, hardest=1, min_pixels=1)]'
    lines = [
        'param_scheduler = [dict(_base_.one_cycle, eta_max=1e-2, total_steps=_base_.train_cfg["max_iters"])]',
        "optim_wrapper = dict(**_base_.amp, **_base_.gradient_accumulation)",
        'best = dict(_base_.best_checkpoint, save_best=["IoU.road"])',
        "default_hooks = dict(logger=dict(interval=1), checkpoint=best)",
        "visualizer = dict(vis_backends=[*_base_.vis_backends, _base_.tensorboard, _base_.wandb])",
        f"custom_hooks = {hooks}",
    ]
    names = ("one_cycle", "amp", "gradient_accumulation", "best_checkpoint", "tensorboard", "wandb")
    work_dir = tmp_path / "run"
    kind = "AmpOptimWrapper" if torch.cuda.is_available() else "OptimWrapper"
    runner = run(leaf_of(tiny_config, names, lines), work_dir, **{"optim_wrapper.type": kind})
    assert runner.optim_wrapper._accumulative_counts == 4

    rows = scalars_of(work_dir)
    rates = {row["step"]: row["lr"] for row in rows if "lr" in row}
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, 12, cycle_momentum=False)
    expected = {}
    for step in range(1, 13):
        expected[step] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        if step < 12:
            scheduler.step()
    assert rates == pytest.approx(expected, rel=1e-6)
    scores = {row["step"]: row["mIoU"] for row in rows if "mIoU" in row}
    assert list(scores) == [4, 8, 12]

    (events,) = work_dir.glob("*/vis_data/events.*")
    board = EventAccumulator(str(events), size_guidance={"images": 0})
    board.Reload()
    assert {event.step: event.value for event in board.Scalars("mIoU")} == pytest.approx(scores, rel=1e-6)
    assert {event.step: event.value for event in board.Scalars("lr")} == pytest.approx(rates, rel=1e-6)
    pictures = [tag for tag in board.Tags()["images"] if tag.startswith("validation/")]
    assert len(pictures) == 2
    for tag in pictures:
        assert [event.step for event in board.Images(tag)] == [4, 8, 12]
        assert board.Images(tag)[0].height > 32
    hardest = sorted(path.stem for path in (work_dir / "pictures" / "hardest").iterdir())
    assert "road" in hardest
    assert Image.open(work_dir / "pictures" / "hardest" / "road.png").height > 32
    assert {tag for tag in board.Tags()["images"] if tag.startswith("hardest/")} == {f"hardest/{n}" for n in hardest}

    history = read_history(work_dir)
    assert {row["step"]: row["mIoU"] for row in history if "mIoU" in row} == pytest.approx(scores)
    assert {row["step"]: row["lr"] for row in history if "lr" in row} == pytest.approx(rates)
    for tag in pictures:
        logged = [row for row in history if row.get(f"{tag}/_type") == "image-file"]
        assert [row["step"] for row in logged] == [4, 8, 12]

    assert list(work_dir.glob("best_IoU.road_iter_*.pth"))
    saved = CheckpointLoader.load_checkpoint(str(work_dir / "iter_12.pth"))  # refuses a file that holds code
    assert saved["param_schedulers"][0]["total_steps"] == 12
    assert "anneal_func" not in saved["param_schedulers"][0]


def test_a_run_that_does_not_get_better_slows_down_and_stops(tiny_config, tmp_path, capsys):
    lines = [
        "param_scheduler = [dict(_base_.reduce_on_plateau, patience=0, threshold=1e9, threshold_rule='abs')]",
        "console = dict(type='mmseg_ext.ConsoleHook')",
        "custom_hooks = [console, dict(_base_.early_stopping, min_delta=1e9, patience=1)]",
        "default_hooks = dict(logger=dict(interval=1))",
    ]
    path = leaf_of(tiny_config, ("reduce_on_plateau", "early_stopping"), lines)
    runner = run(path, tmp_path / "run", **{"train_cfg.val_interval": 3})
    assert runner.iter == 6, "the second evaluation is no better than the first"
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("stopped ")]
    assert re.fullmatch(
        r"stopped   early, at 6 of 12 iterations: mIoU has not improved by 1e\+09 in the last 1 evaluations "
        r"\(best \d+\.\d\d\)",
        line,
    )
    (made,) = read_runs([tmp_path / "run"])
    assert made.state == "stopped early"
    rates = {row["step"]: row["lr"] for row in scalars_of(tmp_path / "run") if "lr" in row}
    assert rates[3] == pytest.approx(1e-3)
    assert runner.optim_wrapper.get_lr()["lr"][-1] == pytest.approx(1e-4)
    saved = CheckpointLoader.load_checkpoint(str(tmp_path / "run" / "iter_6.pth"))  # refuses a file that holds code
    assert saved["param_schedulers"]


def test_a_run_of_one_cycle_goes_on_where_it_was_cut_off(tiny_config, tmp_path):
    lines = [
        "param_scheduler = [dict(_base_.one_cycle, eta_max=1e-2, total_steps=12, end=12)]",
        "default_hooks = dict(logger=dict(interval=1))",
        "custom_hooks = []",
    ]
    path = leaf_of(tiny_config, ("one_cycle",), lines)
    short = {"train_cfg.val_interval": 6}
    run(path, tmp_path / "whole", **short)
    run(path, tmp_path / "cut", **short, **{"train_cfg.max_iters": 6})
    run(path, tmp_path / "cut", resume=True, **short)
    rates = {
        name: {
            row["step"]: row["lr"]
            for file in sorted((tmp_path / name).glob("*/vis_data/scalars.json"))
            for row in map(json.loads, file.read_text().splitlines())
            if "lr" in row
        }
        for name in ("whole", "cut")
    }
    assert rates["cut"] == pytest.approx(rates["whole"])
    assert sorted(rates["whole"]) == list(range(1, 13))
