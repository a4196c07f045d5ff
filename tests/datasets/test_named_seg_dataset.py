"""What our datasets share: lists of files, names, and the fields that mmseg's transforms read."""

from pathlib import Path

import numpy as np
import pytest

from mmseg_ext.datasets import NamedSegDataset
from mmseg_ext.datasets.named_seg_dataset import list_images, pair_masks
from mmseg_ext.errors import UserError


class FolderDataset(NamedSegDataset):
    """All images of one folder; every second one has a mask."""

    METAINFO = {"classes": ("a", "b", "c"), "palette": [[1, 1, 1], [2, 2, 2], [3, 3, 3]]}

    def list_samples(self):
        images = sorted((Path(self.data_root) / "x" / "y").glob("*.png"))
        return [
            {"img_path": i, "number": n, **({"seg_map_path": i.with_suffix(".mask")} if n % 2 == 0 else {})}
            for n, i in enumerate(images)
        ]


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_list_images_sorts_and_compares_suffixes_without_case(tmp_path):
    folder = touch(tmp_path, "b.PNG", "a.png", "10.png", "9.jpg", "c.txt", "d.png.bak", "png")
    touch(tmp_path / "inner", "deeper.png")
    assert [p.name for p in list_images(folder, [".png"], "")] == ["10.png", "a.png", "b.PNG"]
    assert [p.name for p in list_images(folder, [".png", ".jpg"], "")] == ["10.png", "9.jpg", "a.png", "b.PNG"]


def test_list_images_names_a_missing_and_an_empty_folder(tmp_path):
    missing, empty = tmp_path / "missing", touch(tmp_path / "empty", "a.jpg")
    with pytest.raises(UserError) as caught:
        list_images(missing, [".png"], "Unpack it there.")
    assert str(caught.value) == f"Expected the folder {missing}, found none. Unpack it there."
    with pytest.raises(UserError) as caught:
        list_images(empty, [".png", ".tif"], "Unpack it there.")
    assert str(caught.value) == f"Expected images (.png, .tif) in {empty}, found none. Unpack it there."
    with pytest.raises(UserError, match="Expected the folder"):
        list_images(empty / "a.jpg", [".png"], "")


def test_pair_masks_counts_the_missing_and_names_the_first(tmp_path):
    folder = touch(tmp_path, "1.mask", "3.mask")
    images = [tmp_path / f"{n}.png" for n in (1, 2, 3, 4)]
    mask_of = {i: folder / f"{i.stem}.mask" for i in images}
    pair_masks([images[0], images[2]], mask_of)
    with pytest.raises(UserError) as caught:
        pair_masks(iter(images), mask_of)
    assert f"the mask {folder / '2.mask'} for the image {images[1]}" in str(caught.value)
    assert "2 of 4 images have no mask" in str(caught.value)


def test_samples_carry_their_name_and_the_fields_of_mmseg(tmp_path):
    touch(tmp_path / "root" / "x" / "y", "1.png", "2.png", "3.png")
    dataset = FolderDataset(data_root=str(tmp_path / "root"))
    assert len(dataset) == 3
    first, second = dataset.get_data_info(0), dataset.get_data_info(1)
    assert first == {
        "img_path": str(tmp_path / "root/x/y/1.png"),
        "seg_map_path": str(tmp_path / "root/x/y/1.mask"),
        "img_name": "x/y/1.png",
        "number": 0,
        "label_map": None,
        "reduce_zero_label": False,
        "seg_fields": [],
        "sample_idx": 0,
    }
    assert "seg_map_path" not in second
    assert second["img_name"] == "x/y/2.png"


@pytest.mark.parametrize("spelling", ["{}", "{}/", "{}/../root", "{}/x/.."])
def test_names_do_not_depend_on_how_the_root_is_written(tmp_path, spelling):
    touch(tmp_path / "root" / "x" / "y", "1.png")
    dataset = FolderDataset(data_root=spelling.format(tmp_path / "root"))
    assert dataset.get_data_info(0)["img_name"] == "x/y/1.png"


def test_names_do_not_depend_on_the_current_folder(tmp_path, monkeypatch):
    touch(tmp_path / "root" / "x" / "y", "1.png")
    monkeypatch.chdir(tmp_path)
    assert FolderDataset(data_root="root").get_data_info(0)["img_name"] == "x/y/1.png"
    monkeypatch.chdir(tmp_path / "root")
    assert FolderDataset(data_root=".").get_data_info(0)["img_name"] == "x/y/1.png"


def test_chosen_classes_and_zero_label_reach_the_samples(tmp_path):
    touch(tmp_path / "x" / "y", "1.png")
    dataset = FolderDataset(data_root=str(tmp_path), metainfo={"classes": ("c", "a")}, reduce_zero_label=True)
    info = dataset.get_data_info(0)
    assert info["label_map"] == {0: 1, 1: 255, 2: 0}
    assert info["reduce_zero_label"] is True
    # The palette follows the order of the chosen classes, as in stock.
    np.testing.assert_array_equal(dataset.metainfo["palette"], [[3, 3, 3], [1, 1, 1]])


def test_no_samples_at_all_is_an_error(tmp_path):
    touch(tmp_path / "x" / "y", "1.jpg")
    with pytest.raises(UserError, match="FolderDataset to select images below") as caught:
        FolderDataset(data_root=str(tmp_path))
    assert str(tmp_path) in str(caught.value)


def test_indices_choose_samples_and_lazy_init_reads_nothing(tmp_path):
    touch(tmp_path / "x" / "y", "1.png", "2.png", "3.png")
    assert [d["img_name"] for d in FolderDataset(data_root=str(tmp_path), indices=[2, 0])] == ["x/y/3.png", "x/y/1.png"]
    lazy = FolderDataset(data_root=str(tmp_path / "missing"), lazy_init=True)
    assert lazy.metainfo["classes"] == ("a", "b", "c")
