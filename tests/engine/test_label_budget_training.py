"""`labels=` in real runs: by the command line, on a base without any; with areas that are not there yet."""

import csv
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmseg_ext.engine.area_estimation import estimate_dataset_areas
from mmseg_ext.engine.statistics_collection import collect_statistics
from mmseg_ext.errors import UserError
from mmseg_ext.points.label_budget import budget_of

ROOT = Path(__file__).resolve().parents[2]


def main_of(name):
    spec = importlib.util.spec_from_file_location(f"command_{name}", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture
def drop_in_config(tiny_config):
    """The tiny config with the drop-ins, all checks and pictures."""
    text = tiny_config.read_text()
    for name in ("LoadImageFromFile", "LoadAnnotations", "RandomCrop", "RandomFlip", "PackSegInputs"):
        text = text.replace(f'type="{name}"', f'type="mmseg_ext.{name}"')
    resize = 'dict(type="mmseg_ext.RandomResize", scale=(48, 48), ratio_range=(0.5, 2.0)),'
    crop = 'dict(type="mmseg_ext.RandomCrop"'
    tiny_config.write_text(text.replace(crop, f"{resize}\n    {crop}"))
    return tiny_config


def dataset_of(path):
    return Config.fromfile(path).train_dataloader.dataset


def test_training_with_a_budget_of_the_command_line(drop_in_config, tmp_path, capsys):
    options = ["train_dataloader.dataset.labels.num_points=20", "train_cfg.max_iters=2", "train_cfg.val_interval=2"]
    command = [str(drop_in_config), "--work-dir", str(tmp_path / "run"), "--cfg-options", *options]
    assert main_of("train")(command) == 0
    assert "labels    20 points per image" in capsys.readouterr().out.splitlines()
    pictures = tmp_path / "run" / "pictures"
    for name in ("training_points.png", "training_crops.png", "validation.png"):
        assert np.asarray(Image.open(pictures / name)).std() > 10
    (scalars,) = (tmp_path / "run").glob("*/vis_data/scalars.json")
    losses = [row["loss"] for row in map(json.loads, scalars.read_text().splitlines()) if "loss" in row]
    assert losses
    assert min(losses) > 0.1, "the mean over the labelled pixels, not over all"
    assert budget_of(dataset_of(tmp_path / "run" / "tiny.py")).num_points == 20


def test_what_is_wrong_ends_in_one_line(drop_in_config, tmp_path, capsys):
    def fails_with(*options):
        command = [str(drop_in_config), "--work-dir", str(tmp_path / "run"), "--cfg-options", *options]
        assert main_of("train")(command) == 2
        return capsys.readouterr().err

    labels = "train_dataloader.dataset.labels"
    assert "Did you mean `num_points`?" in fails_with(f"{labels}.num_point=20")
    assert "either `num_points` or `file`" in fails_with(f"{labels}.num_points=20", f"{labels}.file=a.csv")
    loss = ["model.decode_head.type=FPNHead", "model.decode_head.loss_decode.type=CrossEntropyLoss"]
    assert "averages over all pixels" in fails_with(f"{labels}.num_points=20", *loss)
    stock = "train_dataloader.dataset.pipeline.2.type=RandomResize"
    assert "RandomResize, which loses them. Write mmseg_ext.RandomResize." in fails_with(
        f"{labels}.num_points=2", stock
    )


def test_a_run_on_a_file_is_trained_and_validated_on_its_points(drop_in_config, tmp_path, capsys):
    out = str(tmp_path / "points.csv")
    sample = main_of("sample_points")
    assert sample([str(drop_in_config), "--num-points", "5", "--out", out]) == 0
    assert sample([str(drop_in_config), "--num-points", "5", "--split", "val", "--out", str(tmp_path / "val.csv")]) == 0
    with open(out, newline="") as lines:
        rows = [row for row in csv.reader(lines) if not row[0].startswith("#")]
    assert len(rows) == 1 + 5 * 6
    capsys.readouterr()
    options = [f"train_dataloader.dataset.labels.file={out}", f"val_dataloader.dataset.labels.file={tmp_path}/val.csv"]
    options += ["train_cfg.max_iters=2", "train_cfg.val_interval=2"]
    command = [str(drop_in_config), "--work-dir", str(tmp_path / "run"), "--cfg-options", *options]
    assert main_of("train")(command) == 0
    assert f"labels    points of {out}" in capsys.readouterr().out.splitlines()
    (matrix,) = (tmp_path / "run").glob("*/confusion_matrix.json")
    assert np.sum(json.loads(matrix.read_text())["matrix"]) == 5 * 4, "scored at the points of four images"


def test_areas_and_statistics_are_those_of_the_points_alone(drop_in_config):
    dataset = dataset_of(drop_in_config)
    budget = {"num_points": 6, "per": "class"}
    missing = {**budget, "areas": "not/there.json", "grow": {"radius": 4}}
    plain, planned = (estimate_dataset_areas({**dataset, "labels": labels}) for labels in (budget, missing))
    assert list(plain.areas_of) == list(planned.areas_of)
    np.testing.assert_array_equal(plain.num_points_C, planned.num_points_C)
    for name, areas_C in plain.areas_of.items():
        np.testing.assert_array_equal(areas_C, planned.areas_of[name])
    record = collect_statistics({**dataset, "labels": missing})
    assert record["class_pixels"] == plain.num_points_C.tolist()
    steps = [*dataset.pipeline[:2], {"type": "mmseg_ext.SamplePoints", **budget}, *dataset.pipeline[2:]]
    explicit = collect_statistics({**dataset, "pipeline": steps})
    assert explicit["class_pixels"] == record["class_pixels"]
    with pytest.raises(UserError, match="Did you mean `areas`"):
        estimate_dataset_areas({**dataset, "labels": {**budget, "area": "a.json"}})
