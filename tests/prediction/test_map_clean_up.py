"""Clean-up in blocks against clean-up of the whole map."""

import numpy as np
import pytest
from color_predictor import smooth_colors

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.morphology import CleanUpStep, clean_up_map
from mmseg_ext.prediction import map_clean_up
from mmseg_ext.prediction.map_clean_up import build_steps, clean_up_blocks, configured_steps, parse_steps, reach_of


def test_blocks_give_the_whole_map(write_raster, monkeypatch):
    monkeypatch.setattr(map_clean_up, "BLOCK", 40)
    classes = smooth_colors(130, 170).argmax(axis=2).astype(np.uint8)
    classes[np.random.default_rng(0).random(classes.shape) < 0.05] = 0
    path = write_raster("classes.tif", classes)
    steps = [CleanUpStep(0, min_area=12), CleanUpStep(1, opening=1, closing=2), CleanUpStep(2, max_hole=9)]
    expected = clean_up_map(classes, steps)
    assert (expected != classes).sum() > 100
    blocks = list(clean_up_blocks(path, steps, nodata=255))
    assert [top for top, _ in blocks] == [0, 40, 80, 120]
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in blocks]), expected)


def test_what_has_no_data_stays_so(write_raster):
    classes = np.full((30, 30), 255, np.uint8)
    classes[5:12, 5:12] = 1
    classes[20, 20] = 0  # a speck whose nearest class is "no data"
    path = write_raster("classes.tif", classes)
    steps = [CleanUpStep(0, min_area=4), CleanUpStep(1, closing=3)]
    ((_, found),) = clean_up_blocks(path, steps, nodata=255)
    np.testing.assert_array_equal(found, classes)


def test_steps_that_reach_too_far_are_refused(write_raster):
    path = write_raster("classes.tif", np.zeros((8, 8), np.uint8))
    assert reach_of([CleanUpStep(0, opening=2, closing=1, max_hole=5, min_area=7)]) == 18
    with pytest.raises(UserError, match="at most 2048 pixels over all steps and classes, got 3000"):
        list(clean_up_blocks(path, [CleanUpStep(0, min_area=3000)], 255))


def test_steps_come_from_the_config_or_the_command():
    steps = [{"classes": ["water"], "min_area": 9}]
    inner = {"type": "mmseg_ext.SegmentationMetric"}
    config = {"test_evaluator": [inner, {"type": "mmseg_ext.CleanUp", "steps": steps, "metrics": inner}]}
    assert configured_steps(config) == steps
    assert configured_steps({"val_evaluator": inner}) == []
    assert build_steps(steps, ["land", "water"]) == [CleanUpStep(1, min_area=9)]
    of_all = build_steps(parse_steps(["max_hole=5", "min_area=7"]), ["land", "water"])
    assert of_all == [CleanUpStep(index, max_hole=5, min_area=7) for index in (0, 1)]
    for wrong in ("min_area", "min_area=x", "size=5"):
        with pytest.raises(UserError, match="Expected opening=, closing=, max_hole= or min_area="):
            parse_steps([wrong])
