"""A dataset's points in a file are those that training sees."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmseg_ext.engine.point_sampling import sample_dataset
from mmseg_ext.errors import UserError
from mmseg_ext.points.point_files import read_points

ROOT = Path(__file__).resolve().parents[2]
COLORS = ["#3C1098", "#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929"]
CLASSES = ["building", "land", "road", "vegetation", "water"]
LOADING = {"type": "mmseg_ext.LoadColorAnnotations", "palette": COLORS}


def config_of(root, *steps, **kwargs):
    pipeline = [{"type": "LoadImageFromFile"}, *(steps or (LOADING, {"type": "PackSegInputs"}))]
    return {"type": "mmseg_ext.DubaiAerialDataset", "data_root": str(root), "pipeline": pipeline, **kwargs}


def labels_of(config):
    dataset = DATASETS.build(config)
    return {dataset[i]["img_name"]: dataset[i]["gt_seg_map"] for i in range(len(dataset))}


@pytest.fixture
def tool(monkeypatch):
    spec = importlib.util.spec_from_file_location("sample_points_tool", ROOT / "tools" / "sample_points.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.usefixtures("mmseg_scope")
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("flags", "arguments"),
    [
        ([], {"num_points": 5}),
        (["--per", "class", "--seed", "3"], {"num_points": 2, "per": "class", "seed": 3}),
        (["--strategy", "class_balanced"], {"num_points": 7, "strategy": "class_balanced"}),
    ],
)
def test_loading_the_file_gives_what_sampling_gives(small_dubai_root, tmp_path, capsys, tool, suffix, flags, arguments):
    config = tmp_path / "leaf.py"
    config.write_text(f"train_dataloader = dict(dataset={config_of(small_dubai_root)!r})\n")
    out = tmp_path / f"points.{suffix}"
    command = [str(config), "--num-points", str(arguments["num_points"]), "--out", str(out), *flags]
    assert tool.main(command) == 0
    sampling = {"type": "mmseg_ext.SamplePoints", **arguments}
    expected = labels_of(config_of(small_dubai_root, LOADING, sampling))
    loading = {"type": "mmseg_ext.LoadPointAnnotations", "file": str(out), "classes": CLASSES}
    loaded = labels_of(config_of(small_dubai_root, loading))
    assert len(expected) == 8
    assert loaded.keys() == expected.keys()
    for name, labels in expected.items():
        assert (labels != 255).sum() >= 5
        np.testing.assert_array_equal(loaded[name], labels)
    file = read_points(out)
    assert str(file.about["seed"]) == str(arguments.get("seed", 0))
    assert file.about["budget"].startswith(f"{arguments['num_points']} per {arguments.get('per', 'image')}")
    assert file.about["sha256"] in capsys.readouterr().out
    assert {p.label for p in file.points} <= set(CLASSES)


@pytest.mark.usefixtures("mmseg_scope")
def test_images_without_labels_are_told(small_dubai_root):
    loading = {**LOADING, "palette": [*COLORS[:4], "#000001"], "ignore_colors": COLORS[4:]}
    done = []
    points, empty = sample_dataset(config_of(small_dubai_root, loading), 3, progress=lambda *a: done.append(a))
    assert (len(points), empty) == (24, [])
    assert done[-1] == (8, 8)
    nothing = {**LOADING, "palette": ["#000001"], "ignore_colors": COLORS}
    points, empty = sample_dataset(config_of(small_dubai_root, nothing), 3)
    assert points == []
    assert len(empty) == 8


@pytest.mark.usefixtures("mmseg_scope")
@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"pipeline": [{"type": "LoadImageFromFile"}]}, "a pipeline that loads labels"),
        ({"type": "RepeatDataset", "pipeline": None}, "the dataset inside the wrapper"),
    ],
)
def test_datasets_that_cannot_be_sampled(small_dubai_root, change, part):
    config = {**config_of(small_dubai_root), **change}
    if config["pipeline"] is None:
        del config["pipeline"]
    with pytest.raises(UserError, match=part):
        sample_dataset(config, 3)


@pytest.mark.usefixtures("mmseg_scope")
def test_the_command_overwrites_its_own_files_alone(small_dubai_root, tmp_path, capsys, tool):
    config = tmp_path / "leaf.py"
    config.write_text(f"train_dataloader = dict(dataset={config_of(small_dubai_root)!r})\n")
    out = tmp_path / "points.csv"
    command = [str(config), "--num-points", "2", "--out", str(out)]
    assert [tool.main(command) for _ in range(2)] == [0, 0]
    for content in ("image,x,y,class\na.png,1,2,0\n", out.read_text().replace(",1,", ",2,"), "my diary"):
        out.write_text(content)
        assert tool.main(command) == 2
        assert "Expected no file at" in capsys.readouterr().err
        assert out.read_text() == content


def test_wrong_use_of_the_command(tmp_path, capsys, tool):
    config = tmp_path / "leaf.py"
    config.write_text("train_dataloader = dict(dataset=dict(type='RepeatDataset'))\n")
    out = ["--out", str(tmp_path / "p.csv"), "--num-points"]
    assert tool.main([str(tmp_path / "missing.py"), *out, "5"]) == 2
    assert tool.main([str(config), *out, "0"]) == 2
    assert tool.main([str(config), *out, "5"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert all(line.startswith("error: ") for line in errors)
