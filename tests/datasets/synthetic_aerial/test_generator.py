import hashlib
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_ext.datasets.synthetic_aerial import draw_scene, generate_synthetic_aerial, generator
from mmseg_ext.errors import UserError

SMALL = {"num_train": 2, "num_val": 1, "num_test": 1, "size": 48, "seed": 3}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return generate_synthetic_aerial(tmp_path_factory.mktemp("aerial") / "deep" / "loveda", **SMALL)


def contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_layout_is_lovedas_and_numbers_are_unique(dataset):
    assert sorted(contents(dataset)) == sorted(
        [
            "Train/Rural/images_png/0.png",
            "Train/Rural/images_png/1.png",
            "Train/Rural/masks_png/0.png",
            "Train/Rural/masks_png/1.png",
            "Train/Urban/images_png/2.png",
            "Train/Urban/images_png/3.png",
            "Train/Urban/masks_png/2.png",
            "Train/Urban/masks_png/3.png",
            "Val/Rural/images_png/4.png",
            "Val/Rural/masks_png/4.png",
            "Val/Urban/images_png/5.png",
            "Val/Urban/masks_png/5.png",
            "Test/Rural/images_png/6.png",
            "Test/Urban/images_png/7.png",
            "dataset.json",
        ]
    )
    record = json.loads((dataset / "dataset.json").read_text())
    assert record["complete"] is True
    assert {name: record[name] for name in SMALL} == SMALL


def test_files_hold_what_was_drawn_by_two_decoders(dataset):
    image, labels = draw_scene("urban", 48, (3, 0, 1, 1))
    folder = dataset / "Train" / "Urban"
    np.testing.assert_array_equal(np.array(Image.open(folder / "images_png" / "3.png")), image)
    np.testing.assert_array_equal(np.array(Image.open(folder / "masks_png" / "3.png")), labels)
    np.testing.assert_array_equal(cv2.imread(str(folder / "images_png" / "3.png"))[..., ::-1], image)
    np.testing.assert_array_equal(cv2.imread(str(folder / "masks_png" / "3.png"), cv2.IMREAD_UNCHANGED), labels)


def test_bytes_are_the_same_everywhere(dataset, tmp_path):
    """The digest was measured with NumPy 1.26, 2.2 and 2.4, with and without AVX2."""
    again = generate_synthetic_aerial(tmp_path, **SMALL)
    assert contents(again) == contents(dataset)
    digest = hashlib.sha256()
    for name, data in contents(dataset).items():
        if name.endswith(".png"):
            digest.update(name.encode() + data)
    assert digest.hexdigest()[:16] == "799d30904710ae95"


def test_every_class_is_in_train_and_val(dataset):
    for split in ("Train", "Val"):
        masks = [np.array(Image.open(p)) for p in (dataset / split).glob("*/masks_png/*.png")]
        seen = set(np.unique(np.concatenate([m.ravel() for m in masks])).tolist())
        assert seen - {0} == {1, 2, 3, 4, 5, 6, 7}


def test_complete_dataset_is_left_alone(dataset, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("drawn again")

    monkeypatch.setattr(generator, "draw_scene", fail)
    before = {p: p.stat().st_mtime_ns for p in dataset.rglob("*")}
    assert generate_synthetic_aerial(str(dataset), **SMALL) == dataset
    assert {p: p.stat().st_mtime_ns for p in dataset.rglob("*")} == before


def test_interrupted_dataset_is_finished(dataset, tmp_path, monkeypatch):
    drawn = []

    def stop(*args, **kwargs):
        drawn.append(args)
        if len(drawn) == 4:
            raise KeyboardInterrupt
        return draw_scene(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(generator, "draw_scene", stop)
        with pytest.raises(KeyboardInterrupt):
            generate_synthetic_aerial(tmp_path, **SMALL)
    assert json.loads((tmp_path / "dataset.json").read_text())["complete"] is False
    generate_synthetic_aerial(tmp_path, **SMALL)
    assert contents(tmp_path) == contents(dataset)


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_damaged_dataset_is_mended(dataset, tmp_path, damage):
    generate_synthetic_aerial(tmp_path, **SMALL)
    victim = tmp_path / "Val" / "Rural" / "masks_png" / "4.png"
    if damage == "truncated":
        os.truncate(victim, 100)
    else:
        victim.unlink()
    generate_synthetic_aerial(tmp_path, **SMALL)
    assert contents(tmp_path) == contents(dataset)


def test_other_arguments_replace_the_dataset_but_no_foreign_file(dataset, tmp_path):
    generate_synthetic_aerial(tmp_path, **{**SMALL, "num_train": 4, "seed": 9})
    note = tmp_path / "Train" / "Urban" / "images_png" / "note.txt"
    note.write_text("mine")
    generate_synthetic_aerial(tmp_path, **SMALL)
    found = contents(tmp_path)
    assert found.pop("Train/Urban/images_png/note.txt") == b"mine"
    assert found == contents(dataset)


def test_foreign_folder_is_left_untouched(tmp_path):
    picture = tmp_path / "Train" / "Urban" / "images_png" / "1366.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"real")
    with pytest.raises(UserError, match="holds something else and is left untouched"):
        generate_synthetic_aerial(tmp_path, **SMALL)
    assert contents(tmp_path) == {"Train/Urban/images_png/1366.png": b"real"}


def test_root_that_is_a_file_is_an_error(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(UserError, match=r"got .*file, which holds something else"):
        generate_synthetic_aerial(file, **SMALL)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_train": -1}, "Expected `num_train` to be 0 or more, got -1"),
        ({"seed": -2}, "Expected `seed` to be 0 or more, got -2"),
        ({"size": 31}, "Expected `size` to be at least 32 pixels, got 31"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        generate_synthetic_aerial(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()
