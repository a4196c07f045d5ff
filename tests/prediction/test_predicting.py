"""tools/predict.py from its flags to its last line."""

import importlib.util
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from color_predictor import smooth_colors
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def main():
    spec = importlib.util.spec_from_file_location("predict_tool", ROOT / "tools" / "predict.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_a_folder_of_photos_and_a_raster(main, tiny_run, photos, write_raster, tmp_path, capsys):
    pytest.importorskip("rasterio")
    write_raster("photos/map.tif", smooth_colors(90, 80))
    out = tmp_path / "out"
    flags = ["--overlay", "--polygons", "geojson", "--min-area", "5", "--window", "64", "--clean-up", "min_area=5"]
    assert main([str(tiny_run), str(photos), "--out", str(out), *flags]) == 0
    assert f"{out}: 7 predicted, 0 kept from before, 0 failed" in capsys.readouterr().out
    with Image.open(out / "class_maps" / "a" / "0.png") as image:
        assert image.mode == "P"
        assert image.getpalette()[:9] == [9, 9, 9, 0, 0, 255, 255, 255, 0]
        assert np.array(image).max() < 3
    assert {path.suffix for path in (out / "class_maps").rglob("*.*")} == {".png", ".tif"}
    assert len(list((out / "overlays").rglob("*.jpg"))) == len(list((out / "polygons").rglob("*.geojson"))) == 7
    assert main([str(tiny_run), str(photos), "--out", str(out), *flags]) == 0
    assert "0 predicted, 7 kept from before" in capsys.readouterr().out


def test_inputs_that_fail_give_status_1_and_are_listed(main, tiny_run, photos, tmp_path, capsys):
    (photos / "a" / "bro\x1bken.png").write_bytes(b"no image")
    assert main([str(tiny_run), str(photos / "a"), "--out", str(tmp_path / "out")]) == 1
    printed = capsys.readouterr()
    assert re.search(r"^not predicted: .*bro\?ken\.png: ", printed.err, re.MULTILINE)
    assert "3 predicted, 0 kept from before, 1 failed" in printed.out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--window 0", "Expected --window to be at least 1, got 0"),
        ("--window 64 --overlap 40", "Expected --overlap to be at most 32, half of the window, got 40"),
        ("--batch-size 0", "Expected --batch-size to be at least 1"),
        ("--simplify 1", "Expected --polygons gpkg or geojson with --simplify"),
        ("--resize 0", "Expected --resize to be a positive factor"),
        ("--shard 3/2", "Expected --shard i/n"),
        ("--clean-up", "Expected the steps of the config's mmseg_ext.CleanUp"),
        ("--clean-up size=3", "Expected opening=, closing=, max_hole= or min_area="),
        ("--value-range 5 5", "Expected a value range of two numbers"),
        ("--device nonsense", "Expected a device such as cpu"),
        ("--checkpoint nowhere.pth", "Expected a config file, found none"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(main, tiny_run, photos, tmp_path, capsys, flags, message):
    assert main([str(tiny_run), str(photos), "--out", str(tmp_path / "out"), *shlex.split(flags)]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed
    assert len([line for line in printed.splitlines() if line.startswith("error")]) == 1


def test_no_model_and_no_input_are_one_line(main, tiny_run, photos, tmp_path, capsys):
    for arguments, message in (
        ([str(tmp_path / "none"), str(photos)], "Expected a trained model at"),
        ([str(tiny_run), str(tmp_path / "none")], "Expected an image, a folder, a pattern or a list"),
    ):
        assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err
