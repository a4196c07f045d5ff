"""The Dubai images: folds on the real files, errors on a generated tree."""

from collections import Counter

import pytest

from mmseg_ext.datasets import DubaiAerialDataset
from mmseg_ext.downsampling.copies import Filters, Target
from mmseg_ext.downsampling.copying import make_copies
from mmseg_ext.downsampling.layouts import LAYOUTS
from mmseg_ext.errors import UserError

TILES = [f"tile_{t}" for t in range(1, 7)]


def names(root, **kwargs):
    return [info["img_name"] for info in DubaiAerialDataset(str(root), **kwargs)]


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_a_fold_validates_18_and_trains_on_the_other_36_of_the_real_images(dubai_root, fold):
    parts = [n for n in range(1, 10) if (n - 1) % 3 == fold]
    expected = [f"{tile}/images/image_part_{n:03d}.jpg" for tile in TILES for n in parts]
    assert names(dubai_root, split="val", fold=fold) == expected
    train = names(dubai_root, split="train", fold=fold)
    assert len(train) == 36
    assert not set(train) & set(expected)
    assert Counter(n.split("/")[0] for n in train) == dict.fromkeys(TILES, 6)
    assert sorted(train + expected) == names(dubai_root, split="all", fold=fold)


def test_the_folds_partition_the_real_images(dubai_root):
    everything = names(dubai_root, split="all")
    assert len(everything) == len(set(everything)) == 54
    assert everything == sorted(p.relative_to(dubai_root).as_posix() for p in dubai_root.glob("tile_*/images/*.jpg"))
    assert sorted(n for fold in range(3) for n in names(dubai_root, split="val", fold=fold)) == everything


def test_samples_pair_image_and_mask_of_the_same_tile(dubai_root):
    infos = list(DubaiAerialDataset(str(dubai_root), split="all"))
    for info in infos:
        assert info["seg_map_path"] == info["img_path"].replace("/images/", "/masks/").replace(".jpg", ".png")
        assert info["img_name"].split("/")[0] == info["tile"]
        assert info["reduce_zero_label"] is False
    assert Counter(i["tile"] for i in infos) == dict.fromkeys(TILES, 9)


def test_the_metainfo_is_what_the_masks_hold_not_what_classes_json_says():
    colors = {
        "building": "#3C1098",
        "land": "#8429F6",
        "road": "#6EC1E4",
        "vegetation": "#FEDD3A",
        "water": "#E2A929",
    }
    assert DubaiAerialDataset.METAINFO["classes"] == tuple(colors)
    palette = ["#{:02X}{:02X}{:02X}".format(*c) for c in DubaiAerialDataset.METAINFO["palette"]]
    assert palette == list(colors.values())


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"split": "test"}, ["`split`", "'train', 'val', 'all'", "'test'"]),
        ({"fold": 3}, ["`fold`", "0, 1, 2", "3"]),
        ({"fold": -1}, ["`fold`", "-1"]),
        ({"fold": "0"}, ["`fold`", "'0'"]),
        ({"factor": 0}, ["`factor`", "a positive int", "0"]),
    ],
)
def test_arguments_out_of_range(small_dubai_root, arguments, parts):
    with pytest.raises(UserError) as caught:
        DubaiAerialDataset(str(small_dubai_root), **arguments)
    for part in parts:
        assert part in str(caught.value)


def test_missing_and_empty_folders_are_named_with_the_mend(small_dubai_root, tmp_path):
    with pytest.raises(UserError, match=r"Expected the folder .*nowhere.* `data_root`"):
        DubaiAerialDataset(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="Expected folders tile_1 … tile_6") as caught:
        DubaiAerialDataset(str(small_dubai_root / "tile_1"))
    assert str(small_dubai_root / "tile_1") in str(caught.value)
    for image in (small_dubai_root / "tile_2" / "images").iterdir():
        image.unlink()
    with pytest.raises(UserError, match=r"Expected images \(.jpg\)") as caught:
        DubaiAerialDataset(str(small_dubai_root))
    assert str(small_dubai_root / "tile_2" / "images") in str(caught.value)


def test_only_the_masks_of_the_split_are_needed(small_dubai_root):
    mask = small_dubai_root / "tile_2" / "masks" / "image_part_004.png"
    mask.unlink()
    with pytest.raises(UserError, match="1 of 4 images have no mask") as caught:
        DubaiAerialDataset(str(small_dubai_root), split="val", fold=0)
    assert str(mask) in str(caught.value)
    assert len(names(small_dubai_root, split="train", fold=0)) == 8


def test_a_fold_without_images_is_an_error(small_dubai_root):
    for tile in ("tile_1", "tile_2"):
        for part in (3, 6):
            (small_dubai_root / tile / "images" / f"image_part_{part:03d}.jpg").unlink()
    assert len(names(small_dubai_root, split="train", fold=2)) == 8
    with pytest.raises(UserError, match=r"Expected DubaiAerialDataset to select images .* \(split, fold"):
        DubaiAerialDataset(str(small_dubai_root), split="val", fold=2)


def test_a_name_without_part_number_is_an_error(small_dubai_root):
    stray = small_dubai_root / "tile_1" / "images" / "overview.jpg"
    stray.write_bytes(b"")
    with pytest.raises(UserError, match=r"Expected a name like image_part_001\.jpg") as caught:
        DubaiAerialDataset(str(small_dubai_root))
    assert str(stray) in str(caught.value)


def test_a_copy_at_half_the_resolution(small_dubai_root):
    layout = LAYOUTS["dubai"]
    copy = small_dubai_root.with_name("dubai_ds_2")
    with pytest.raises(
        UserError, match=r"Make it with: python tools/downsample\.py data/dubai .*dubai_ds_2 --factor 2"
    ):
        names(copy, factor=2)
    make_copies(small_dubai_root, [Target(2, copy)], layout, Filters(ignored=layout.ignored))
    for split in ("train", "val"):
        assert names(copy, factor=2, split=split) == names(small_dubai_root, split=split)
    dataset = DubaiAerialDataset(str(copy), "val", factor=2, original_labels=True)
    assert dataset.metainfo["original_labels"] == {"copy": str(copy), "original": str(small_dubai_root)}
    with pytest.raises(UserError, match="Expected factor 4"):
        names(copy, factor=4)
    (copy / "tile_2" / "images" / "image_part_003.jpg").unlink()
    with pytest.raises(UserError, match="tile_2/images the 6 images"):
        names(copy, factor=2)


def test_the_root_follows_the_factor(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for factor, root in ((1, "data/dubai"), (4, "data/dubai_ds_4")):
        assert DubaiAerialDataset(factor=factor, lazy_init=True).data_root == root
