"""Where images and masks lie, what their names share, which scenes they show; and the dataset that follows from it."""

import numpy as np
import pytest
from picture_files import save_picture_file

from mmseg_ext.datasets import FolderDataset
from mmseg_ext.datasets.folder_guess import TRAIN_NAMES, VAL_NAMES, guess_folders, guess_scenes
from mmseg_ext.errors import UserError
from mmseg_ext.points.point_files import Point, write_points

pytestmark = pytest.mark.usefixtures("mmseg_scope")


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def dataset_of(guess, **arguments):
    settings = {**guess.arguments(), "classes": ["a", "b"], **arguments}
    return FolderDataset(**settings, pipeline=[{"type": "mmseg_ext.LoadAnnotations"}], lazy_init=True)


def pairs_of(guess, **arguments):
    names, mask_of = dataset_of(guess, **arguments).find_files()
    found = {}
    for image in names:
        mask = mask_of[image]
        found[image.relative_to(guess.root).as_posix()] = mask.is_file() and mask.relative_to(guess.root).as_posix()
    return found


def test_two_folders_named_anyhow(tmp_path):
    touch(tmp_path, "Fotos ä/1 .jpg", "Fotos ä/2.JPG", "klassen/1 .png", "klassen/2.png")
    guess = guess_folders(tmp_path / "Fotos ä", tmp_path / "klassen")
    assert guess.arguments() == {"data_root": tmp_path.as_posix(), "images": "Fotos ä", "masks": "klassen"}
    assert pairs_of(guess) == {"Fotos ä/1 .jpg": "klassen/1 .png", "Fotos ä/2.JPG": "klassen/2.png"}
    assert guess.doubts == []


@pytest.mark.parametrize("named", ["", "images"])
def test_masks_are_found_inside_and_beside(tmp_path, named):
    touch(tmp_path, "images/1.jpg", "labels/1.png", "other/x.txt")
    guess = guess_folders(tmp_path / named, None)
    assert guess.arguments() == {"data_root": tmp_path.as_posix(), "masks": "labels"}
    assert "labels: name another folder" in guess.doubts[0]


def test_tails_in_one_folder_and_in_two(tmp_path):
    touch(tmp_path, *(f"one/{n}_{kind}" for n in range(3) for kind in ("sat.jpg", "mask.png")))
    guess = guess_folders(tmp_path / "one", None)
    assert (guess.images, guess.masks, guess.image_tail, guess.mask_tail) == (".", ".", "_sat", "_mask")
    assert pairs_of(guess)["2_sat.jpg"] == "2_mask.png"
    touch(tmp_path, "two/images/a b.tif", "two/images/c.tif", "two/gt/a b Label.tif", "two/gt/c Label.tif")
    guess = guess_folders(tmp_path / "two", None)
    assert (guess.image_tail, guess.mask_tail) == ("", " Label")
    touch(tmp_path, "three/images/a_x.jpg", "three/masks/a_y.png", "three/images/b_x.jpg", "three/masks/b_y.png")
    assert guess_folders(tmp_path / "three", None, image_tail="_x", mask_tail="_y").image_tail == "_x"


def test_missing_masks_do_not_hide_the_tail(tmp_path):
    touch(tmp_path, *(f"images/{n}.jpg" for n in range(9)), "masks/3_mask.png", "masks/5_mask.png")
    guess = guess_folders(tmp_path / "images", tmp_path / "masks")
    assert guess.mask_tail == "_mask"
    samples = dataset_of(guess, only_labelled=True).list_samples()
    assert [sample["img_path"].name for sample in samples] == ["3.jpg", "5.jpg"]
    with pytest.raises(UserError, match="7 of 9 images have no mask"):
        dataset_of(guess).list_samples()


def test_tiles_with_both_folders_are_scenes(tmp_path):
    for tile in ("tile 1", "tile 2", "tile 3"):
        touch(tmp_path, *(f"{tile}/{kind}" for kind in ("images/a_1.jpg", "images/a_2.jpg", "masks/a_1.png")))
        touch(tmp_path, f"{tile}/masks/a_2.png")
    touch(tmp_path, ".hidden/images/a_1.jpg")
    guess = guess_folders(tmp_path, None)
    assert (guess.images, guess.masks) == ("*/images", "*/masks")
    names = list(pairs_of(guess))
    scenes = guess_scenes(guess, names)
    dataset = dataset_of(guess, scenes=scenes, num_folds=3, fold=1, split="val")
    assert [s["img_path"].parent.parent.name for s in dataset.list_samples()] == ["tile 2"] * 2
    assert len(dataset_of(guess, scenes=scenes, num_folds=3, fold=1, split="train").list_samples()) == 4
    held = {s["img_path"].parent for s in dataset_of(guess, scenes=scenes, holdout=0.4, split="val").list_samples()}
    assert len(held) == 1


def test_folders_below_and_their_splits(tmp_path):
    touch(tmp_path, *(f"{kind}/{part}/deep/1.png" for kind in ("images", "masks") for part in "ab"), "images/0.png")
    touch(tmp_path, "masks/0.png")
    (tmp_path / "images" / "0.png").unlink()
    guess = guess_folders(tmp_path / "images", tmp_path / "masks")
    assert (guess.images, guess.masks, guess.folders) == ("images/**", "masks/**", ["a/deep/", "b/deep/"])
    assert pairs_of(guess)["images/b/deep/1.png"] == "masks/b/deep/1.png"
    assert guess.of_split(TRAIN_NAMES) is None
    touch(tmp_path, *(f"s/{kind}/{part}/1.png" for kind in ("images", "masks") for part in ("training", "val")))
    guess = guess_folders(tmp_path / "s", None)
    assert guess.of_split(TRAIN_NAMES) == {"images": "images/training", "masks": "masks/training"}
    assert guess.of_split(VAL_NAMES) == {"images": "images/val", "masks": "masks/val"}


def test_scenes_in_names(tmp_path):
    touch(tmp_path, *(f"images/{scene}_{n:03}.jpg" for scene in ("north_1", "north_2", "süd") for n in range(4)))
    guess = guess_folders(tmp_path / "images", None)
    assert guess.masks is None
    names = [f"images/{path.name}" for path in sorted((tmp_path / "images").iterdir())]
    dataset = dataset_of(guess, scenes=guess_scenes(guess, names))
    assert [dataset.scene_of(tmp_path / name, "") for name in names] == ["north_1"] * 4 + ["north_2"] * 4 + ["süd"] * 4
    assert guess_scenes(guess, [f"images/{n}.jpg" for n in range(9)]) is None
    assert guess_scenes(guess, [f"images/{n}.jpg" for n in "abcdefghi"]) is None


def test_images_with_points_alone(tmp_path):
    for name in "abc":
        save_picture_file(tmp_path / "images" / f"{name}.png", np.zeros((4, 5, 3), np.uint8))
    write_points(tmp_path / "p.csv", [Point("images/a.png", 1, 1, "a"), Point("c.png", 1, 1, "b")])
    guess = guess_folders(tmp_path / "images", None)
    dataset = dataset_of(guess, labels={"file": str(tmp_path / "p.csv")}, only_labelled=True)
    assert [sample["img_path"].name for sample in dataset.list_samples()] == ["a.png", "c.png"]


def test_the_step_that_loads_labels_is_replaced(tmp_path):
    touch(tmp_path, "images/1.jpg", "masks/1.png")
    step = {"type": "mmseg_ext.LoadBinaryAnnotations", "kind": "0/255"}
    dataset = dataset_of(guess_folders(tmp_path, None), load_labels=step)
    assert [type(transform).__name__ for transform in dataset.pipeline.transforms] == ["LoadBinaryAnnotations"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scenes": "("}, r"Expected `scenes` to be a regular expression, got '\('"),
        ({"images": "*/images"}, r"one folder named \* or \*\* in `images` and in `masks`"),
        ({"images": "*/a/*", "masks": "*/b/*"}, r"one folder named \* or \*\*"),
        ({"images": "*/none", "masks": "*/masks"}, r"Expected folders of images that match \*/none"),
        ({"load_labels": {}}, "expected `load_labels` to be a config"),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    touch(tmp_path, "images/1.jpg", "masks/1.png")
    with pytest.raises(UserError, match=message):
        dataset_of(guess_folders(tmp_path, None), **arguments).list_samples()


def test_bad_folders(tmp_path):
    touch(tmp_path, "images/1.jpg", "masks/2.png", "empty/x.txt")
    with pytest.raises(UserError, match=r"got images such as '1' and masks such as '2'. Rename them, or say"):
        guess_folders(tmp_path / "images", tmp_path / "masks")
    with pytest.raises(UserError, match=r"Expected a folder, found none at .*nowhere"):
        guess_folders(tmp_path / "nowhere", None)
    with pytest.raises(UserError, match=r"Expected folders of images that match empty/\*\* in"):
        guess_folders(tmp_path / "empty", tmp_path / "masks")
