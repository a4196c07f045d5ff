"""The command that estimates areas, on the real aerial images and on small generated ones."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmseg_ext.engine.area_estimation import EstimatedAreas, estimate_dataset_areas
from mmseg_ext.errors import UserError
from mmseg_ext.points.areas import read_areas

ROOT = Path(__file__).resolve().parents[2]
POINTS = {"type": "mmseg_ext.SamplePoints", "num_points": 20, "per": "class"}


def dubai(root, *steps):
    pipeline = [{"type": "mmseg_ext.LoadImageFromFile"}, {"type": "mmseg_ext.LoadColorAnnotations"}, *steps]
    pipeline[1]["palette"] = [(60, 16, 152), (132, 41, 246), (110, 193, 228), (254, 221, 58), (226, 169, 41)]
    pipeline[1]["unknown"] = "ignore"
    return {"type": "mmseg_ext.DubaiAerialDataset", "data_root": str(root), "pipeline": pipeline}


def test_real_images(dubai_root):
    estimated = estimate_dataset_areas(dubai(dubai_root, POINTS))
    dense = estimate_dataset_areas(dubai(dubai_root))  # of all pixels: their own areas
    points = estimated.num_points_C / estimated.num_points_C.sum()
    shown = np.array([dense.areas_of[name] > 0 for name in dense.areas_of])
    true = np.array(list(dense.areas_of.values()))
    guess = np.array(list(estimated.areas_of.values()))
    assert estimated.classes == ["building", "land", "road", "vegetation", "water"]
    assert np.abs(guess - true).mean() < 0.3 * np.abs(shown / shown.sum(1, keepdims=True) - true).mean()
    assert np.abs(guess.mean(0) - true.mean(0)).max() < 0.3 * np.abs(points - true.mean(0)).max()


def test_threads_change_nothing(loveda_root):
    dataset = {
        "type": "mmseg_ext.LoveDADataset",
        "data_root": str(loveda_root),
        "pipeline": [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}, {**POINTS, "num_points": 3}],
    }
    one, three = (estimate_dataset_areas(dataset, num_workers=n) for n in (1, 3))
    assert list(one.areas_of) == list(three.areas_of)
    for name, areas in one.areas_of.items():
        assert areas.tolist() == three.areas_of[name].tolist()
        assert areas.sum() == pytest.approx(1)


def test_an_image_that_cannot_be_used_is_named(loveda_root):
    dataset = {
        "type": "mmseg_ext.LoveDADataset",
        "data_root": str(loveda_root),
        "pipeline": [{"type": "LoadImageFromFile", "to_float32": True}, {"type": "LoadAnnotations"}],
    }
    with pytest.raises(UserError, match=r"\.png: Expected a uint8 image"):
        estimate_dataset_areas(dataset)


def test_the_table_holds_shares_of_points_and_of_areas():
    areas_of = {"1.png": np.array([0.5, 0.5]), "2.png": np.array([1.0, 0.0])}
    rows = EstimatedAreas(["land", "water"], areas_of, np.array([1, 3])).table().splitlines()
    assert rows[0] == "| class | % of points | % of area, estimated |"
    assert rows[2:] == ["| land | 25.0 | 75.0 |", "| water | 75.0 | 25.0 |"]


def test_the_command(small_dubai_root, tmp_path):
    config = ROOT / "configs" / "fpn" / "pointfpn_r18w32_1xb8-1500_dubai-128x128-20ppc.py"
    out = tmp_path / "areas.json"
    command = [sys.executable, str(ROOT / "tools" / "estimate_areas.py"), str(config), "--out", str(out)]
    options = ["--cfg-options", f"train_dataloader.dataset.data_root={small_dubai_root}"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "% of area, estimated" in done.stdout
    assert json.loads(out.read_text())["classes"] == ["building", "land", "road", "vegetation", "water"]
    assert all(areas.sum() == pytest.approx(1, abs=1e-5) for areas in read_areas(out).values())
    options[1] = "train_dataloader.dataset.type=ConcatDataset"
    options.append("train_dataloader.dataset.pipeline=[]")
    failed = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=300)
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: ")
