import json

import numpy as np
import pytest
from picture_files import save_picture_file
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.statistics.dataset_statistics import (
    measure_image,
    rare_class_probabilities,
    read_statistics,
    summarize,
)

A_HW = np.array([[0, 0, 1], [255, 1, 1]], np.uint8)
B_HW = np.array([[0, 0], [0, 2]], np.uint8)


def test_counts_by_hand():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*labels.shape, 3), dtype=np.uint8) for labels in (A_HW, B_HW)]
    measured = {n: measure_image(m, 4, i) for n, m, i in zip("ab", (A_HW, B_HW), images, strict=True)}
    record = summarize(measured, ["w", "x", "y", "z"], [[0, 0, 0]] * 4, "made, train")
    assert json.loads(json.dumps(record)) == record
    assert record["num_images"] == 2
    assert record["num_pixels"] == 10
    assert record["num_labelled_pixels"] == 9
    assert record["class_pixels"] == [5, 3, 1, 0]
    assert record["class_images"] == [2, 1, 1, 0]
    assert record["pixels_where_shown"] == [9, 5, 4, 0]
    assert record["co_occurrence"] == [[2, 1, 1, 0], [1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]
    assert record["sizes"] == {"2x2": 1, "2x3": 1}
    assert record["images"] == {"a": [2, 3, 0, 0], "b": [3, 0, 1, 0]}
    pixels_NK = np.concatenate([image.reshape(-1, 3) for image in images])[:, ::-1].astype(float)
    assert record["image_mean"] == pytest.approx(pixels_NK.mean(0).tolist())
    assert record["image_std"] == pytest.approx(pixels_NK.std(0).tolist())
    frequency = [5 / 9, 3 / 5, 1 / 4]
    expected = [5 / 9 / f for f in frequency] + [0]
    assert record["weights"]["median_frequency"] == pytest.approx(expected)


def test_labels_alone_give_no_colours():
    record = summarize({"a": measure_image(A_HW, 2)}, ["w", "x"])
    assert record["image_mean"] is record["image_std"] is None
    with pytest.raises(UserError, match="at least one image"):
        summarize({}, ["w"])
    with pytest.raises(UserError, match=r"labels in 0\.\.1 \(or 255 where ignored\), got \[2\]"):
        measure_image(B_HW, 2)


def test_rare_classes_are_likelier_by_daformers_rule():
    pixels = np.array([700, 200, 90, 10, 0])
    frequency = pixels[:4] / 1000
    for temperature in (0.01, 0.3, 1e6):
        terms = np.exp((1 - frequency) / temperature)
        got = rare_class_probabilities(pixels, temperature)
        assert got[:4] == pytest.approx(terms / terms.sum())
        assert got[4] == 0
    assert np.isfinite(rare_class_probabilities(pixels, 1e-5)).all()
    with pytest.raises(UserError, match="got none"):
        rare_class_probabilities(np.zeros(3, int))


@pytest.fixture
def config(loveda_root, tmp_path):
    path = tmp_path / "config.py"
    path.write_text(
        f"""
pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomCrop", crop_size=(4, 4)),
    dict(type="PackSegInputs"),
]
dataset = dict(type="mmseg_ext.LoveDADataset", data_root="{loveda_root}", split="train", pipeline=pipeline)
train_dataloader = dict(dataset=dataset)
"""
    )
    return path


def test_the_command_counts_whole_files_and_draws_a_page(config, loveda_root, tmp_path, capsys):
    from tools.dataset_stats import main

    out = tmp_path / "out" / "statistics.json"
    assert main([str(config), "--out", str(out)]) == 0
    record = read_statistics(out)
    masks = [np.asarray(Image.open(p)).astype(int) for p in sorted(loveda_root.glob("Train/*/masks_png/*.png"))]
    assert record["class_pixels"] == [sum(int((m == c).sum()) for m in masks) for c in range(1, 8)]
    assert record["num_images"] == len(record["images"]) == len(masks) == 12
    assert record["sizes"] == {"12x16": 12}
    assert next(iter(record["images"])) == "Train/Urban/images_png/1.png"
    page = Image.open(out.with_suffix(".png"))
    assert page.width > 1000
    assert len(page.convert("RGB").getcolors(1 << 24)) > 20
    printed = capsys.readouterr().out
    assert "| building | 14." in printed
    assert "median_frequency" in printed


def test_the_command_counts_the_points_that_are_trained_on(config, tmp_path):
    from tools.dataset_stats import main

    text = config.read_text().replace(
        'dict(type="LoadAnnotations"),',
        'dict(type="LoadAnnotations"), dict(type="mmseg_ext.SamplePoints", num_points=3),',
    )
    config.write_text(text)
    assert main([str(config), "--out", str(tmp_path / "statistics.json")]) == 0
    assert read_statistics(tmp_path / "statistics.json")["num_labelled_pixels"] == 12 * 3


def test_a_label_of_no_class_is_an_error_with_the_files_name(config, loveda_root, tmp_path, capsys):
    from tools.dataset_stats import main

    save_picture_file(loveda_root / "Train/Rural/masks_png/12.png", np.full((12, 16), 9, np.uint8))
    assert main([str(config), "--out", str(tmp_path / "statistics.json")]) == 2
    error = capsys.readouterr().err
    assert "12.png: Expected labels in 0..6 (or 255 where ignored), got [8]" in error
    assert not (tmp_path / "statistics.json").exists()


def test_a_file_that_is_no_record_is_refused(tmp_path):
    path = tmp_path / "statistics.json"
    with pytest.raises(UserError, match=r"found no file\. Write it with: python tools/dataset_stats\.py"):
        read_statistics(path)
    big = '{"format": 1, "classes": ["a"], "images": {"x": [1' + "0" * 400 + "]}}"
    contents = ["[" * 200_000, "9" * 5000, big, '{"format": 1, "classes": ["a"], "images": {"x": [["y"]]}}', "\x00"]
    for content in ("[]", "{}", "no json", *contents):
        path.write_text(content)
        with pytest.raises(UserError, match="got something else"):
            read_statistics(path)
    for classes, row in ((["a"], [1, 2]), (["a"], [-1]), ([1], [1]), (["a"], 1)):
        path.write_text(json.dumps({"format": 1, "classes": classes, "images": {"x": row}}))
        with pytest.raises(UserError, match="format 1"):
            read_statistics(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="Cannot read the statistics"):
        read_statistics(path)


def test_the_command_overwrites_its_own_files_alone(config, tmp_path, capsys):
    from tools.dataset_stats import main

    out = tmp_path / "found.json"
    assert main([str(config), "--out", str(tmp_path / "found.png")]) == 2
    out.with_suffix(".png").write_bytes(b"a photograph")
    assert main([str(config), "--out", str(out)]) == 2
    assert "Expected no file at" in capsys.readouterr().err
    assert out.with_suffix(".png").read_bytes() == b"a photograph"
    out.with_suffix(".png").unlink()
    assert [main([str(config), "--out", str(out)]) for _ in range(2)] == [0, 0]
    out.write_text("{}")
    assert main([str(config), "--out", str(out)]) == 2
    assert out.read_text() == "{}"
