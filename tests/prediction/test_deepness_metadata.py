"""The metadata as the plugin reads them: every value parsed from JSON, converted by the plugin's conversions."""

import json

import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.prediction.deepness_metadata import deepness_metadata


def read_as_plugin(entries):
    """Read as `ModelBase` of Deepness 0.6.5 does, key by key."""
    names = json.loads(entries["class_names"])
    ordered = sorted(names.items(), key=lambda pair: int(pair[0]))
    assert [int(key) for key, _ in ordered] == list(range(len(ordered)))  # the plugin raises otherwise
    found = {
        "model_type": str(json.loads(entries["model_type"])).capitalize(),
        "names": [name for _, name in ordered],
        "tile_size": int(json.loads(entries["tile_size"])),
        "tiles_overlap": int(json.loads(entries["tiles_overlap"])),
        "mean": [float(x) for x in json.loads(entries["standardization_mean"])],
        "std": [float(x) for x in json.loads(entries["standardization_std"])],
        "seg_thresh": float(json.loads(entries["seg_thresh"])),
    }
    if "resolution" in entries:
        found["resolution"] = float(json.loads(entries["resolution"]))
    return found


@pytest.mark.parametrize("is_sigmoid", [False, True])
def test_the_plugin_reads_what_was_given(is_sigmoid):
    names = ["sol nu", "bâtiment"] + [f"class {n}" for n in range(10)]  # 10 comes behind 9, not behind 1
    entries = deepness_metadata(names, is_sigmoid, 512, 15, 12.5)
    assert read_as_plugin(entries) == {
        "model_type": "Segmentor",
        "names": names,
        "tile_size": 512,
        "tiles_overlap": 15,
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "seg_thresh": 0.5 if is_sigmoid else 0,
        "resolution": 12.5,
    }
    assert json.loads(entries["tiles_size"]) == 512  # the name in the plugin's documentation
    assert all(isinstance(value, str) for value in entries.values())


def test_an_unknown_resolution_is_left_to_the_user():
    assert "resolution" not in deepness_metadata(["a", "b"], False, 64, 0)


@pytest.mark.parametrize(("overlap", "resolution"), [(100, None), (-1, None), (15, 0.0), (15, float("nan"))])
def test_values_out_of_range_are_refused(overlap, resolution):
    with pytest.raises(UserError, match=r"Expected an overlap of 0 to 99 percent|Expected a resolution above 0"):
        deepness_metadata(["a", "b"], False, 64, overlap, resolution)
