"""Where the steps of a label budget come to stand, and which pipelines are refused."""

import pytest
from mmseg.datasets.transforms import RandomCrop as StockRandomCrop

from mmseg_ext.datasets.label_steps import with_label_budget
from mmseg_ext.errors import UserError
from mmseg_ext.points.label_budget import LabelBudget
from mmseg_ext.transforms import RandomCrop

LOAD = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}]
PACK = {"type": "mmseg_ext.PackSegInputs"}
POINTS = LabelBudget(num_points=3)
SCALE = {"scale": (64, 48)}


def types(pipeline):
    return [step["type"] for step in pipeline]


def test_sampling_follows_the_loading_and_a_file_takes_its_place():
    pipeline = [*LOAD, {"type": "RandomFlip", "prob": 0.5}, {"type": "PhotoMetricDistortion"}, PACK]
    placed = with_label_budget(pipeline, LabelBudget(num_points=3, grow={}))
    assert types(placed)[:4] == [*types(LOAD), "mmseg_ext.SamplePoints", "mmseg_ext.GrowPoints"]
    assert placed[4:] == pipeline[2:]
    clicked = with_label_budget(pipeline, LabelBudget(file="a.csv"))
    assert types(clicked)[:2] == ["LoadImageFromFile", "mmseg_ext.LoadPointAnnotations"]
    assert clicked[2:] == pipeline[2:]
    assert types(pipeline)[:2] == types(LOAD), "the config itself stays as it is"


def test_inside_test_time_augmentation_each_step_has_a_list_of_its_own():
    flips = [{"type": "mmseg_ext.RandomFlip", "prob": p} for p in (0.0, 1.0)]
    tta = {"type": "TestTimeAug", "transforms": [flips, [LOAD[1]], [PACK]]}
    budget = LabelBudget(num_points=3, areas="a.json")
    (_, placed) = with_label_budget([LOAD[0], tta], budget)
    assert placed["transforms"] == [flips, [LOAD[1]], *[[step] for step in budget.steps()], [PACK]]


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ([], "one step that loads labels, named …Annotations.*got 0 among no steps"),
        ([LOAD[0], PACK], "got 0 among LoadImageFromFile, PackSegInputs"),
        ([*LOAD, LOAD[1]], "got 2 among"),
        ([*LOAD, {"type": "mmseg_ext.SamplePoints", "num_points": 3}], "without SamplePoints where `labels` is given"),
        ([*LOAD, {"type": "WeighLabels", "areas": "a"}], "without WeighLabels"),
    ],
)
def test_a_pipeline_without_loading_or_with_a_budget_is_refused(pipeline, message):
    with pytest.raises(UserError, match=message):
        with_label_budget(pipeline, POINTS)


@pytest.mark.parametrize(
    ("step", "named", "mend"),
    [
        ({"type": "Resize", **SCALE}, "got Resize,", "mmseg_ext.Resize"),
        ({"type": "mmseg.Resize", **SCALE}, "got Resize,", "mmseg_ext.Resize"),
        ({"type": "RandomResize", **SCALE}, "got RandomResize,", "mmseg_ext.RandomResize"),
        (
            {"type": "mmseg_ext.RandomResize", "resize_type": "Resize", **SCALE},
            "RandomResize.resize_type='Resize'",
            "=",
        ),
        ({"type": "RandomChoiceResize", "scales": [1]}, "got RandomChoiceResize,", "resize_type='mmseg_ext.Resize'"),
        (
            {"type": "RandomChoiceResize", "resize_type": "ResizeShortestEdge"},
            "RandomChoiceResize.resize_type='ResizeShortestEdge'",
            "resize_type='mmseg_ext.Resize'",
        ),
        ({"type": "RandomCrop", "crop_size": 3}, "got RandomCrop,", "mmseg_ext.RandomCrop"),
        ({"type": StockRandomCrop, "crop_size": 3}, "got RandomCrop,", "mmseg_ext.RandomCrop"),
        (StockRandomCrop(3), "got RandomCrop,", "mmseg_ext.RandomCrop"),
        ({"type": "RandomRotate", "prob": 1, "degree": 9}, "got RandomRotate,", "Take it out"),
        ({"type": "RandomApply", "transforms": [{"type": "Resize", **SCALE}]}, "got Resize,", "mmseg_ext.Resize"),
    ],
)
def test_a_step_that_loses_points_is_named_with_its_drop_in(step, named, mend):
    with pytest.raises(UserError, match=f"{named}.*which loses them.*{mend}"):
        with_label_budget([*LOAD, step, PACK], POINTS)
    assert with_label_budget([LOAD[0], step, LOAD[1], PACK], POINTS), "before the labels are loaded it loses none"
    assert with_label_budget([*LOAD, step, PACK], LabelBudget(num_points=3, grow={})), "regions are resized as in stock"


@pytest.mark.parametrize(
    "step",
    [
        {"type": "mmseg_ext.Resize", **SCALE},
        {"type": "mmseg_ext.RandomResize", **SCALE},
        {"type": "mmseg_ext.RandomResize", "resize_type": "mmseg_ext.PointSafeResize", **SCALE},
        {"type": "RandomResize", "resize_type": "mmseg_ext.Resize", **SCALE},
        {"type": "RandomChoiceResize", "scales": [1], "resize_type": "mmseg_ext.Resize"},
        {"type": "mmseg_ext.RandomCrop", "crop_size": 3},
        {"type": RandomCrop, "crop_size": 3},
        RandomCrop(3),
        {"type": "RandomFlip", "prob": 0.5},
    ],
)
def test_steps_that_keep_points_stay(step):
    assert with_label_budget([*LOAD, step, PACK], POINTS)[3:] == [step, PACK]
