"""Trees of every kind, told apart and listed."""

import pytest

from mmseg_ext.downsampling.layouts import LAYOUTS, Failure, Pair, detect_layout, find_folders, list_pairs
from mmseg_ext.errors import UserError

TREES = {
    "ade20k": ["images/training/ADE_1.jpg", "annotations/training/ADE_1.png", "images/validation/ADE_2.jpg"],
    "loveda": [
        "Train/Urban/images_png/1.png",
        "Train/Urban/masks_png/1.png",
        "Test/Rural/images_png/9.png",
    ],
    "dubai": ["tile_1/images/image_part_001.jpg", "tile_1/masks/image_part_001.png", "classes.json"],
    "deepglobe": ["train/7_sat.jpg", "train/7_mask.png", "valid/8_sat.jpg", "class_dict.csv"],
    "folders": ["train/images/a/1.tif", "train/masks/a/1.png", "README.md"],
}


def make(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


@pytest.mark.parametrize("kind", TREES)
def test_a_tree_is_told_and_its_images_are_paired(tmp_path, kind):
    root = make(tmp_path, TREES[kind])
    layout = detect_layout(root)
    assert layout.name == kind
    pairs, failures = list_pairs(root, layout)
    assert failures == []
    expected = {
        "ade20k": [Pair(TREES["ade20k"][0], TREES["ade20k"][1]), Pair(TREES["ade20k"][2], None)],
        "loveda": [Pair(TREES["loveda"][2], None), Pair(TREES["loveda"][0], TREES["loveda"][1])],
        "dubai": [Pair(TREES["dubai"][0], TREES["dubai"][1])],
        "deepglobe": [Pair("train/7_sat.jpg", "train/7_mask.png"), Pair("valid/8_sat.jpg", None)],
        "folders": [Pair("train/images/a/1.tif", "train/masks/a/1.png")],
    }
    assert pairs == expected[kind]


def test_ignored_labels_follow_the_kind():
    ignored = {name: layout.ignored for name, layout in LAYOUTS.items()}
    assert ignored["ade20k"] == ignored["loveda"] == (0,)
    assert ignored["dubai"] == ("#9B9B9B", "#000000")
    assert ignored["deepglobe"] == ("#000000",)
    assert ignored["folders"] == ()


def test_the_real_dubai_tree(dubai_root):
    pairs, failures = list_pairs(dubai_root, detect_layout(dubai_root))
    assert len(pairs) == 54
    assert failures == []


@pytest.mark.parametrize("names", [("img_dir", "ann_dir"), ("images", "labels"), ("images", "annotations")])
def test_usual_names_of_folders_are_known(tmp_path, names):
    images, masks = names
    root = make(tmp_path, [f"{images}/val/1.png", f"{masks}/val/1.png"])
    layout = detect_layout(root)
    assert layout.name == "folders"
    assert list_pairs(root, layout)[0] == [Pair(f"{images}/val/1.png", f"{masks}/val/1.png")]


@pytest.mark.parametrize(("root", "numbers"), [("loveDA", (1, 2)), ("data", (2521, 2522))])
def test_loveda_as_mmseg_converts_it_is_known_by_its_name_or_its_numbers(tmp_path, root, numbers):
    train, val = numbers
    names = [f"{folder}/{place}.png" for folder in ("img_dir", "ann_dir") for place in (f"train/{train}", f"val/{val}")]
    root = make(tmp_path / root, [*names, "img_dir/test/4191.png"])
    layout = detect_layout(root)
    assert layout is LAYOUTS["loveda"]
    assert list_pairs(root, layout)[0] == [
        Pair("img_dir/test/4191.png", None),
        Pair(f"img_dir/train/{train}.png", f"ann_dir/train/{train}.png"),
        Pair(f"img_dir/val/{val}.png", f"ann_dir/val/{val}.png"),
    ]


@pytest.mark.parametrize(("train", "val"), [("1", "2"), ("area1", "2522"), ("1", None)])
def test_another_dataset_in_mmsegs_tree_keeps_its_class_0(tmp_path, train, val):
    names = [f"{folder}/train/{train}.png" for folder in ("img_dir", "ann_dir")]
    names += [f"{folder}/val/{val}.png" for folder in ("img_dir", "ann_dir") if val]
    assert detect_layout(make(tmp_path, names)).ignored == ()


def test_unusual_names_of_folders_are_named(tmp_path):
    root = make(tmp_path, ["x/photos/1.png", "x/truth/1.png"])
    assert [(f.images, f.masks) for f in find_folders(root, "photos", "truth")] == [("x/photos", "x/truth")]
    with pytest.raises(UserError, match=r"Expected in .* a tree of one of these kinds") as caught:
        detect_layout(root)
    assert "Found x/" in str(caught.value)
    assert "--folders IMAGES MASKS" in str(caught.value)


def test_a_missing_root_and_a_tree_of_another_kind(tmp_path):
    with pytest.raises(UserError, match="found no such folder"):
        detect_layout(tmp_path / "nowhere")
    with pytest.raises(UserError, match="Found nothing"):
        detect_layout(tmp_path)
    with pytest.raises(UserError, match="the tree of --layout loveda"):
        list_pairs(tmp_path, LAYOUTS["loveda"])


def test_what_does_not_match_is_listed_with_its_reason(tmp_path):
    names = ["images/a.jpg", "images/b.jpg", "images/c.jpg", "images/a.png"]
    root = make(tmp_path, [*names, "masks/a.png", "masks/b.png", "masks/b.tif", "masks/d.png", "masks/.b.png.x"])
    pairs, failures = list_pairs(root, detect_layout(root))
    assert pairs == [Pair("images/a.jpg", "masks/a.png")]
    assert failures == [
        Failure("images/a.png", "shares its mask with another image of the same name"),
        Failure("images/b.jpg", "has several masks: b.png, b.tif"),
        Failure("images/c.jpg", "has no mask in masks"),
        Failure("masks/d.png", "has no image in images"),
    ]
