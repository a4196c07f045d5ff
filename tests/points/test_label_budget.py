"""The label budget: what `labels=` may hold, what it says, and where it is found."""

import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import ConfigDict

from mmseg_ext.errors import UserError
from mmseg_ext.points.label_budget import LabelBudget, budget_of
from mmseg_ext.registry import TRANSFORMS

LOADED = {"type": "LoadAnnotations"}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({}, "Expected `labels` to be a dict such as"),
        (20, "Expected `labels` to be a dict such as .*, got 20"),
        ({"num_point": 20}, "labels: unexpected argument `num_point`. Did you mean `num_points`?"),
        ({"zzz": 20}, "unexpected argument `zzz`. It takes num_points, per"),
        ({"seed": 3}, "with `num_points` or `file`"),
        ({"num_points": None}, "with `num_points` or `file`"),
        ({"areas": "a.json"}, "with `num_points` or `file`"),
        ({"num_points": 20, "file": "a.csv"}, r"either `num_points` or `file`, got both.*labels.num_points=None"),
        ({"num_points": 0}, "`num_points` to be a positive int or None, got 0"),
        ({"num_points": "20"}, "`num_points` to be a positive int or None, got '20'"),
        ({"num_points": True}, "`num_points` to be a positive int or None, got True"),
        ({"num_points": 2.5}, "`num_points` to be a positive int or None, got 2.5"),
        ({"num_points": 1, "per": "pixel"}, "`per` to be 'image' or 'class'"),
        ({"num_points": 1, "strategy": "random"}, "`strategy` to be"),
        ({"num_points": 1, "per": "class", "strategy": "class_balanced"}, "balanced already"),
        ({"num_points": 1, "seed": "a"}, "`seed` to be an int, got 'a'"),
        ({"num_points": 1, "resample": 1}, "`resample` to be True or False, got 1"),
        ({"num_points": 1, "allow_empty": True}, "without `allow_empty`, which would have no effect"),
        ({"file": "a.csv", "per": "class", "seed": 1}, "`file` without `per`, `seed`.*labels.per=None"),
        ({"file": ""}, "`file` to be the path of a file or None, got ''"),
        ({"file": 3}, "`file` to be the path of a file or None, got 3"),
        ({"file": "a.csv", "classes": "road"}, "`classes` to be a list"),
        ({"file": "a.csv", "classes": [1]}, "`classes` to be a list"),
        ({"num_points": 1, "areas": 3}, "`areas` to be the path of a file"),
        ({"num_points": 1, "grow": 16}, r"`grow` to be True or a dict such as dict\(radius=16\), got 16"),
        ({"num_points": 1, "grow": {"raduis": 3}}, "labels.grow: unexpected argument `raduis`. Did you mean `radius`?"),
        ({"num_points": 1, "grow": {"radius": 0}}, "`radius` to be a positive int, got 0"),
        ({"num_points": 1, "grow": {"sigma": "2"}}, "`sigma` to be a non-negative number, got '2'"),
        ({"complete": True}, "with `num_points` or `file`"),
        (
            {"num_points": 1, "complete": 0.5},
            r"`complete` to be True or a dict such as dict\(min_confidence=0.5\), got 0",
        ),
        ({"num_points": 1, "complete": {"confidence": 1}}, "labels.complete: unexpected argument `confidence`"),
        ({"num_points": 1, "complete": {"min_confidence": 55}}, r"`min_confidence` to be a number in \[0, 1\], got 55"),
        ({"num_points": 1, "complete": {"model": "lite0"}}, "`model` to be a config"),
        ({"num_points": 1, "complete": {"scale": 512}}, "`scale` to be a list"),
        ({"num_points": 1, "complete": True, "grow": True}, "`complete` without `grow`.*labels.grow=None"),
        ({"num_points": 1, "complete": True, "resample": True}, "`complete` without `resample`"),
    ],
)
def test_what_does_not_fit_is_refused(labels, message):
    with pytest.raises(UserError, match=message):
        LabelBudget.from_config(labels)


@pytest.mark.parametrize(
    ("labels", "types", "sparsity"),
    [
        ({"num_points": 20}, ["SamplePoints"], "points"),
        ({"num_points": 20, "grow": False, "areas": None}, ["SamplePoints"], "points"),
        ({"file": Path("a.csv"), "areas": "a.json"}, ["LoadPointAnnotations", "WeighLabels"], "points"),
        ({"num_points": 1, "areas": "a.json", "grow": True}, ["SamplePoints", "GrowPoints", "WeighLabels"], "regions"),
        ({"file": "a.csv", "grow": {"radius": 3}}, ["LoadPointAnnotations", "GrowPoints"], "regions"),
        ({"num_points": 1, "complete": True, "areas": "a.json"}, ["LoadCompletedAnnotations"], None),
        ({"file": "a.csv", "complete": {"weigh": True}}, ["LoadCompletedAnnotations"], None),
        ({"num_points": 1, "complete": {"min_confidence": 0.55}}, ["LoadCompletedAnnotations"], "regions"),
        ({"num_points": 1, "complete": False}, ["SamplePoints"], "points"),
    ],
)
def test_steps_stand_in_their_order(labels, types, sparsity):
    budget = LabelBudget.from_config(ConfigDict(labels))
    assert [step["type"] for step in budget.steps()] == [f"mmseg_ext.{name}" for name in types]
    assert budget.sparsity == sparsity


def test_steps_have_the_settings_and_build():
    labels = {"num_points": 3, "per": "class", "seed": 5, "resample": True, "grow": {"radius": 4, "sigma": 0}}
    sample, grow = (TRANSFORMS.build(step) for step in LabelBudget.from_config(labels).steps())
    assert (sample.num_points, sample.per, sample.strategy) == (3, "class", "uniform")
    assert (sample.seed, sample.resample) == (5, True)
    assert (grow.radius, grow.tolerance, grow.sigma) == (4, 12, 0)
    clicked = LabelBudget.from_config({"file": "a.csv", "classes": ["a", "b"], "allow_empty": True}).steps()
    loader = {"type": "mmseg_ext.LoadPointAnnotations", "file": "a.csv", "classes": ("a", "b"), "allow_empty": True}
    loader["frame"] = "shown"
    assert clicked == [loader]


@pytest.mark.parametrize(
    ("labels", "long", "short"),
    [
        ({"num_points": 20}, "20 points per image", "20 pts/image"),
        (
            {"num_points": 1, "per": "class", "resample": True},
            "1 points per class, resample True",
            "1 pt/class, redrawn",
        ),
        ({"num_points": 3, "seed": 5}, "3 points per image, seed 5", "3 pts/image"),
        ({"num_points": 3, "strategy": "class_balanced"}, "3 points per image, strategy class_balanced", "3 pts/image"),
        ({"file": "points.csv"}, "points of points.csv", "clicked points"),
        (
            {"file": "a.csv", "grow": True, "areas": "a.json"},
            "points of a.csv, grown, weighed by a.json",
            "clicked points, grown, weighed",
        ),
        ({"num_points": 20, "complete": True}, "20 points per image, completed", "20 pts/image, completed"),
        (
            {"file": "a.csv", "complete": {"min_confidence": 0.55, "weigh": True}},
            "points of a.csv, completed ≥ 0.55, weighed by their confidence",
            "clicked points, completed ≥ 0.55, by confidence",
        ),
    ],
)
def test_it_is_described(labels, long, short):
    budget = LabelBudget.from_config(labels)
    assert (budget.describe(), budget.describe(short=True)) == (long, short)


@pytest.mark.parametrize("scope", ["", "mmseg_ext."])
def test_steps_of_a_pipeline_are_found_as_labels_are(scope):
    steps = [LOADED, {"type": f"{scope}SamplePoints", "num_points": 3, "seed": 5, "data_root": "data"}]
    budget = budget_of({"pipeline": steps})
    assert budget == budget_of({"labels": {"num_points": 3, "seed": 5}, "pipeline": [LOADED]})
    grown = {"type": f"{scope}GrowPoints", "radius": 3}
    weighed = {"type": f"{scope}WeighLabels", "areas": "a.json"}
    loader = {"type": f"{scope}LoadPointAnnotations", "file": "a.csv", "classes": ["a"]}
    found = budget_of({"pipeline": [loader, grown, weighed]})
    labels = {"file": "a.csv", "classes": ["a"], "grow": {"radius": 3}, "areas": "a.json"}
    assert found == LabelBudget.from_config(labels)
    dense = budget_of({"pipeline": [LOADED, weighed]})
    assert (dense.sparsity, dense.describe()) == (None, "all, weighed by a.json")
    assert budget_of({"pipeline": [{"type": f"{scope}LoadCompletedAnnotations"}]}) is None
    inside = {"type": "RandomApply", "transforms": [{"type": f"{scope}SamplePoints", "num_points": 3}]}
    assert budget_of({"pipeline": [LOADED, inside]}).num_points == 3


def test_it_is_found_inside_wrappers():
    full = {"type": "A", "pipeline": [LOADED]}
    sparse = {"type": "A", "labels": {"num_points": 7}, "pipeline": [LOADED]}
    assert budget_of(full) is None
    assert budget_of({"type": "A"}) is None
    assert budget_of(None) is None
    repeated = {"type": "RepeatDataset", "dataset": {"type": "ClassBalancedDataset", "dataset": sparse}}
    for wrapped in (repeated, {"type": "ConcatDataset", "datasets": [full, sparse]}, [full, sparse]):
        assert budget_of(wrapped).num_points == 7
    assert budget_of({"type": "ConcatDataset", "datasets": [full, full]}) is None
    mixed = {"type": "MultiImageMixDataset", "dataset": sparse, "pipeline": [{"type": "RandomMosaic"}]}
    assert budget_of(ConfigDict(mixed)).num_points == 7
    with pytest.raises(UserError, match="SamplePoints with `num_points`"):
        budget_of({"pipeline": [{"type": "SamplePoints"}]})


def test_importing_it_is_cheap():
    code = "import sys, mmseg_ext.points.label_budget; print(sorted({'torch', 'mmengine', 'numpy'} & set(sys.modules)))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "[]\n"
