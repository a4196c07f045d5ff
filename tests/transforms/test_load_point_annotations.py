"""Points from a file: on small ones by hand, in a dataset, and through the check before training."""

import numpy as np
import pytest
from mmseg.datasets import BaseSegDataset

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
