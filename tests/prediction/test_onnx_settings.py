"""The entry of an ONNX file: written and read; nothing but data is taken from a file."""

import json

import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.prediction.onnx_settings import KEY, OnnxSettings, read_settings


def settings(**changes):
    values = {
        "names": ["land", "мост"],
        "palette": [[0, 1, 2], [255, 0, 0]],
        "threshold": None,
        "window": [64, 96],
        "overlap": [8, 0],
        "is_fixed": True,
        "fill": [1.5, 2.0, 3.0],
        "is_byte": True,
        "resize": [{"type": "Resize", "scale": [2048, 512], "keep_ratio": True}],
        "slide": {"crop_size": [64, 96], "stride": [40, 60]},
        "align_corners": False,
    }
    return OnnxSettings(**{**values, **changes})


def entry(**changes):
    return {KEY: json.dumps({**json.loads(settings().to_json()), **changes})}


def test_what_is_written_is_read():
    for written in (settings(), settings(threshold=0.37, slide=None, resize=[], is_byte=False)):
        assert read_settings({KEY: written.to_json()}, "m.onnx") == written


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"names": []},
        {"palette": [[0, 1, 2]]},
        {"palette": [[0, 1, 256], [0, 0, 0]]},
        {"window": [0, 64]},
        {"overlap": [-1, 0]},
        {"slide": {"crop_size": [64, 64]}},
        {"threshold": "0.5"},
        {"fill": [1, 2]},
        {"more": 1},
        {"resize": [{"type": "os.system", "command": "true"}]},
        {"resize": [{"type": "Resize", "scale": {"type": "os.system"}}]},
        {"resize": [{"type": "mmseg_ext.Resize", "scale": 64}]},
        {"resize": ["Resize"]},
    ],
)
def test_other_entries_are_refused(changes):
    with pytest.raises(UserError, match=r"Expected an ONNX file of this version of mmseg_ext, got m\.onnx"):
        read_settings(entry(**changes), "m.onnx")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(UserError, match="Expected an ONNX file of this version"):
        read_settings({KEY: text}, "m.onnx")


def test_a_file_of_another_program_is_refused():
    with pytest.raises(UserError, match=r"that tools/export\.py wrote, got other\.onnx"):
        read_settings({"names": "{}"}, "other.onnx")
