"""Folders of images with index masks, colour masks, points or nothing, and how they are split."""

from itertools import chain

import numpy as np
import pytest
from mmseg.registry import DATASETS
from picture_files import save_picture_file

from mmseg_ext.data_check import check_dataset
from mmseg_ext.datasets.holdout import contiguous_fold
from mmseg_ext.errors import UserError
from mmseg_ext.points.point_files import Point, write_points

pytestmark = pytest.mark.usefixtures("mmseg_scope")
CLASSES = ("soil", "crop", "weed")
COLORS = [[0, 0, 0], [0, 255, 0], [255, 0, 0]]
SHARED = {"classes": CLASSES, "palette": ["#000000", "#00FF00", "#FF0000"]}


def pipeline_of(*loading):
    return [{"type": "LoadImageFromFile"}, *loading, {"type": "PackSegInputs"}]


INDEX = pipeline_of({"type": "mmseg_ext.LoadAnnotations"})
COLOR = pipeline_of({"type": "mmseg_ext.LoadColorAnnotations", "palette": SHARED["palette"]})


@pytest.fixture
def root(tmp_path):
    """Ten images of 8 × 6, with the same labels as indices and as colours."""
    rng = np.random.default_rng(0)
    for number in range(10):
        labels_HW = rng.integers(0, 3, (8, 6), dtype=np.uint8)
        save_picture_file(tmp_path / "images" / f"{number:02}.jpg", rng.integers(0, 256, (8, 6, 3), dtype=np.uint8))
        save_picture_file(tmp_path / "masks" / f"{number:02}.png", labels_HW)
        save_picture_file(tmp_path / "colors" / f"{number:02}.png", np.array(COLORS, np.uint8)[labels_HW])
    return tmp_path


def build(root, **kwargs):
    return DATASETS.build({"type": "mmseg_ext.FolderDataset", "data_root": str(root), **SHARED, **kwargs})


def names_of(dataset):
    return [dataset.get_data_info(index)["img_name"] for index in range(len(dataset))]


def test_index_and_colour_masks_are_the_same_labels(root):
    index, color = build(root, pipeline=INDEX), build(root, masks="colors", pipeline=COLOR)
    assert index.metainfo["classes"] == CLASSES
    assert index.metainfo["palette"] == COLORS
    assert len(index) == len(color) == 10
    for one, other in zip(index, color, strict=False):
        assert (one["data_samples"].gt_sem_seg.data == other["data_samples"].gt_sem_seg.data).all()


def test_a_value_that_no_class_has_is_found_before_training(root, tmp_path):
    save_picture_file(root / "masks" / "03.png", np.full((8, 6), 7, np.uint8))
    report = check_dataset(build(root, pipeline=INDEX), cache_dir=tmp_path / "cache")
    (problem,) = report.errors
    assert problem.path.endswith("03.png")


def test_without_masks_there_are_images_or_clicked_points(root):
    assert "gt_sem_seg" not in build(root, masks=None, pipeline=INDEX)[0]["data_samples"]
    write_points(root / "p.csv", [Point(f"images/{n:02}.jpg", 1, 2, "weed") for n in range(10)])
    dataset = build(root, masks=None, labels={"file": str(root / "p.csv")}, pipeline=INDEX)
    labels_HW = dataset[0]["data_samples"].gt_sem_seg.data[0]
    assert labels_HW[2, 1] == 2
    assert int((labels_HW != 255).sum()) == 1


def test_images_in_folders_below_are_read_without_masks(root):
    for name in ("images/sub/00.jpg", "images/sub/.hidden/1.jpg", "images/sub/masks/00.png"):
        save_picture_file(root / name, np.zeros((8, 6, 3), np.uint8))
    below = build(root, images="images/**", masks=None, pipeline=INDEX)
    assert names_of(below) == [f"images/{n:02}.jpg" for n in range(10)] + ["images/sub/00.jpg"]
    parts = [build(root, images="images/**", masks=None, split=split, pipeline=INDEX) for split in ("train", "val")]
    assert sorted(chain(*map(names_of, parts))) == names_of(below)


def test_folds_are_neighbours_in_the_sorted_names(root):
    parts = [names_of(build(root, split="val", num_folds=3, fold=fold)) for fold in range(3)]
    assert list(chain(*parts)) == names_of(build(root))
    assert [len(part) for part in parts] == [4, 3, 3]
    train = names_of(build(root, split="train", num_folds=3, fold=1))
    assert train == [*parts[0], *parts[2]]


@pytest.mark.parametrize("num_names", [3, 7, 40, 41])
def test_parts_are_of_equal_size_and_leave_nothing_out(num_names):
    names = [f"{n:03}" for n in range(num_names)]
    parts = [sorted(contiguous_fold(names[::-1], 3, fold)) for fold in range(3)]
    assert list(chain(*parts)) == names
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_without_folds_a_share_is_held_out(root):
    train, val = (names_of(build(root, split=split, holdout=0.3)) for split in ("train", "val"))
    assert len(val) == 3
    assert sorted(train + val) == names_of(build(root))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"classes": None}, "Expected `classes`, the names of the classes"),
        ({"classes": ["a"]}, "expected `classes` to be a list of two names or more"),
        ({"palette": ["#000000"]}, "a colour in `palette` for each of 3 `classes`, got 1"),
        ({"metainfo": {"classes": ("a", "b")}}, "Expected `classes` or `metainfo`, got both"),
        ({"fold": 1}, "`fold` below `num_folds`, got fold=1 with num_folds=None"),
        ({"num_folds": 3, "fold": 3}, "got fold=3 with num_folds=3"),
        ({"num_folds": 1}, "`num_folds` to be an int of 2 or more"),
        ({"masks": None, "original_labels": True}, "Expected `masks`"),
        ({"images": "img"}, r"Expected the folder .*img, found none"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_it(root, kwargs, message):
    with pytest.raises(UserError, match=message):
        build(root, **kwargs)
