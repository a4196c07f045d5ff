"""A fit is a run: its log, checkpoint and scores are those that other commands read."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmseg_ext.engine.cross_validation import last_matrix
from mmseg_ext.scores.confusion_matrix import mean_scores
from mmseg_ext.tables.command import main as tables

ROOT = Path(__file__).resolve().parents[2]
LEAF = str(ROOT / "configs/features/features_effnetlite0_1xb1-1_dubai-1024x1024-20ppc.py")


def run_tool(name, *arguments):
    spec = importlib.util.spec_from_file_location(f"command_{name}", ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main([*map(str, arguments)])


@pytest.fixture
def options(small_dubai_root):
    """Images of which one half is vegetation, green, and the other water, blue; as few and small as can be."""
    green, blue = (0, 200, 0), (200, 0, 0)
    for path in small_dubai_root.rglob("*.jpg"):
        image_HWC = np.random.default_rng(0).integers(0, 40, (40, 48, 3), dtype=np.uint8)
        image_HWC[:, :24] += np.array(green, np.uint8)
        image_HWC[:, 24:] += np.array(blue, np.uint8)
        cv2.imwrite(str(path), image_HWC)
        mask_HWC = np.zeros((40, 48, 3), np.uint8)
        mask_HWC[:, :24], mask_HWC[:, 24:] = (0x3A, 0xDD, 0xFE), (0x29, 0xA9, 0xE2)
        cv2.imwrite(str(path.parents[1] / "masks" / f"{path.stem}.png"), mask_HWC)
    loaders = [f"{split}_dataloader" for split in ("train", "val", "test")]
    return [
        *(f"{loader}.dataset.data_root={small_dubai_root}" for loader in loaders),
        *(f"{loader}.num_workers=0" for loader in loaders),
        *(f"{loader}.persistent_workers=False" for loader in loaders),
        "train_dataloader.dataset.pipeline.2.scale=(96,40)",
        "val_dataloader.dataset.pipeline.1.scale=(96,40)",
        "test_dataloader.dataset.pipeline.1.scale=(96,40)",
        "model.backbone.checkpoint=None",
        "model.decode_head.classifiers.1.num_trees=5",
    ]


def test_a_fit_is_scored_tested_and_shown_in_the_tables(tmp_path, options, capsys):
    work_dir = tmp_path / "run"
    assert run_tool("fit", LEAF, "--work-dir", work_dir, "--cfg-options", *options) == 0
    assert re.search(r"fitted to 320 points in .* expected calibration error \d", capsys.readouterr().out)
    (scalars,) = work_dir.glob("*/vis_data/scalars.json")
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    assert {"fit_seconds", "held_out_loss", "calibration_error", "time"} <= set(rows[0])
    assert rows[-1]["step"] == 1
    assert rows[-1]["mIoU"] > 90
    assert last_matrix(work_dir).iteration == 1

    checkpoint = str(work_dir / "iter_1.pth")
    assert run_tool("test", LEAF, checkpoint, "--work-dir", tmp_path / "test", "--cfg-options", *options) == 0
    (tested,) = (tmp_path / "test").glob("*/confusion_matrix_test.json")
    assert json.loads(tested.read_text())["matrix"] == last_matrix(work_dir).confusion_CC.tolist()

    capsys.readouterr()
    assert tables([str(work_dir)]) == 0
    shown = capsys.readouterr().out
    assert "20 pts/class" in shown
    assert "finished" in shown

    assert run_tool("fit", LEAF, "--work-dir", work_dir, "--cfg-options", *options) == 0  # repeated at will


def test_train_fits_too_as_cross_validation_has_it(tmp_path, options, capsys):
    work_dir = tmp_path / "run"
    assert run_tool("train", LEAF, "--work-dir", work_dir, "--cfg-options", *options) == 0
    assert last_matrix(work_dir).iteration == 1
    assert "schedule  one fit to the labels of all images" in capsys.readouterr().out
    assert run_tool("train", LEAF, "--work-dir", work_dir, "--cfg-options", *options) == 2


def test_cross_validation_fits_every_fold(tmp_path, options, capsys):
    command = (LEAF, "--work-dir", tmp_path / "study", "--folds", 0, 2, "--cfg-options", *options)
    assert run_tool("cross_validate", *command) == 0
    matrices = [last_matrix(tmp_path / "study" / f"fold{fold}_seed0") for fold in (0, 2)]
    assert [matrix.iteration for matrix in matrices] == [1, 1]
    total_CC = sum(matrix.confusion_CC for matrix in matrices)
    assert total_CC.sum() == 2 * 4 * 40 * 48  # two folds of two images of each of two tiles
    shown = capsys.readouterr().out
    assert f"{mean_scores(total_CC)['mIoU']:.2f}" in shown
    assert run_tool("cross_validate", *command) == 0  # nothing is fitted again
    assert len(list((tmp_path / "study").glob("fold*/*/vis_data"))) == 2


def test_a_config_that_trains_step_by_step_is_refused(capsys):
    other = str(ROOT / "configs/fpn/fpn_r18w32_1xb8-1500_dubai-192x192.py")
    assert run_tool("fit", other) == 2
    assert "Train it with tools/train.py" in capsys.readouterr().err
    shutil.rmtree(ROOT / "work_dirs" / Path(other).stem, ignore_errors=True)


def test_several_iterations_are_refused(tmp_path, options, capsys):
    options = [*options, "train_cfg.max_iters=5"]
    assert run_tool("fit", LEAF, "--work-dir", tmp_path / "run", "--cfg-options", *options) == 2
    assert "train_cfg.max_iters=1, the one fit, got 5" in capsys.readouterr().err
