"""The evaluator around others: they get the cleaned-up predictions, the log both scores."""

import csv

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from sklearn.metrics import accuracy_score, jaccard_score

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation import CleanUp
from mmseg_ext.evaluation.clean_up import class_indices
from mmseg_ext.registry import METRICS

CLASSES = ("land", "building")
STEPS = [{"classes": ["building"], "min_area": 3, "max_hole": 1}]


def building_sample(dtype=torch.long):
    labels = np.zeros((8, 9), np.int64)
    labels[1:5, 1:6] = 1
    found = labels.copy()
    found[2, 2] = 0  # a hole
    found[7, 7:] = 1  # a speck of two pixels
    return {
        "img_path": "1.png",
        "pred_sem_seg": {"data": torch.as_tensor(found, dtype=dtype)[None]},
        "gt_sem_seg": {"data": torch.as_tensor(labels)[None]},
    }


def clean_up(metrics, dataset=CLASSES, steps=STEPS):
    metric = METRICS.build({"type": "mmseg_ext.CleanUp", "steps": steps, "metrics": metrics})
    metric.dataset_meta = {"classes": dataset}
    return metric


@pytest.mark.parametrize("dtype", [torch.long, torch.float32, torch.bfloat16])
def test_scores_before_and_after_stand_side_by_side(tmp_path, dtype):
    MMLogger.get_instance("clean_up", log_file=str(tmp_path / "run.log"))
    sample = building_sample(dtype)
    before = sample["pred_sem_seg"]["data"].clone()
    metric = clean_up([{"type": "mmseg_ext.SegmentationMetric", "matrix_file": None}])
    metric.process({}, [sample])
    scalars = metric.evaluate(1)
    truth, found = sample["gt_sem_seg"]["data"].ravel(), before.long().ravel()
    ious = 100 * jaccard_score(truth, found, average=None)
    assert scalars["mIoU"] == scalars["IoU.building"] == 100.0
    assert scalars["before_clean_up/mIoU"] == pytest.approx(ious.mean(), abs=0.0051)
    assert scalars["before_clean_up/aAcc"] == pytest.approx(100 * accuracy_score(truth, found), abs=0.0051)
    assert torch.equal(sample["pred_sem_seg"]["data"], before)  # other metrics see what was predicted
    rows = [line.split() for line in (tmp_path / "run.log").read_text().splitlines()]
    assert ["before", "after", "change"] in rows
    assert ["IoU.building", f"{ious[1]:.2f}", "100.00", f"{100 - ious[1]:+.2f}"] in rows


def test_writers_inside_write_the_cleaned_up_prediction(tmp_path):
    metric = clean_up([{"type": "mmseg_ext.RLESubmission", "output": str(tmp_path / "out.csv")}])
    sample = building_sample()
    del sample["gt_sem_seg"]
    metric.process({}, [sample])
    assert metric.evaluate(1) == {}
    with (tmp_path / "out.csv").open() as file:
        assert list(csv.reader(file))[1] == ["1", "10 4 18 4 26 4 34 4 42 4"]


def test_classes_by_name_and_index():
    assert class_indices("all", CLASSES) == [0, 1]
    assert class_indices("building", CLASSES) == class_indices([1], CLASSES) == class_indices(1, CLASSES) == [1]
    metric = clean_up([], steps=[{"classes": "all", "min_area": 2}, {"classes": [0], "opening": 1}])
    assert [(s.class_index, s.min_area, s.opening) for s in metric.steps] == [(0, 2, 0), (1, 2, 0), (0, 0, 1)]


@pytest.mark.parametrize("classes", [["road"], [2], [-1]])
def test_classes_that_are_not_there(classes):
    with pytest.raises(UserError, match="`classes` of a clean-up step among land, building, got"):
        clean_up([], steps=[{"classes": classes, "min_area": 2}])


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"min_area": 2}, "steps of `classes` and any of"),
        ({"classes": "all"}, "steps of `classes` and any of"),
        ({"classes": "all", "min_size": 2}, "clean-up step: unexpected argument `min_size`"),
        ({"classes": "all", "min_area": -2}, "`min_area` to be a non-negative int, got -2"),
    ],
)
def test_steps_that_make_no_sense(step, message):
    with pytest.raises(UserError, match=message):
        CleanUp([step], [])
