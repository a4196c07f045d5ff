"""Names of files, classes and configs that are markup, formulas, escape codes or no text at all, in every command."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_ext.stack import printable_logs

ROOT = Path(__file__).resolve().parents[1]
FILES = [
    "[/b]",
    "[bold]x",
    "\x1b[31mred",
    "a|b",
    "new\nline",
    "=cmd()",
    "#1",
    "turned\u202e",
    "caf\udce9",
    "$x^$",
    "plain",
]
CLASSES = ["[/b]", "$\\bad$", "\x1b[31m|=x\n", "caf\udce9"]
FORBIDDEN = {"\x1b", "\u202e", "\r", "\udce9"}


@pytest.fixture
def data(tmp_path):
    """Images and masks of hostile names, those that this file system takes; ``[/b]`` is a file in a folder."""
    rng = np.random.default_rng(0)
    root = tmp_path / "[/b]data"
    for name in FILES:
        paths = [root / folder / f"{name}.png" for folder in ("images", "masks")]
        try:
            for path in paths:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        except (OSError, ValueError):
            continue
        Image.fromarray(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)).save(paths[0])
        Image.fromarray(rng.integers(0, len(CLASSES), (48, 48), dtype=np.uint8)).save(paths[1])
    return root


def dataset_of(root, *steps):
    return {
        "type": "BaseSegDataset",
        "data_root": str(root),
        "img_suffix": ".png",
        "seg_map_suffix": ".png",
        "data_prefix": {"img_path": "images", "seg_map_path": "masks"},
        "metainfo": {"classes": CLASSES, "palette": [[0, 0, 0], [1, 1, 1], [2, 2, 2], [3, 3, 3]]},
        "pipeline": [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}, *steps],
    }


@pytest.fixture
def config(data, tmp_path):
    sampling = {"type": "mmseg_ext.SamplePoints", "num_points": 9, "data_root": str(data)}
    path = tmp_path / "[bold]=leaf\u202e.py"
    loader = dict(dataset=dataset_of(data, sampling), batch_size=2, num_workers=0)
    path.write_text(f"default_scope = 'mmseg'\ntrain_dataloader = {loader!r}\n", encoding="utf-8")
    return path


def run(command, arguments, capfd):
    status = importlib.import_module(command).main(list(map(str, arguments)))
    captured = capfd.readouterr()
    shown = captured.out + captured.err
    assert not FORBIDDEN & set(shown), shown
    assert "Traceback" not in shown
    return status, shown


def test_points_areas_and_statistics(config, data, tmp_path, capfd):
    points = tmp_path / "=p\x1b[31m.jsonl"
    arguments = [config, "--num-points", 3, "--out", points, "--data-root", data]
    assert run("tools.sample_points", arguments, capfd)[0] == 0
    status, shown = run("tools.sample_points", [*arguments[:4], tmp_path / "p.csv", *arguments[5:]], capfd)
    assert status == (2 if any("\udce9" in path.name for path in (data / "images").rglob("*")) else 0)
    assert shown.count("\n") == 1
    points.write_text("other")
    assert run("tools.sample_points", arguments, capfd)[0] == 2
    assert run("tools.estimate_areas", [config, "--out", tmp_path / "[/b]areas.json"], capfd)[0] == 0
    status, shown = run("tools.dataset_stats", [config, "--out", tmp_path / "[/b]stats.json"], capfd)
    assert status == 0
    rows = [line.replace("\\\\", "").replace("\\|", "") for line in shown.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(CLASSES)
    assert {row.count("|") for row in rows} == {7}
    assert json.loads((tmp_path / "[/b]stats.json").read_text())["classes"] == CLASSES


def test_downsampling(data, capfd):
    (data / "images" / "[/b]no mask\x1b[31m.png").write_bytes(b"")
    status, shown = run("tools.downsample", [data, "--factor", 2, "--workers", 1], capfd)
    assert status == 1
    assert "[/b]no mask?[31m.png: has no mask" in shown
    copies = data.with_name(f"{data.name}_ds_2") / "images"
    assert len(list(copies.rglob("*.png"))) == len(list((data / "masks").rglob("*.png"))) >= 5


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("tools.train", ()),
        ("tools.test", ("[/b]\x1b[31m.pth",)),
        ("tools.cross_validate", ()),
        ("tools.dataset_stats", ()),
        ("tools.estimate_areas", ()),
        ("tools.sample_points", ("--num-points", 3, "--out", "p.csv")),
        ("tools.downsample", ("--factor", 2)),
        ("mmseg_ext.tables.command", ()),
    ],
)
def test_what_is_missing_is_named_in_one_line(tmp_path, monkeypatch, capfd, command, more):
    monkeypatch.chdir(tmp_path)
    status, shown = run(command, ["[/b]no\x1b[31m\u202e\udce9", *more], capfd)
    assert status == 2
    assert "[/b]no" in shown
    assert shown.count("\n") == 1


def test_a_run_and_its_test(data, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sampling = {"type": "mmseg_ext.SamplePoints", "num_points": 9, "data_root": str(data)}
    pack = {"type": "mmseg_ext.PackSegInputs"}
    sampler = {"type": "InfiniteSampler", "shuffle": True}
    loader = {"batch_size": 2, "num_workers": 0, "sampler": sampler, "dataset": dataset_of(data, sampling, pack)}
    val = {"batch_size": 1, "num_workers": 0, "sampler": {"type": "DefaultSampler"}, "dataset": dataset_of(data, pack)}
    settings = {
        "train_dataloader": loader,
        "val_dataloader": val,
        "test_dataloader": val,
        "val_evaluator": {"type": "mmseg_ext.SegmentationMetric"},
        "test_evaluator": {"type": "mmseg_ext.SegmentationMetric"},
        "val_cfg": {"type": "ValLoop"},
        "test_cfg": {"type": "TestLoop"},
        "train_cfg": {"type": "IterBasedTrainLoop", "max_iters": 2, "val_interval": 2},
        "optim_wrapper": {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.01}},
        "param_scheduler": [],
        "default_hooks": {"checkpoint": {"type": "CheckpointHook", "by_epoch": False, "interval": 2}},
        "crop_size": (48, 48),
    }
    base = [str(ROOT / "configs/_base_" / name) for name in ("models/fpn_r18w32.py", "default_runtime.py")]
    model = (
        "dict(data_preprocessor=dict(size=(48, 48)), backbone=dict(stem_channels=8, base_channels=8), "
        "neck=dict(in_channels=[8, 16, 32, 64], out_channels=8), "
        "decode_head=dict(in_channels=[8, 8, 8, 8], channels=8, num_classes=4))"
    )
    text = f"_base_ = {base!r}\nmodel = {model}\n" + "".join(f"{key} = {value!r}\n" for key, value in settings.items())
    path = tmp_path / "[bold]leaf.py"
    path.write_text(text, encoding="utf-8")
    work_dir = tmp_path / "[/b]work\x1b[31m"
    status, shown = run("tools.train", [path, "--work-dir", work_dir], capfd)
    assert status == 0, shown
    assert "[/b]" in shown
    for log in work_dir.glob("*/*.log"):
        assert not FORBIDDEN & set(log.read_text(encoding="utf-8"))
    status, shown = run("tools.test", [path, work_dir / "iter_2.pth", "--work-dir", work_dir / "test"], capfd)
    assert status == 0, shown
    assert "?[31m|=x" in shown
    assert run("mmseg_ext.tables.command", [work_dir, "--out", tmp_path / "tables", "--html", "--csv"], capfd)[0] == 0
    Image.fromarray(np.full((48, 48), 200, np.uint8)).save(data / "masks" / "[/b].png")
    status, shown = run("tools.train", [path, "--work-dir", tmp_path / "bad"], capfd)
    assert status == 2
    assert "[/b].png" in shown


def test_an_ascii_screen(config, data, tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "tools/dataset_stats.py"), str(config), "--out", str(tmp_path / "größe.json")]
    done = subprocess.run(command, capture_output=True, env=environment, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert b"gr\\xf6\\xdfe.json" in done.stdout
    assert b"\x1b" not in done.stdout + done.stderr


def test_every_record_of_the_log_is_printable():
    from mmengine.logging import MMLogger

    printable_logs.keep_logs_printable()
    logger = MMLogger("hostile_names")
    record = logger.makeRecord("x", 20, "f", 1, "read %s\nin %d s", ("\x1b[31m\udce9", 3), None)
    assert record.getMessage() == "read ?[31m?\nin 3 s"
    assert logger.makeRecord("x", 20, "f", 1, "%d s", ("a",), None).msg == "%d s"
