"""ADE20K's layout at a factor, on a generated tree of a few pixels."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmseg.datasets import ADE20KDataset
from PIL import Image

from mmseg_ext.datasets import DownsampledADE20KDataset
from mmseg_ext.downsampling.copies import Filters, Target
from mmseg_ext.downsampling.copying import make_copies
from mmseg_ext.downsampling.layouts import LAYOUTS
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


def make_copy(original, factor, root=None, filters=None):
    root = Path(root or f"{original}_ds_{factor}")
    make_copies(Path(original), [Target(factor, root)], LAYOUTS["ade20k"], filters or Filters(ignored=(0,)))
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
    monkeypatch.chdir(tmp_path)
    original = make_tree(Path("data/ade/ADEChallengeData2016"))
    if factor > 1:
        make_copy(original, factor)
    dataset = DownsampledADE20KDataset(factor)
    assert dataset.data_root == folder
    assert [d["img_name"] for d in dataset] == [f"images/training/ADE_train_{n:08d}.jpg" for n in range(3)]
    assert dataset[1]["seg_map_path"] == f"{folder}/annotations/training/ADE_train_00000001.png"


def test_splits_and_an_own_root(tmp_path):
    root = make_tree(tmp_path / "elsewhere")
    root = make_copy(root, 4, tmp_path / "copy")
    dataset = DownsampledADE20KDataset(4, data_root=str(root), split="val")
    assert [d["img_name"] for d in dataset] == [f"images/validation/ADE_valid_{n:08d}.jpg" for n in range(2)]


def test_classes_are_stocks_150_and_other_is_ignored(tmp_path, mmseg_scope):
    root = make_tree(tmp_path)
    pipeline = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}, {"type": "PackSegInputs"}]
    dataset = DownsampledADE20KDataset(1, data_root=str(root), pipeline=pipeline)
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
    assert f"expected `factor` to be one of 1, 2, 4, 8, got {factor!r}" in str(caught.value)


def test_other_splits_are_refused():
    with pytest.raises(UserError, match="expected `split` to be 'train' or 'val', got 'test'"):
        DownsampledADE20KDataset(4, split="test")


def test_a_missing_copy_is_named_with_the_command_that_makes_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="found no such folder") as caught:
        DownsampledADE20KDataset(4)
    assert "Expected the copy at 1/4 in data/ade/ADEChallengeData2016_ds_4" in str(caught.value)
    assert "python tools/downsample.py data/ade/ADEChallengeData2016 --factor 4" in str(caught.value)
    with pytest.raises(UserError, match="found no such folder") as caught:
        DownsampledADE20KDataset(4, data_root="elsewhere")
    assert "python tools/downsample.py data/ade/ADEChallengeData2016 elsewhere --factor 4" in str(caught.value)
    with pytest.raises(UserError, match=r"ADEChallengeData2016\.zip") as caught:
        DownsampledADE20KDataset(1)
    assert "data/ade/ADEChallengeData2016/images/training" in str(caught.value)


def test_missing_masks_are_named_and_counted(tmp_path):
    root = make_tree(tmp_path)
    mask = root / "annotations" / "training" / "ADE_train_00000002.png"
    mask.unlink()
    with pytest.raises(UserError, match="1 of 3 images have no mask") as caught:
        DownsampledADE20KDataset(1, data_root=str(root))
    assert str(mask) in str(caught.value)


def test_a_copy_of_another_factor_or_kind_is_refused(tmp_path):
    copy = make_copy(make_tree(tmp_path / "ade"), 2)
    with pytest.raises(UserError, match=r"Expected factor 4 in .*dataset\.json, got 2"):
        DownsampledADE20KDataset(4, data_root=str(copy))
    record = json.loads((copy / "dataset.json").read_text())
    (copy / "dataset.json").write_text(json.dumps({**record, "layout": "loveda"}))
    with pytest.raises(UserError, match=r"Expected layout ade20k in .*dataset\.json, got loveda"):
        DownsampledADE20KDataset(2, data_root=str(copy))
    (copy / "dataset.json").write_text("{")
    with pytest.raises(UserError, match="Expected the record of a copy in"):
        DownsampledADE20KDataset(2, data_root=str(copy))


def test_a_copy_that_lacks_images_or_has_others_is_refused(tmp_path):
    copy = make_copy(make_tree(tmp_path / "ade"), 2)
    lost = copy / "images" / "training" / "ADE_train_00000001.jpg"
    moved = lost.rename(lost.with_name("ADE_train_00000009.jpg"))
    with pytest.raises(UserError, match=r"the 3 images that .* lists, found 3 of other names"):
        DownsampledADE20KDataset(2, data_root=str(copy))
    moved.unlink()
    with pytest.raises(UserError, match=r"the 3 images that .* lists, found 2"):
        DownsampledADE20KDataset(2, data_root=str(copy))
    assert len(DownsampledADE20KDataset(2, data_root=str(copy), split="val")) == 2


def test_a_copy_without_its_record_is_refused_unless_asked_not_to(tmp_path):
    copy = make_copy(make_tree(tmp_path / "ade"), 2)
    (copy / "dataset.json").unlink()
    with pytest.raises(UserError, match="verify=False to take the folder as it is"):
        DownsampledADE20KDataset(2, data_root=str(copy))
    assert len(DownsampledADE20KDataset(2, data_root=str(copy), verify=False)) == 3
    (copy / ".downsampling").mkdir()
    with pytest.raises(UserError, match=r"found one that was interrupted. Go on with: python tools/downsample\.py"):
        DownsampledADE20KDataset(2, data_root=str(copy))


def test_png_copies_are_read_too(tmp_path):
    copy = make_copy(make_tree(tmp_path / "ade"), 2, filters=Filters(ignored=(0,), image_format="png"))
    names = [d["img_name"] for d in DownsampledADE20KDataset(2, data_root=str(copy), split="val")]
    assert names == [f"images/validation/ADE_valid_{n:08d}.png" for n in range(2)]


def test_the_original_labels_lie_where_the_record_says(tmp_path):
    original = make_tree(tmp_path / "here" / "ade")
    make_copy(original, 2)
    shutil.move(tmp_path / "here", tmp_path / "there")
    original, copy = tmp_path / "there" / "ade", tmp_path / "there" / "ade_ds_2"

    def roots(root, factor, **kwargs):
        dataset = DownsampledADE20KDataset(factor, data_root=str(root), split="val", **kwargs)
        return dataset.metainfo.get("original_labels")

    assert roots(copy, 2, original_labels=True) == {"copy": str(copy), "original": str(original)}
    assert roots(copy, 2) is None
    assert roots(original, 1, original_labels=True) == {"copy": str(original), "original": str(original)}
    elsewhere = original.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="Set `original_root`") as caught:
        roots(copy, 2, original_labels=True)
    assert "2 of 2 are missing" in str(caught.value)
    found = roots(copy, 2, original_labels=True, original_root=str(elsewhere))
    assert found == {"copy": str(copy), "original": str(elsewhere)}
