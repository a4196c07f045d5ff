import hashlib
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_ext.datasets import synthetic_aerial
from mmseg_ext.datasets.synthetic_aerial import draw_scene, generate_synthetic_aerial
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


def test_large_images_need_several_png_blocks():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (200, 200, 3), np.uint8)
    data = synthetic_aerial._encode_png(image)
    assert len(data) == synthetic_aerial._png_length(200, 3)
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1], image)


def test_another_seed_and_another_number_give_other_pictures():
    first, _ = draw_scene("rural", 48, (0, 0, 0, 1))
    for seed in ((1, 0, 0, 1), (0, 0, 0, 2), (0, 1, 0, 1)):
        assert (draw_scene("rural", 48, seed)[0] != first).mean() > 0.5


@pytest.mark.parametrize("seed", [0, 37, 50])  # the first attempt lacks a class in rural 37 and in urban 50
def test_first_pictures_show_all_classes(seed):
    rural = draw_scene("rural", 256, (seed, 0, 0, 0), complete=True)[1]
    urban = draw_scene("urban", 256, (seed, 0, 1, 0), complete=True)[1]
    assert set(range(1, 8)) <= set(np.unique(rural[rural > 0]))
    assert set(range(1, 7)) <= set(np.unique(urban))


def test_every_class_is_in_train_and_val(dataset):
    for split in ("Train", "Val"):
        masks = [np.array(Image.open(p)) for p in (dataset / split).glob("*/masks_png/*.png")]
        seen = set(np.unique(np.concatenate([m.ravel() for m in masks])).tolist())
        assert seen - {0} == {1, 2, 3, 4, 5, 6, 7}


def test_no_data_is_black_and_at_the_border_of_some_pictures():
    shares = []
    for index in range(1, 25):
        image, labels = draw_scene("urban", 48, (0, 0, 1, index))
        missing = labels == 0
        shares.append(missing.mean())
        assert not image[missing].any()
        assert not missing[10:-10, 10:-10].any()
    assert 1 <= np.count_nonzero(shares) <= 12
    assert max(shares) < 0.2


def test_color_alone_does_not_solve_it():
    def load(indices):
        pairs = [draw_scene(s, 96, (0, 0, k, i), i == 0) for k, s in enumerate(("rural", "urban")) for i in indices]
        return np.stack([p[0] for p in pairs]).astype(np.float32), np.stack([p[1] for p in pairs])

    images, labels = load(range(6))
    means = np.stack([images[labels == c].mean(axis=0) for c in range(1, 8)])
    images, labels = load(range(6, 10))
    predicted = 1 + ((images[..., None, :] - means) ** 2).sum(axis=-1).argmin(axis=-1)
    valid = labels > 0
    ious = [
        ((predicted == c) & (labels == c)).sum() / (((predicted == c) | (labels == c)) & valid).sum()
        for c in range(1, 8)
    ]
    assert 0.05 < np.mean(ious) < 0.45


def test_complete_dataset_is_left_alone(dataset, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("drawn again")

    monkeypatch.setattr(synthetic_aerial, "draw_scene", fail)
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
        patch.setattr(synthetic_aerial, "draw_scene", stop)
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


def test_bad_scene():
    with pytest.raises(UserError, match="'urban' or 'rural', got 'suburb'"):
        draw_scene("suburb", 48, (0,))
