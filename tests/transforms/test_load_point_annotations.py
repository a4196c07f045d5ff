"""Points from a file: on small ones by hand, in a dataset, and through the check before training."""

import re

import numpy as np
import pytest
from mmseg.datasets import BaseSegDataset
from PIL import Image

from mmseg_ext.data_check import check_dataset
from mmseg_ext.datasets import DubaiAerialDataset
from mmseg_ext.errors import UserError
from mmseg_ext.transforms import LoadPointAnnotations

CLASSES = ["building", "land", "road", "vegetation", "water"]
HEADER = "image,x,y,class\n"
FIRST = "tile_1/images/image_part_002.jpg"


def write(tmp_path, rows, name="points.csv"):
    path = tmp_path / name
    path.write_text(HEADER + rows)
    return str(path)


def sample(name="a.png", shape=(4, 5), **more):
    return {"img_name": name, "img_path": f"/d/{name}", "img_shape": shape, "seg_fields": [], **more}


def load(file, results, **kwargs):
    return LoadPointAnnotations(file, **kwargs)(results)["gt_seg_map"]


def test_points_by_hand(tmp_path):
    file = write(tmp_path, "a.png,4,0,2\nb.png,0,0,1\na.png,0.9,3.2,road\na.png,1,1,land\na.png,1,1,1\n")
    results = sample()
    labels = load(file, results, classes=CLASSES)
    expected = np.full((4, 5), 255)
    expected[0, 4], expected[3, 0], expected[1, 1] = 2, 2, 1
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected)
    assert results["seg_fields"] == ["gt_seg_map"]
    again = LoadPointAnnotations(file, CLASSES)(sample())["gt_seg_map"]
    again[:] = 7
    np.testing.assert_array_equal(load(file, sample(), classes=CLASSES), expected)
    assert load(file, sample("b.png"), classes=CLASSES, ignore_index=9).ravel().tolist() == [1] + [9] * 19


def test_a_class_name_that_is_a_number_goes_before_the_index(tmp_path):
    file = write(tmp_path, "a.png,0,0,1\na.png,1,0,0\n")
    assert load(file, sample(), classes=["zero", "0", "1"])[0, :2].tolist() == [2, 1]
    assert load(file, sample())[0, :2].tolist() == [1, 0]


def test_chosen_classes_are_mapped_and_the_others_ignored(tmp_path):
    file = write(tmp_path, "a.png,0,0,water\na.png,1,0,0\na.png,2,0,road\n")
    label_map = {0: 1, 1: 255, 2: 255, 3: 255, 4: 0}
    labels = load(file, sample(label_map=label_map), classes=CLASSES)
    assert labels[0].tolist() == [0, 1, 255, 255, 255]
    file = write(tmp_path, "a.png,0,0,5\n")
    with pytest.raises(UserError, match=r"line 2: expected a class index in 0\.\.4, got 5"):
        load(file, sample(label_map=label_map))


@pytest.mark.parametrize(
    ("row", "part"),
    [
        ("a.png,5,0,1", "expected x in 0..4 and y in 0..3 inside a.png, got x=5, y=0"),
        ("a.png,0,4,1", "got x=0, y=4. Are x and y exchanged?"),
        ("a.png,0,5,1", "got x=0, y=5. Move the point, or remove it."),
        ("a.png,412345.6,5341234.1,1", "got x=412345, y=5341234. Are these map coordinates?"),
        ("a.png,-0.1,0,1", "got x=-1, y=0"),
        ("a.png,1,1,road", "expected one class for the pixel x=1, y=1 of a.png, got 'road' after 'land' in line 2"),
    ],
)
def test_a_point_that_does_not_fit_its_image_is_named(tmp_path, row, part):
    file = write(tmp_path, f"a.png,1,1,land\n\n{row}\n")
    with pytest.raises(UserError) as caught:
        load(file, sample(), classes=CLASSES)
    assert f"{file}, line 4: " in str(caught.value)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("label", "classes", "part"),
    [
        ("sea", CLASSES, "one of building, land, road, vegetation, water, or its index 0..4, got 'sea'"),
        ("5", CLASSES, "got '5'"),
        ("-1", CLASSES, "got '-1'"),
        ("²", CLASSES, "got '²'"),
        ("road", None, "a class index in 0..254, got 'road'. If that is a name, set LoadPointAnnotations(classes="),
        ("255", None, "got '255'"),
    ],
)
def test_an_unknown_class_is_an_error_when_the_pipeline_is_built(tmp_path, label, classes, part):
    file = write(tmp_path, f"a.png,0,0,0\nb.png,0,0,{label}\n")
    with pytest.raises(UserError) as caught:
        LoadPointAnnotations(file, classes)
    assert f"{file}, line 3: " in str(caught.value)
    assert part in str(caught.value)


def test_an_image_without_points(tmp_path):
    file = write(tmp_path, "a.png,0,0,0\n")
    with pytest.raises(UserError) as caught:
        load(file, sample("c.png"))
    for part in ("'c.png'", file, "1 images, such as 'a.png'", "allow_empty=True"):
        assert part in str(caught.value)
    assert (load(file, sample("c.png"), allow_empty=True) == 255).all()


def test_names_relative_to_a_data_root(tmp_path):
    file = write(tmp_path, "deep/a.png,0,0,3\n")
    results = {"img_path": "/data/deep/a.png", "img_shape": (2, 2), "seg_fields": []}
    assert load(file, dict(results, seg_fields=[]), data_root="/data")[0, 0] == 3
    with pytest.raises(UserError, match=r"Set LoadPointAnnotations\(data_root=…\)"):
        load(file, dict(results))
    with pytest.raises(UserError, match=r"Expected images below LoadPointAnnotations\(data_root='/other'\)"):
        load(file, dict(results), data_root="/other")


def dubai(root, file, **kwargs):
    loading = {"type": "mmseg_ext.LoadPointAnnotations", "file": file, "classes": CLASSES, **kwargs}
    return DubaiAerialDataset(str(root), pipeline=[{"type": "LoadImageFromFile"}, loading])


@pytest.mark.usefixtures("mmseg_scope")
def test_in_a_dataset_and_its_check(small_dubai_root, tmp_path):
    dataset = dubai(small_dubai_root, write(tmp_path, f"{FIRST},7,5,water\n{FIRST},0,0,0\n"), allow_empty=True)
    names = [dataset[i]["img_name"] for i in range(len(dataset))]
    assert names.count(FIRST) == 1
    labels = dataset[names.index(FIRST)]["gt_seg_map"]
    assert labels.shape == (6, 8)
    assert (labels[5, 7], labels[0, 0], int((labels != 255).sum())) == (4, 0, 2)
    report = check_dataset(dataset, use_cache=False)
    assert report.errors == []
    assert report.class_pixels == [1, 0, 0, 0, 1]
    assert report.num_labelled_pixels == 2


@pytest.mark.usefixtures("mmseg_scope")
def test_the_check_before_training_finds_every_wrong_image(small_dubai_root, tmp_path):
    file = write(tmp_path, f"{FIRST},8,0,water\n")
    dataset = dubai(small_dubai_root, file)
    report = check_dataset(dataset, use_cache=False)
    messages = [str(problem) for problem in report.errors]
    assert len(dataset) == 8
    outside, empty = messages
    assert f"{file}, line 2: expected x in 0..7" in outside
    assert FIRST in outside
    assert f"it has no points in {file}; the file has points of 1 images, such as {FIRST!r}" in empty
    assert "the same of 7 images" in empty
    assert not any(".." in m.replace("0..", "") for m in messages)
    assert report.warnings == []


@pytest.mark.usefixtures("mmseg_scope")
def test_with_a_stock_dataset(small_dubai_root, tmp_path):
    file = write(tmp_path, "tile_1/images/image_part_002.jpg,1,2,3\n")
    dataset = BaseSegDataset(
        data_root=str(small_dubai_root),
        data_prefix={"img_path": "tile_1/images"},
        metainfo={"classes": CLASSES},
        pipeline=[
            {"type": "LoadImageFromFile"},
            {
                "type": "mmseg_ext.LoadPointAnnotations",
                "file": file,
                "data_root": str(small_dubai_root),
                "allow_empty": True,
            },
        ],
    )
    labels = [dataset[i]["gt_seg_map"] for i in range(6)]
    assert [int((label != 255).sum()) for label in labels] == [0, 1, 0, 0, 0, 0]
    assert labels[1][2, 1] == 3


def test_a_frame_that_does_not_exist(tmp_path):
    with pytest.raises(UserError, match=r"`frame` to be 'shown'.* or 'stored'.* got 'disk'"):
        LoadPointAnnotations(write(tmp_path, "a.png,0,0,0\n"), frame="disk")


@pytest.mark.usefixtures("mmseg_scope")
def test_bare_file_names_are_read_where_one_image_has_them(small_dubai_root, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("mmseg_ext.transforms.load_point_annotations.print_log", lambda text, *_: said.append(text))
    for path in sorted((small_dubai_root / "tile_2").rglob("image_part_003.*")):
        path.rename(path.with_name(f"image_part_009{path.suffix}"))
    names = ["image_part_003.jpg", "image_part_009.jpg"]
    file = write(tmp_path, "".join(f"{name},1,2,water\n" for name in names))
    dataset = dubai(small_dubai_root, file, allow_empty=True)
    samples = [dataset[i] for i in range(len(dataset))]
    found = {sample["img_name"] for sample in samples if sample["gt_seg_map"][2, 1] == 4}
    assert found == {"tile_1/images/image_part_003.jpg", "tile_2/images/image_part_009.jpg"}
    assert len(said) == 1
    assert "by their bare file names" in said[0]
    assert [p.kind for p in check_dataset(dataset, use_cache=False).warnings] == ["nothing labelled"]
    twice = dubai(small_dubai_root, write(tmp_path, "image_part_002.jpg,1,2,water\n", "twice.csv"), allow_empty=True)
    report = check_dataset(twice, use_cache=False)
    assert len(report.errors) == 2
    both = (
        r"line 2: expected a file name that one image .* which 2 have: tile_1/images/.*, tile_2/images/.*Write the path"
    )
    for problem in report.errors:
        assert re.search(both, str(problem))


@pytest.mark.usefixtures("mmseg_scope")
def test_points_of_images_that_do_not_exist_are_counted_and_named(small_dubai_root, tmp_path):
    missing = [f"tile_9/images/{n}.jpg,0,0,1\n" for n in range(6)]
    rows = [f"{FIRST},1,2,water\n", f"{FIRST[:-4]}.JPG,1,2,water\n{FIRST[:-4]}.JPG,3,2,water\n", *missing]
    dataset = dubai(small_dubai_root, write(tmp_path, "".join(rows)), allow_empty=True)
    report = check_dataset(dataset, use_cache=False)
    text = str(next(problem for problem in report.warnings if problem.kind == "points of unknown images"))
    assert "8 points are of 7 images that the dataset does not have" in text
    assert f"'{FIRST[:-4]}.JPG' (line 3; the dataset has '{FIRST}')" in text
    assert "'tile_9/images/0.jpg' (line 5)" in text
    assert "and 2 more" in text
    assert report.errors == []
    others = "".join(f"tile_{t}/images/image_part_00{p}.jpg,0,0,1\n" for t in (1, 2) for p in range(1, 7))
    dataset = dubai(small_dubai_root, write(tmp_path, others, "all.csv"))  # those of the other split are there
    assert len(dataset) == 8
    report = check_dataset(dataset, use_cache=False)
    assert report.errors == report.warnings == []


@pytest.mark.usefixtures("mmseg_scope")
def test_points_in_percent_are_warned_about_once(tmp_path):
    rows = ""
    for name in "abc":
        Image.new("RGB", (800, 600)).save(tmp_path / f"{name}.png")
        rows += "".join(f"{name}.png,{x},{y},1\n" for x, y in ((10, 20), (99, 3), (500 if name == "c" else 50, 100)))
    loading = {"type": "mmseg_ext.LoadPointAnnotations", "file": write(tmp_path, rows), "data_root": str(tmp_path)}
    dataset = BaseSegDataset(
        data_root=str(tmp_path),
        img_suffix=".png",
        data_prefix={"img_path": "."},
        metainfo={"classes": CLASSES},
        pipeline=[{"type": "LoadImageFromFile"}, loading],
    )
    report = check_dataset(dataset, use_cache=False)
    (problem,) = report.warnings
    assert "lie within 0..100, and it is 800 wide and 600 high; the same of 2 images: a.png, b.png" in str(problem)
    assert "percent" in problem.fix
    assert report.errors == []


def test_how_a_file_is_read_is_said_once(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("mmseg_ext.transforms.load_point_annotations.print_log", lambda text, *_: said.append(text))
    path = tmp_path / "points.csv"
    path.write_bytes("image;x;y;class\r\na.png;1,5;2;1.0\r\na.png;2;2;1\r\n".encode("utf-16"))
    for _ in range(2):
        assert load(str(path), sample(), classes=CLASSES)[2].tolist() == [255, 1, 1, 255, 255]
    text = "in UTF-16, separated by semicolons, decimal commas as in 1,5, with class '1.0' as index 1"
    assert said == [f"{path} is read {text}."]
    assert load(write(tmp_path, "a.png,1,2,1.0\n"), sample(), classes=["0", "1", "1.0"])[2, 1] == 2
    assert len(said) == 1
    with pytest.raises(UserError, match=r"got '1\.5'"):
        LoadPointAnnotations(write(tmp_path, "a.png,1,2,1.5\n"), CLASSES)
