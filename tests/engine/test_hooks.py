"""The hooks in a real run, in process."""

import re

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmseg_ext.engine import launch
from mmseg_ext.engine.hooks.console_hook import (
    count_parameters,
    describe_labels,
    format_seconds,
    result_table,
)
from mmseg_ext.engine.hooks.train_pictures_hook import packed_image
from mmseg_ext.engine.hooks.validation_pictures_hook import labels_at_budget, picture_name
from mmseg_ext.points import keep_points, seed_of_sample

POINTS = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations"},
    {"type": "mmseg_ext.SamplePoints", "num_points": 3, "seed": 5},
    {"type": "PackSegInputs"},
]


def run(tiny_config, work_dir, hooks, **options):
    config = launch.load_config(str(tiny_config), str(work_dir), {"train_cfg.max_iters": 4, **options})
    config.custom_hooks = hooks
    return launch.train(config)


def weights(runner):
    return torch.cat([p.detach().flatten() for p in runner.model.parameters()])


def test_training_pictures_leave_the_run_as_it_was(tiny_config, tmp_path):
    with_pictures = run(tiny_config, tmp_path / "a", [{"type": "mmseg_ext.TrainPicturesHook", "num_images": 3}])
    without = run(tiny_config, tmp_path / "b", [])
    assert torch.equal(weights(with_pictures), weights(without))
    picture = np.asarray(Image.open(tmp_path / "a" / "pictures" / "training_crops.png"))
    assert picture.shape[1] > 3 * 256  # three crops, 256 pixels high, in a row
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_validation_pictures_are_the_same_images_each_time_and_show_the_budget(tiny_config, tmp_path, tiny_data):
    hook = {"type": "mmseg_ext.ValidationPicturesHook", "num_images": 2, "height": 64}
    run(tiny_config, tmp_path / "all", [hook])
    folder = tmp_path / "all" / "pictures"
    names = sorted(p.name for p in (folder / "validation").iterdir())
    images = sorted(tiny_data.glob("Val/Urban/images_png/*.png")) + sorted(tiny_data.glob("Val/Rural/images_png/*.png"))
    assert names == sorted(picture_name(str(p), str(tiny_data)) for p in (images[0], images[-1]))
    assert names[0].startswith("Val_Rural_images_png_")
    one = Image.open(folder / "validation" / names[0])
    both = Image.open(folder / "validation.png")
    assert both.width >= one.width
    assert both.height > 2 * one.height

    run(tiny_config, tmp_path / "points", [hook], **{"train_dataloader.dataset.pipeline": POINTS})
    with_budget = Image.open(tmp_path / "points" / "pictures" / "validation" / names[0])
    assert with_budget.width > one.width  # one more column


def test_the_points_shown_are_those_of_the_budget():
    labels_HW = np.random.default_rng(0).integers(0, 4, (20, 30)).astype(np.uint8)
    step = {"type": "mmseg_ext.SamplePoints", "num_points": 3, "seed": 5, "resample": True}
    config = Config({"train_dataloader": {"dataset": {"data_root": "root", "pipeline": [step]}}})
    title, points_HW = labels_at_budget(config, "root/Val/a.png", labels_HW)
    assert title == "3 points"
    assert (points_HW == keep_points(labels_HW, 3, seed_of_sample(5, "Val/a.png"))).all()
    everything = Config({"train_dataloader": {"dataset": {"pipeline": [{"type": "LoadAnnotations"}]}}})
    assert labels_at_budget(everything, "root/Val/a.png", labels_HW) is None


def test_the_console_tells_a_run_from_start_to_end(tiny_config, tmp_path, capsys):
    hooks = [{"type": "mmseg_ext.ConsoleHook", "interval": 0.0}]
    options = {"train_cfg.val_interval": 2, "train_dataloader.dataset.pipeline": POINTS}
    run(tiny_config, tmp_path / "run", hooks, **options)
    lines = capsys.readouterr().out.splitlines()
    lines = lines[next(i for i, line in enumerate(lines) if line.startswith("mmseg_ext ")) :]
    assert lines[0].endswith("trains tiny")
    assert "labels    3 points per image, seed 5" in lines
    assert "val       LoveDADataset, 4 images" in lines
    assert any(
        line.startswith("schedule  4 iterations of 2 images, AdamW lr 0.001, validation every 2") for line in lines
    )
    steps = [line for line in lines if line.startswith("iteration")]
    assert len(steps) == 4
    assert re.fullmatch(r"iteration +3 of 4  75 %  0:\d\d left  \d\.\d\d s/iteration  loss \d+\.\d{3}", steps[2])
    evaluated = [line for line in lines if line.startswith("evaluated")]
    assert len(evaluated) == 2
    assert "(best" in evaluated[0]
    table = lines[lines.index(evaluated[-1]) + 1 :]
    assert table[0].split()[:2] == ["class", "IoU"]
    assert [row.split()[0] for row in table[1:9]] == [
        "background", "building", "road", "water", "barren", "forest", "agricultural", "mean",
    ]  # fmt: skip
    assert any(line.startswith("time      data 0:") for line in table)
    assert table[-2].startswith("next  ")
    assert "python tools/test.py tiny.py run/" in table[-2]
    assert "python extract_tables.py " in table[-1]


def test_the_best_score_survives_a_resume(tiny_config, tmp_path, capsys):
    hooks = [{"type": "mmseg_ext.ConsoleHook"}]
    first = run(tiny_config, tmp_path / "run", hooks, **{"train_cfg.val_interval": 2})
    best = first.message_hub.get_info("mmseg_ext_best")
    config = launch.load_config(str(tiny_config), str(tmp_path / "run"), {"train_cfg.max_iters": 5})
    config.custom_hooks = hooks
    again = launch.train(config, resume=True)
    kept = again.message_hub.get_info("mmseg_ext_best")
    assert kept["score"] >= best["score"]
    assert kept["iteration"] in (best["iteration"], 5)


def test_result_table_shows_best_beside_last_only_where_they_differ():
    last = {"aAcc": 50.0, "mIoU": 40.0, "mAcc": 45.0, "IoU.a": 30.0, "Acc.a": 35.0, "IoU.b": 50.0, "Acc.b": 55.0}
    best = {**last, "mIoU": 60.0}
    both = result_table(last, 200, best, 100)
    assert [c.header for c in both.columns] == ["class", "IoU best, at 100", "Acc", "IoU last, at 200", "Acc"]
    assert list(both.columns[1].cells) == ["30.00", "50.00", "60.00", ""]
    assert len(result_table(last, 200, last, 200).columns) == 3
    assert list(result_table(last).columns[0].cells) == ["a", "b", "mean", "all pixels"]


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        ([{"type": "LoadAnnotations"}], None),
        ([{"type": "mmseg_ext.SamplePoints", "num_points": 20}], "20 points per image"),
        (
            [{"type": "mmseg_ext.SamplePoints", "num_points": 1, "per": "class", "resample": True}],
            "1 points per class, resample True",
        ),
        ([{"type": "mmseg_ext.LoadPointAnnotations", "file": "points.csv"}], "points of points.csv"),
    ],
)
def test_labels_are_described(steps, text):
    assert describe_labels(steps) == text


def test_parameters_and_seconds_are_counted():
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1).requires_grad_(False))
    assert count_parameters(model) == (8 + 3, 8)
    assert [format_seconds(s) for s in (0, 59.6, 3600, 3599.4)] == ["0:00", "1:00", "1:00:00", "59:59"]


def test_packed_images_become_rgb():
    bgr_CHW = np.arange(3, dtype=np.uint8).reshape(3, 1, 1)
    assert packed_image(bgr_CHW, bgr_to_rgb=True).tolist() == [[[2, 1, 0]]]
    assert packed_image(bgr_CHW, bgr_to_rgb=False).tolist() == [[[0, 1, 2]]]
    assert packed_image(np.full((1, 1, 1), 7, np.uint8), bgr_to_rgb=False).tolist() == [[[7, 7, 7]]]
