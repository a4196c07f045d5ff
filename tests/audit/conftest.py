"""A tiny dataset of two classes of colours, some of whose labels are wrong, and a config that audits it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_ext import stack

stack.prepare()

from mmseg_ext.audit.pixel_evidence import PixelEvidence  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SIZE = 64
COLORS = np.array([[40, 120, 40], [40, 60, 200], [200, 190, 60]], np.float64)
CONFIG = """
_base_ = ["{root}/configs/_base_/schedules/fit.py", "{root}/configs/_base_/default_runtime.py"]
model = dict(
    type="mmseg_ext.FeatureSegmentor",
    data_preprocessor=dict(type="SegDataPreProcessor", mean=[127.0] * 3, std=[128.0] * 3, bgr_to_rgb=True),
    backbone=dict(type="mmseg_ext.EfficientNetLite", checkpoint=None),
    decode_head=dict(
        type="mmseg_ext.LightHead",
        num_classes=3,
        classifiers=[
            dict(type="mmseg_ext.LogisticRegression", C=0.003),
            dict(type="mmseg_ext.ExtraTrees", num_trees=5),
        ],
    ),
    test_cfg=dict(mode="whole"),
)
pipeline = [
    dict(type="mmseg_ext.LoadImageFromFile"),
    dict(type="mmseg_ext.LoadAnnotations"),
    dict(type="mmseg_ext.Resize", scale=(64, 64), keep_ratio=True),
    dict(type="mmseg_ext.PackSegInputs"),
]
train_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="mmseg_ext.FolderDataset",
        data_root="{data}",
        images="images",
        masks="masks",
        split="all",
        classes=["field", "lake", "house"],
        pipeline=pipeline,
    ),
)
val_dataloader = train_dataloader
test_dataloader = val_dataloader
val_evaluator = dict(type="mmseg_ext.SegmentationMetric")
test_evaluator = val_evaluator
"""


def truth_of(index: int) -> np.ndarray:
    """Labels of image `index`: a field, a lake at the left, a house of 16 × 16."""
    labels_HW = np.zeros((SIZE, SIZE), np.uint8)
    labels_HW[:, : 16 + index % 3 * 4] = 1
    row, column = 8 + index * 7 % 36, 36 + index % 2 * 8
    labels_HW[row : row + 16, column : column + 16] = 2
    return labels_HW


def write_labels(root: Path, index: int, labels_HW: np.ndarray) -> None:
    """Write a mask."""
    (root / "masks").mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels_HW).save(root / "masks" / f"{index}.png")


@pytest.fixture
def fields(tmp_path: Path) -> Path:
    """Eight images whose labels are right."""
    root = tmp_path / "fields"
    rng = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    for index in range(8):
        labels_HW = truth_of(index)
        pixels = COLORS[labels_HW] + rng.normal(0, 6, (SIZE, SIZE, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / "images" / f"{index}.png")
        write_labels(root, index, labels_HW)
    return root


@pytest.fixture
def config_file(fields: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config whose work dir is below `tmp_path`, which is the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "fields.py"
    path.write_text(CONFIG.format(root=ROOT, data=fields))
    return path


def evidence_of(labels_HW, predicted_HW, margin):
    """Evidence of a model that gives each pixel two classes: its label, and a prediction more probable by a margin."""
    differs_HW = (labels_HW != predicted_HW) & (labels_HW != 255)
    margin_HW = np.where(differs_HW, np.float32(margin), np.float32(0))
    loss_HW = np.where(differs_HW, np.float32(-np.log((1 - margin) / 2)), np.float32(0))
    return PixelEvidence(labels_HW, predicted_HW, margin_HW, loss_HW)
