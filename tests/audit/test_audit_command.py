"""tools/audit_labels.py on a tiny dataset."""

import csv
import importlib.util
import json
import re
from pathlib import Path

import numpy as np
from conftest import truth_of, write_labels
from PIL import Image

from mmseg_ext.files import read_cache_file, write_cache_file

ROOT = Path(__file__).resolve().parents[2]


def audit(*arguments):
    spec = importlib.util.spec_from_file_location("command_audit_labels", ROOT / "tools" / "audit_labels.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main([*map(str, arguments)])


def read_list(out):
    return list(csv.DictReader((out / "labels.csv").read_text().splitlines()))


def test_wrong_areas_come_first_and_are_corrected(config_file, fields, tmp_path, capsys):
    dropped_HW = truth_of(2)
    dropped_HW[dropped_HW == 2] = 0
    write_labels(fields, 2, dropped_HW)
    swapped_HW = truth_of(5)
    swapped_HW[swapped_HW == 2] = 1
    write_labels(fields, 5, swapped_HW)
    out = tmp_path / "out"
    assert audit(config_file, "--out", out) == 0
    shown = capsys.readouterr().out
    assert "8 images judged in 5 folds, 8 of them now" in shown
    assert f"\n{out / 'index.html'}: open it in a browser" in shown
    rows = read_list(out)
    first = {(row["image"], row["kind"], row["class"], row["predicted"]) for row in rows[:2]}
    assert first == {
        ("images/2.png", "missing object", "field", "house"),
        ("images/5.png", "wrong class", "lake", "house"),
    }
    images = list(csv.DictReader((out / "images.csv").read_text().splitlines()))
    assert {row["image"] for row in images[:2]} == {"images/2.png", "images/5.png"}
    losses = [float(row["mean_loss"]) for row in images]
    assert losses == sorted(losses, reverse=True)
    for row in images:
        places = [float(place["score"]) for place in rows if place["image"] == row["image"]]
        assert int(row["places"]) == len(places)
        assert float(row["worst_score"] or 0) == max(places, default=0)


def test_what_is_done_is_not_done_again(config_file, fields, tmp_path, capsys):
    out = tmp_path / "out"
    assert audit(config_file, "--out", out) == 0
    first = (out / "labels.csv").read_bytes()
    lost = next((out / "records").rglob("3.png.json.gz"))
    lost.write_bytes(lost.read_bytes()[:-9])
    capsys.readouterr()
    assert audit(config_file, "--out", out) == 0
    assert "8 images judged in 5 folds, 1 of them now" in capsys.readouterr().out
    assert (out / "labels.csv").read_bytes() == first
    assert "score on the rest" not in first.decode()


def test_records_of_an_earlier_format_are_made_anew(config_file, tmp_path, capsys):
    out = tmp_path / "out"
    assert audit(config_file, "--out", out) == 0
    first = (out / "labels.csv").read_bytes()
    for name, change in (("3.png", lambda kept: kept[1]), ("4.png", lambda kept: [0, kept[1]])):
        path = next((out / "records").rglob(f"{name}.json.gz"))
        write_cache_file(path, change(read_cache_file(path)))
    capsys.readouterr()
    assert audit(config_file, "--out", out) == 0
    assert "8 images judged in 5 folds, 2 of them now" in capsys.readouterr().out
    assert (out / "labels.csv").read_bytes() == first


def test_answers_correct_copies(config_file, fields, tmp_path, capsys):
    dropped_HW = truth_of(2)
    dropped_HW[dropped_HW == 2] = 0
    write_labels(fields, 2, dropped_HW)
    before = {path.name: path.read_bytes() for path in (fields / "masks").iterdir()}
    out, fixed = tmp_path / "out", tmp_path / "fixed"
    assert audit(config_file, "--out", out, "--apply", fixed) == 2
    assert "Expected answers in" in capsys.readouterr().err
    (row,) = [row for row in read_list(out) if row["image"] == "images/2.png" and row["kind"] == "missing object"]
    page = re.search(r'"audit": ?"(\w+)"', (out / "index.html").read_text()).group(1)
    (out / "answers.json").write_text(json.dumps({"audit": page, "answers": {row["id"]: "wrong", "gone": "wrong"}}))
    for how, expected_of in (("prediction", 2), ("ignore", 255)):
        assert audit(config_file, "--out", out, "--apply", fixed, "--how", how) == 0
        shown = capsys.readouterr().out
        assert f"{fixed}: 8 masks; 1 place corrected" in shown
        assert "1 answer is about no place of this audit" in shown
        for index in range(8):
            found_HW = np.array(Image.open(fixed / "labels/images" / f"{index}.png"))
            expected_HW = truth_of(index) if index != 2 else np.where(truth_of(2) == 2, expected_of, truth_of(2))
            assert (found_HW != expected_HW).mean() < 0.01, index
            assert index == 2 or (found_HW == expected_HW).all()
    assert before == {path.name: path.read_bytes() for path in (fields / "masks").iterdir()}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("")
    assert audit(config_file, "--out", out, "--apply", tmp_path / "other") == 2
    assert "Expected a new or empty folder" in capsys.readouterr().err


def test_points_are_judged_and_corrected(config_file, fields, tmp_path, capsys):
    lines = ["image,x,y,class"]
    for index in range(8):
        truth_HW = truth_of(index)
        for x, y in (
            (4, 9),
            (6, 50),
            (30, 3),
            (31, 60),
            *((int(c) + 5, int(r) + 5) for r, c in [np.argwhere(truth_HW == 2)[0]]),
        ):
            lines.append(f"images/{index}.png,{x},{y},{('field', 'lake', 'house')[truth_HW[y, x]]}")
    lines[1] = lines[1].replace("lake", "house")
    (tmp_path / "points.csv").write_text("\n".join(lines) + "\n")
    options = ["--cfg-options", "train_dataloader.dataset.labels.file=points.csv"]
    out = tmp_path / "out"
    assert audit(config_file, "--out", out, *options) == 0
    rows = read_list(out)
    assert {row["kind"] for row in rows} == {"point"}
    assert (rows[0]["image"], rows[0]["class"], rows[0]["predicted"]) == ("images/0.png", "house", "lake")
    page = re.search(r'"audit": ?"(\w+)"', (out / "index.html").read_text()).group(1)
    (out / "answers.json").write_text(json.dumps({"audit": page, "answers": {rows[0]["id"]: "wrong"}}))
    assert audit(config_file, "--out", out, "--apply", tmp_path / "fixed", *options) == 0
    kept = [line for line in (tmp_path / "fixed/points.csv").read_text().splitlines() if line.startswith("images/")]
    assert sorted(kept) == sorted(lines[2:])


def fails_with(capsys, *arguments):
    assert audit(*arguments) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


def test_what_cannot_be_audited_ends_in_one_line(config_file, fields, tmp_path, capsys):
    out = ["--out", tmp_path / "out"]
    assert "got one group, 'images'" in fails_with(capsys, config_file, *out, "--groups", r"^\w+")
    assert "Expected --folds of 2 or more, got 1" in fails_with(capsys, config_file, *out, "--folds", 1)
    for index in range(8):
        write_labels(fields, index, np.full((64, 64), 255, np.uint8))
    assert "Expected labelled pixels in the images, got none" in fails_with(capsys, config_file, *out)
    for index in range(8):
        write_labels(fields, index, np.zeros((64, 64), np.uint8))
    assert "Expected points of two classes or more" in fails_with(capsys, config_file, *out)


def test_a_class_in_one_image_alone_and_unlabelled_images_are_left_out(config_file, fields, tmp_path, capsys):
    for index in range(8):
        labels_HW = truth_of(index)
        if index != 4:
            labels_HW[labels_HW == 2] = 0
        write_labels(fields, index, labels_HW if index else np.full_like(labels_HW, 255))
    assert audit(config_file, "--out", tmp_path / "out") == 0
    shown = capsys.readouterr().out
    assert "1 of 8 images have no label." in shown
    assert "256 labelled pixels are not judged: their class occurs in the images of one fold alone." in shown
    assert "| house | 0.0 | not judged | 0 |" in shown
    assert (tmp_path / "out" / "images.csv").read_text().splitlines()[-1] == "8,images/0.png,,0,"
