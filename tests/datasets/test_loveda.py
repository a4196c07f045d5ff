"""LoveDA's official layout, on a generated tree of a few pixels."""

import shutil

import numpy as np
import pytest
from mmseg.datasets import LoveDADataset as StockLoveDADataset
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image

from mmseg_ext.datasets import LoveDADataset
from mmseg_ext.datasets.holdout import hold_out
from mmseg_ext.datasets.label_steps import without_label_loading
from mmseg_ext.errors import UserError

URBAN = [f"Train/Urban/images_png/{n}.png" for n in range(1, 9)]
RURAL = [f"Train/Rural/images_png/{n}.png" for n in range(11, 15)]
INDEX_PIPELINE = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}, {"type": "PackSegInputs"}]


def names(root, **kwargs):
    return [info["img_name"] for info in LoveDADataset(str(root), **kwargs)]


def test_classes_and_palette_are_those_of_stock():
    assert LoveDADataset.METAINFO["classes"] == StockLoveDADataset.METAINFO["classes"]
    assert LoveDADataset.METAINFO["palette"] == StockLoveDADataset.METAINFO["palette"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, URBAN + RURAL),
        ({"scenes": ("urban",)}, URBAN),
        ({"scenes": "rural"}, RURAL),
        ({"scenes": ["rural", "urban"]}, RURAL + URBAN),
        (
            {"split": "val"},
            [f"Val/{f}.png" for f in ("Urban/images_png/21", "Urban/images_png/22", "Rural/images_png/31")],
        ),
        ({"split": "val", "scenes": ("rural",), "holdout": 0.5}, ["Val/Rural/images_png/31.png"]),
        (
            {"split": "test"},
            [f"Test/{f}.png" for f in ("Urban/images_png/41", "Rural/images_png/51", "Rural/images_png/52")],
        ),
    ],
)
def test_lists(loveda_root, arguments, expected):
    assert names(loveda_root, **arguments) == expected


def test_samples_have_their_files_and_scene(loveda_root):
    infos = list(LoveDADataset(str(loveda_root), split="val"))
    assert [i["scene"] for i in infos] == ["urban", "urban", "rural"]
    assert infos[2]["img_path"] == str(loveda_root / "Val/Rural/images_png/31.png")
    assert infos[2]["seg_map_path"] == str(loveda_root / "Val/Rural/masks_png/31.png")
    assert infos[2]["reduce_zero_label"] is True


@pytest.fixture
def converted_root(loveda_root, tmp_path):
    """The official tree as mmseg's tools/dataset_converters/loveda.py leaves it."""
    for split in ("Train", "Val", "Test"):
        for kind, folder in (("images_png", "img_dir"), ("masks_png", "ann_dir")):
            target = tmp_path / "converted" / folder / split.lower()
            target.mkdir(parents=True)
            for file in loveda_root.glob(f"{split}/*/{kind}/*.png"):
                shutil.copy(file, target)
    return tmp_path / "converted"


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_mmsegs_tree_holds_the_same_samples(loveda_root, converted_root, split, mmseg_scope):
    official = {
        i["data_samples"].img_path.rpartition("/")[2]: i
        for i in LoveDADataset(str(loveda_root), split, pipeline=INDEX_PIPELINE)
    }
    converted = LoveDADataset(str(converted_root), split, pipeline=INDEX_PIPELINE)
    assert len(converted) == len(official) > 0
    for sample in converted:
        expected = official[sample["data_samples"].img_path.rpartition("/")[2]]
        assert (sample["inputs"] == expected["inputs"]).all()
        assert ("gt_sem_seg" in sample["data_samples"]) == (split != "test")
        if split != "test":
            assert (sample["data_samples"].gt_sem_seg.data == expected["data_samples"].gt_sem_seg.data).all()
    assert names(converted_root, split=split)[0].startswith(f"img_dir/{split}/")


def test_mmsegs_tree_has_a_held_out_share_and_no_scenes(converted_root):
    kept, held = names(converted_root, holdout=0.25), names(converted_root, split="holdout", holdout=0.25)
    assert (len(kept), len(held)) == (9, 3)
    assert sorted(kept + held) == sorted(names(converted_root))
    with pytest.raises(UserError, match=r"official tree, Train/\{Urban,Rural\}.*does not tell scenes apart"):
        names(converted_root, scenes="urban")


def test_loading_turns_no_data_into_255_and_classes_into_0_to_6(loveda_root, mmseg_scope):
    dataset = LoveDADataset(str(loveda_root), pipeline=INDEX_PIPELINE)
    assert len(dataset) == 12
    for sample in dataset:
        with Image.open(sample["data_samples"].seg_map_path) as file:
            mask = np.asarray(file).astype(int)
        assert set(mask.ravel().tolist()) == set(range(8))
        labels = sample["data_samples"].gt_sem_seg.data.squeeze(0).numpy()
        np.testing.assert_array_equal(labels, np.where(mask == 0, 255, mask - 1))


def test_holdout_is_disjoint_complete_and_scene_by_scene(loveda_root):
    for fraction in (0.25, 0.5, 0.75):
        kept, held = names(loveda_root, holdout=fraction), names(loveda_root, split="holdout", holdout=fraction)
        assert not set(kept) & set(held)
        assert sorted(kept + held) == sorted(URBAN + RURAL)
        assert len([n for n in held if "Urban" in n]) == 8 * fraction
        assert len([n for n in held if "Rural" in n]) == 4 * fraction
        for scene, all_of_scene in (("Urban", URBAN), ("Rural", RURAL)):
            expected = hold_out([n.rpartition("/")[2] for n in all_of_scene], fraction)
            assert {n.rpartition("/")[2] for n in held if scene in n} == expected
        # A scene's share is the same whether or not the other scene is read.
        assert names(loveda_root, split="holdout", holdout=fraction, scenes="rural") == [
            n for n in held if "Rural" in n
        ]


def test_holdout_is_fixed_and_nested(loveda_root):
    quarter = names(loveda_root, split="holdout", holdout=0.25)
    assert quarter == [f"Train/{f}.png" for f in ("Urban/images_png/6", "Urban/images_png/8", "Rural/images_png/14")]
    assert set(quarter) < set(names(loveda_root, split="holdout", holdout=0.5))


def test_a_holdout_that_rounds_to_nothing_is_an_error(loveda_root):
    with pytest.raises(UserError, match=r"Expected LoveDADataset to select images .* holdout\)"):
        LoveDADataset(str(loveda_root), split="holdout", holdout=0.01)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"split": "training"}, ["`split`", "'train', 'val', 'test', 'holdout'", "'training'"]),
        ({"scenes": ("urban", "desert")}, ["`scenes`", "'urban' or 'rural'", "desert"]),
        ({"scenes": ()}, ["`scenes`", "none"]),
        ({"holdout": 1.0}, ["`holdout`", "[0, 1)", "1.0"]),
        ({"holdout": -0.1}, ["`holdout`", "-0.1"]),
        ({"split": "holdout"}, ["`holdout` > 0", "holdout=0.1"]),
    ],
)
def test_arguments_out_of_range(loveda_root, arguments, parts):
    with pytest.raises(UserError) as caught:
        LoveDADataset(str(loveda_root), **arguments)
    for part in parts:
        assert part in str(caught.value)


def test_missing_and_empty_folders_are_named_with_the_mend(loveda_root):
    with pytest.raises(UserError) as caught:
        LoveDADataset(str(loveda_root / "nowhere"))
    assert f"Expected the folder {loveda_root}/nowhere/Train/Urban/images_png" in str(caught.value)
    assert "Train.zip" in str(caught.value)
    assert "data_root" in str(caught.value)
    folder = loveda_root / "Val/Rural/images_png"
    (folder / "31.png").unlink()
    with pytest.raises(UserError, match="Expected images") as caught:
        LoveDADataset(str(loveda_root), split="val")
    assert str(folder) in str(caught.value)
    assert len(names(loveda_root, split="val", scenes="urban")) == 2


def test_missing_masks_are_named_and_counted(loveda_root):
    for number in (3, 5):
        (loveda_root / f"Train/Urban/masks_png/{number}.png").unlink()
    with pytest.raises(UserError, match="2 of 8 images have no mask") as caught:
        LoveDADataset(str(loveda_root))
    assert str(loveda_root / "Train/Urban/masks_png/3.png") in str(caught.value)
    assert str(loveda_root / "Train/Urban/images_png/3.png") in str(caught.value)


def test_the_test_split_has_no_masks_and_its_pipeline_loads_none(loveda_root, mmseg_scope):
    dataset = LoveDADataset(str(loveda_root), split="test", pipeline=INDEX_PIPELINE)
    assert [type(t).__name__ for t in dataset.pipeline.transforms] == ["LoadImageFromFile", "PackSegInputs"]
    samples = list(dataset)
    assert len(samples) == 3
    for sample in samples:
        assert sample["inputs"].shape == (3, 12, 16)
        assert "gt_sem_seg" not in sample["data_samples"]
    shutil.rmtree(loveda_root / "Train")  # nothing but Test is needed
    assert len(LoveDADataset(str(loveda_root), split="test")) == 3


def test_the_other_splits_keep_their_pipeline(loveda_root, mmseg_scope):
    dataset = LoveDADataset(str(loveda_root), split="val", pipeline=INDEX_PIPELINE)
    assert [type(t).__name__ for t in dataset.pipeline.transforms] == [step["type"] for step in INDEX_PIPELINE]


def test_label_loading_is_left_out_in_every_form(loveda_root, mmseg_scope):
    def own_step(results):
        return results

    pipeline = [
        {"type": "LoadImageFromFile"},
        {"type": LoadAnnotations},
        {"type": "mmseg_ext.LoadColorAnnotations", "palette": ["#000000"]},
        LoadAnnotations(),
        own_step,
        {"type": "PackSegInputs"},
    ]
    kept = without_label_loading(pipeline)
    assert kept == [pipeline[0], own_step, pipeline[5]]
    assert len(pipeline) == 6  # the config is not touched
    sample = LoveDADataset(str(loveda_root), split="test", pipeline=pipeline)[0]
    assert "gt_sem_seg" not in sample["data_samples"]


def test_label_loading_inside_test_time_augmentation_is_left_out(loveda_root, mmseg_scope):
    """The tta_pipeline of mmseg's own configs: four lists of alternatives, one of them for the labels alone."""
    augmentation = {
        "type": "TestTimeAug",
        "transforms": [
            [{"type": "Resize", "scale_factor": r, "keep_ratio": True} for r in (0.5, 1.0, 1.5)],
            [{"type": "RandomFlip", "prob": 0.0}, {"type": "RandomFlip", "prob": 1.0}],
            [{"type": "LoadAnnotations"}],
            [{"type": "PackSegInputs"}],
        ],
    }
    pipeline = [{"type": "LoadImageFromFile"}, augmentation]
    sample = LoveDADataset(str(loveda_root), split="test", pipeline=pipeline)[0]
    assert [tuple(image.shape) for image in sample["inputs"]] == [
        (3, h, w) for h, w in ((6, 8), (12, 16), (18, 24)) for _ in range(2)
    ]
    assert len(augmentation["transforms"]) == 4
    labelled = LoveDADataset(str(loveda_root), split="val", pipeline=pipeline)[0]
    assert all("gt_sem_seg" in s for s in labelled["data_samples"])
