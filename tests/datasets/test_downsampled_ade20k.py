"""ADE20K's layout at a factor, on a generated tree of a few pixels."""

import numpy as np
import pytest
from mmseg.datasets import ADE20KDataset
from PIL import Image

from mmseg_ext.datasets import DownsampledADE20KDataset
from mmseg_ext.errors import UserError


def make_tree(root, num_train=3, num_val=2):
    rng = np.random.default_rng(0)
    for split, count in (("training", num_train), ("validation", num_val)):
        for kind in ("images", "annotations"):
            (root / kind / split).mkdir(parents=True)
        for n in range(count):
            name = f"ADE_{split[:5]}_{n:08d}"
            image = rng.integers(0, 256, (6, 30, 3), dtype=np.uint8)
            mask = rng.permutation(np.arange(180) % 151).astype(np.uint8).reshape(6, 30)
            Image.fromarray(image).save(root / "images" / split / f"{name}.jpg")
            Image.fromarray(mask).save(root / "annotations" / split / f"{name}.png")
    return root


@pytest.mark.parametrize(
    ("factor", "folder"),
    [
        (1, "data/ade/ADEChallengeData2016"),
        (2, "data/ade/ADEChallengeData2016_ds_2"),
        (4, "data/ade/ADEChallengeData2016_ds_4"),
        (8, "data/ade/ADEChallengeData2016_ds_8"),
    ],
)
def test_the_root_defaults_to_the_folder_of_the_factor(tmp_path, monkeypatch, factor, folder):
    make_tree(tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    dataset = DownsampledADE20KDataset(factor)
    assert dataset.data_root == folder
    assert [d["img_name"] for d in dataset] == [f"images/training/ADE_train_{n:08d}.jpg" for n in range(3)]
    assert dataset[1]["seg_map_path"] == f"{folder}/annotations/training/ADE_train_00000001.png"


def test_splits_and_an_own_root(tmp_path):
    root = make_tree(tmp_path / "elsewhere")
    dataset = DownsampledADE20KDataset(4, data_root=str(root), split="val")
    assert [d["img_name"] for d in dataset] == [f"images/validation/ADE_valid_{n:08d}.jpg" for n in range(2)]


def test_classes_are_stocks_150_and_other_is_ignored(tmp_path, mmseg_scope):
    root = make_tree(tmp_path)
    pipeline = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}, {"type": "PackSegInputs"}]
    dataset = DownsampledADE20KDataset(4, data_root=str(root), pipeline=pipeline)
    assert dataset.metainfo["classes"] == ADE20KDataset.METAINFO["classes"]
    assert len(dataset.metainfo["classes"]) == len(dataset.metainfo["palette"]) == 150
    sample = dataset[0]["data_samples"]
    with Image.open(sample.seg_map_path) as file:
        mask = np.asarray(file).astype(int)
    assert set(mask.ravel().tolist()) == set(range(151))
    labels = sample.gt_sem_seg.data.squeeze(0).numpy()
    np.testing.assert_array_equal(labels, np.where(mask == 0, 255, mask - 1))


@pytest.mark.parametrize("factor", [3, 0, 16, 2.5, "4"])
def test_other_factors_are_refused(factor):
    with pytest.raises(UserError) as caught:
        DownsampledADE20KDataset(factor)
    assert f"Expected `factor` to be one of 1, 2, 4, 8, got {factor!r}" in str(caught.value)


def test_other_splits_are_refused():
    with pytest.raises(UserError, match="Expected `split` to be one of train, val, got 'test'"):
        DownsampledADE20KDataset(4, split="test")


def test_a_missing_copy_is_named_with_the_way_to_make_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="found none") as caught:
        DownsampledADE20KDataset(4)
    assert "data/ade/ADEChallengeData2016_ds_4/images/training" in str(caught.value)
    assert "1/4" in str(caught.value)
    with pytest.raises(UserError, match=r"ADEChallengeData2016\.zip") as caught:
        DownsampledADE20KDataset(1)
    assert "data/ade/ADEChallengeData2016/images/training" in str(caught.value)


def test_missing_masks_are_named_and_counted(tmp_path):
    root = make_tree(tmp_path)
    mask = root / "annotations" / "training" / "ADE_train_00000002.png"
    mask.unlink()
    with pytest.raises(UserError, match="1 of 3 images have no mask") as caught:
        DownsampledADE20KDataset(4, data_root=str(root))
    assert str(mask) in str(caught.value)
