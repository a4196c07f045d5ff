"""Weights in folders of the Hugging Face hub."""

import json

import pytest
import torch
from safetensors.torch import save_file

from mmseg_ext.errors import UserError
from mmseg_ext.models.backbones.weight_files import read_weights

INDEX = "model.safetensors.index.json"


def test_weights_in_several_files_are_read_by_their_index(tmp_path):
    save_file({"a": torch.ones(2)}, tmp_path / "1.safetensors")
    save_file({"b": torch.zeros(3)}, tmp_path / "2.safetensors")
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}))
    weights = read_weights(str(tmp_path))
    assert {name: tuple(weight.shape) for name, weight in weights.items()} == {"a": (2,), "b": (3,)}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        "[" * 100_000,
        '{"weight_map": []}',
        '{"weight_map": {}}',
        '{"weight_map": {"a": 1}}',
        '{"weight_map": {"a": ["x"]}}',
        '{"weight_map": {"a": "1", "b": 1}}',
        '{"weight_map": {"a": "../1.safetensors"}}',
        '{"weight_map": {"a": "/etc/passwd"}}',
    ],
)
def test_a_malformed_index_is_one_line(tmp_path, content):
    (tmp_path / INDEX).write_text(content)
    with pytest.raises(UserError, match=r"Expected an index of weights .*index\.json, got something else") as caught:
        read_weights(str(tmp_path))
    assert "\n" not in str(caught.value)
