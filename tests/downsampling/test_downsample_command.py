"""The command: its arguments, its exit status, what it prints."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_trees import load_command, make_ade20k

from mmseg_ext.downsampling import pair_copying

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ade20k(tmp_path):
    return make_ade20k(tmp_path)


@pytest.fixture(scope="module")
def downsample():
    return load_command()


def test_copies_lie_beside_the_source(ade20k, downsample, capsys):
    assert downsample([str(ade20k), "--factor", "2", "4", "--workers", "1"]) == 0
    out = capsys.readouterr().out
    for factor in (2, 4):
        root = ade20k.with_name(f"ADE_ds_{factor}")
        assert json.loads((root / "dataset.json").read_text())["factor"] == factor
        assert f"{root}: 5 images at 1/{factor}" in out


def test_a_folder_of_ones_own_and_every_option(ade20k, downsample, tmp_path, capsys):
    options = "--factor 3 --labels nearest --ignore 0 #9b9b9b --png --layout ade20k --workers 1 --shard 1/1 --strict"
    assert downsample([str(ade20k) + "/", str(tmp_path / "own"), *options.split()]) == 0
    found = json.loads((tmp_path / "own" / "dataset.json").read_text())
    assert found["filters"]["ignored"] == [0, "#9B9B9B"]
    assert (found["filters"]["labels"], found["filters"]["image_format"]) == ("nearest", "png")
    assert f"{tmp_path / 'own'}: 5 images at 1/3" in capsys.readouterr().out


def test_unusable_files_end_in_status_1(ade20k, downsample, capsys):
    (ade20k / "images/training/ADE_0.jpg").write_bytes(b"")
    assert downsample([str(ade20k), "--factor", "2", "--workers", "1"]) == 1
    error = capsys.readouterr().err
    assert f"{ade20k}/images/training/ADE_0.jpg: is empty" in error
    assert "1 files were left out" in error
    assert (ade20k.with_name("ADE_ds_2") / "dataset.json").is_file()
    assert downsample([str(ade20k), "--factor", "4", "--workers", "1", "--strict"]) == 1
    assert "Stopped there, as --strict asks" in capsys.readouterr().err
    assert not (ade20k.with_name("ADE_ds_4") / "dataset.json").exists()


def test_shards_say_what_is_missing(ade20k, downsample, capsys):
    assert downsample([str(ade20k), "--factor", "2", "--workers", "1", "--shard", "1/2"]) == 0
    assert "dataset.json is not written yet: shards 2 of 2 have not ended" in capsys.readouterr().out
    assert downsample([str(ade20k), "--factor", "2", "--workers", "1", "--shard", "2/2"]) == 0
    assert "not written" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--factor", "1"], "every --factor to be 2 or more, got 1"),
        (["DST", "--factor", "2", "4"], "one --factor with DST, got 2"),
        (["--factor", "2", "--shard", "half"], "--shard i/n, such as 1/4, got 'half'"),
        (["--factor", "2", "--shard", "3/2"], "with i from 1 to n, got 3/2"),
        (["--factor", "2", "--ignore", "sky"], "numbers or colours like '#9B9B9B' behind --ignore, got 'sky'"),
        (["--factor", "2", "--workers", "0"], "--workers to be 1 or more, got 0"),
        (["--factor", "2", "--quality", "0"], "quality from 1 to 100, got 0"),
        (["--factor", "2", "--layout", "loveda"], "the tree of --layout loveda"),
        (["--factor", "2", "--layout", "ade20k", "--folders", "images", "masks"], "--folders without --layout ade20k"),
        (["--factor", "2", "--layout", "ade20k", "--tails", "_sat", "_mask"], "--tails without --layout ade20k"),
    ],
)
def test_bad_input_ends_in_status_2_with_one_line(ade20k, downsample, capsys, arguments, message):
    assert downsample([str(ade20k), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_missing_source_and_an_unknown_tree(tmp_path, downsample, capsys):
    assert downsample([str(tmp_path / "nowhere"), "--factor", "2"]) == 2
    assert "found no such folder" in capsys.readouterr().err
    assert downsample([str(tmp_path), "--factor", "2"]) == 2
    assert "a tree of one of these kinds" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(ade20k, downsample, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pair_copying, "reduce_image", interrupted)
    assert downsample([str(ade20k), "--factor", "2", "--workers", "1"]) == 130
    assert "The same command goes on from here" in capsys.readouterr().err


def test_neither_torch_nor_mmengine_is_imported():
    code = (
        "import sys; import mmseg_ext.downsampling.options, mmseg_ext.progress; "
        "print([name for name in ('torch', 'mmengine', 'mmcv') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.strip() == "[]"
