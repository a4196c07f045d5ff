"""What a new user with ADE20K on disk types: downsample, train, extract_tables; a row a factor comes out."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from mmseg.visualization import SegLocalVisualizer
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
LEAF = """
_base_ = [
    "{root}/configs/_base_/models/fpn_r18w32.py",
    "{root}/configs/_base_/datasets/ade20k.py",
    "{root}/configs/_base_/default_runtime.py",
]
crop_size = (32, 32)
model = dict(
    data_preprocessor=dict(size=crop_size),
    backbone=dict(stem_channels=8, base_channels=8),
    neck=dict(in_channels=[8, 16, 32, 64], out_channels=8),
    decode_head=dict(in_channels=[8, 8, 8, 8], channels=8),
)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    {{{{_base_.load_labels}}}},
    dict(type="RandomResize", scale=(128, 48), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(128, 48), keep_ratio=True),
    {{{{_base_.load_labels}}}},
    dict(type="PackSegInputs"),
]
worker = dict(num_workers=0, persistent_workers=False)
train_dataloader = dict(batch_size=2, **worker, dataset=dict(factor={factor}, pipeline=train_pipeline))
val_dataloader = dict(**worker, dataset=dict(factor={factor}, pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=1e-3))
train_cfg = dict(type="IterBasedTrainLoop", max_iters=2, val_interval=1)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=1, log_metric_by_epoch=False),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=1, save_best="original/mIoU"),
)
custom_hooks = [dict(type="mmseg_ext.DataCheckHook")]
"""


def command(path):
    spec = importlib.util.spec_from_file_location(f"command_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def write_ade20k(root):
    rng = np.random.default_rng(0)
    for split, count in (("training", 4), ("validation", 2)):
        for n in range(count):
            labels = np.kron(rng.integers(0, 6, (4, 5)), np.ones((13, 13), int)).astype(np.uint8)
            image = (labels[..., None] * np.array([40, 25, 10]) + rng.integers(0, 30, (52, 65, 3))).astype(np.uint8)
            for kind, suffix, pixels in (("images", "jpg", image), ("annotations", "png", labels)):
                path = root / kind / split / f"ADE_{split}_{n:08d}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder after the three commands, typed in it."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        original = Path("data/ade/ADEChallengeData2016")
        write_ade20k(original)
        assert command(ROOT / "tools" / "downsample.py")([str(original), "--factor", "4", "--workers", "1"]) == 0
        for suffix, factor in (("", 1), ("ds4", 4)):
            config = Path(f"fpn_r18w8_1xb2-2_ade20k{suffix}-32x32.py")
            config.write_text(LEAF.format(root=ROOT, factor=factor))
            patch.setattr(SegLocalVisualizer, "_instance_dict", {})  # each command is a process of its own
            assert command(ROOT / "tools" / "train.py")([str(config)]) == 0
        assert command(ROOT / "extract_tables.py")(["work_dirs"]) == 0
        assert command(ROOT / "extract_tables.py")(["work_dirs", "--metric", "original/mIoU", "--out", "fair"]) == 0
    return folder


def evaluations(study, suffix):
    (path,) = study.glob(f"work_dirs/*ade20k{suffix}-*/*/vis_data/scalars.json")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [row for row in rows if "mIoU" in row]


def test_both_scores_are_in_the_logs(study):
    for suffix in ("", "ds4"):
        rows = evaluations(study, suffix)
        assert [row["step"] for row in rows] == [1, 2]
        for row in rows:
            for name in ("mIoU", "mAcc", "aAcc"):
                assert (row[f"original/{name}"] == row[name]) == (suffix == "")
        (log,) = study.glob(f"work_dirs/*ade20k{suffix}-*/*/*.log")
        assert "original/mIoU: " in log.read_text()


def test_the_best_checkpoint_can_follow_the_original_labels(study):
    for suffix in ("", "ds4"):
        assert len(list(study.glob(f"work_dirs/*ade20k{suffix}-*/best_original_mIoU_iter_*.pth"))) == 1


def test_the_matrix_against_the_original_labels_counts_every_original_pixel(study):
    for suffix, size in (("", (52, 65)), ("ds4", (13, 16))):
        (folder,) = study.glob(f"work_dirs/*ade20k{suffix}-*/*/")
        for name, (height, width) in (("confusion_matrix", size), ("confusion_matrix_original", (52, 65))):
            matrix = np.array(json.loads((folder / f"{name}.json").read_text())["matrix"])
            root = "data/ade/ADEChallengeData2016" + ("_ds_4" if height < 52 else "")
            labelled = [np.asarray(Image.open(p)) > 0 for p in study.glob(f"{root}/annotations/validation/*.png")]
            assert [mask.shape for mask in labelled] == [(height, width)] * 2
            assert matrix.sum() == sum(mask.sum() for mask in labelled)


def rows_of(table):
    lines = [line for line in table.read_text().splitlines() if line.startswith("|")]
    titles = [cell.strip() for cell in lines[0].strip("|").split("|")]
    return [dict(zip(titles, map(str.strip, line.strip("|").split("|")), strict=True)) for line in lines[2:]]


def test_the_table_has_a_row_a_factor_and_both_scores(study):
    rows = rows_of(study / "ade20_scores.md")
    assert sorted(row["factor"] for row in rows) == ["1/1", "1/4"]
    for row in rows:
        last = evaluations(study, "ds4" if row["factor"] == "1/4" else "")[-1]
        assert float(row["last mIoU"].split()[0]) == pytest.approx(last["mIoU"], abs=0.005)
        assert float(row["original/mIoU"].split()[0]) == pytest.approx(last["original/mIoU"], abs=0.005)
        assert float(row["mAcc"].split()[0]) == pytest.approx(last["mAcc"], abs=0.005)


def test_only_the_score_on_the_original_labels_compares_the_factors(study):
    own, fair = (rows_of(study / folder / "ade20_scores.md") for folder in (".", "fair"))
    assert [row["differs in"] for row in own] == ["", "data, evaluation"]
    assert sorted(row["factor"] for row in fair) == ["1/1", "1/4"]
    assert not any("differs in" in row for row in fair)
    best = [float(row["best original/mIoU"].split()[0]) for row in fair]
    assert best == sorted(best, reverse=True)
