import numpy as np
import pytest
from mmseg.registry import DATASETS
from picture_files import save_picture_file
from PIL import Image

from mmseg_ext.data_check import check_dataset
from mmseg_ext.datasets import BinaryMaskDataset
from mmseg_ext.downsampling.image_files import IMAGE_SUFFIXES, LABEL_SUFFIXES
from mmseg_ext.downsampling.layouts import detect_layout
from mmseg_ext.errors import UserError

pytestmark = pytest.mark.usefixtures("mmseg_scope")
PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "mmseg_ext.LoadBinaryAnnotations", "kind": "0/255"},
    {"type": "PackSegInputs"},
]


@pytest.fixture
def root(tmp_path):
    """Ten images of 8 × 6 with masks: JPEG, PNG and TIFF with transparency."""
    rng = np.random.default_rng(0)
    for number in range(10):
        suffix, channels = [(".jpg", 3), (".png", 4), (".tif", 4)][number % 3]
        image = rng.integers(0, 256, (8, 6, channels), dtype=np.uint8)
        save_picture_file(tmp_path / "set" / "images" / f"{number}{suffix}", image)
        save_picture_file(
            tmp_path / "set" / "masks" / f"{number}.png", rng.integers(0, 2, (8, 6), dtype=np.uint8) * 255
        )
    return tmp_path / "set"


def build(root, **kwargs):
    return DATASETS.build({"type": "mmseg_ext.BinaryMaskDataset", "data_root": str(root), **kwargs})


def test_every_suffix_and_transparency_reach_the_pipeline(root):
    dataset = build(root, pipeline=PIPELINE, foreground="building")
    assert dataset.metainfo["classes"] == ("background", "building")
    assert [dataset.get_data_info(i)["img_name"] for i in (0, 1, 2)] == ["images/0.jpg", "images/1.png", "images/2.tif"]
    assert len(dataset) == 10
    for index in range(3):
        sample = dataset[index]
        assert sample["inputs"].shape == (3, 8, 6)
        mask_HW = np.asarray(Image.open(root / "masks" / f"{index}.png"))
        assert (sample["data_samples"].gt_sem_seg.data[0].numpy() == mask_HW // 255).all()
    rgba = np.asarray(Image.open(root / "images" / "1.png"))
    assert (dataset[1]["inputs"].numpy() == rgba[..., 2::-1].transpose(2, 0, 1)).all(), "BGR, transparency left out"


def test_the_held_out_share_depends_on_names_alone(root):
    train, val = (build(root, split=split, holdout=0.3) for split in ("train", "val"))
    names = [{d.get_data_info(i)["img_name"] for i in range(len(d))} for d in (train, val)]
    assert len(names[1]) == 3
    assert not names[0] & names[1]
    assert len(names[0] | names[1]) == 10
    larger = build(root, split="val", holdout=0.5)
    assert names[1] < {larger.get_data_info(i)["img_name"] for i in range(len(larger))}


def test_images_without_masks_leave_out_the_loading_of_labels(root):
    dataset = build(root, masks=None, pipeline=PIPELINE)
    assert len(dataset) == 10
    assert "gt_sem_seg" not in dataset[0]["data_samples"]


def test_names_may_have_tails(tmp_path):
    save_picture_file(tmp_path / "a" / "7_sat.png", np.zeros((2, 2, 3), np.uint8))
    save_picture_file(tmp_path / "a" / "7_mask.png", np.zeros((2, 2), np.uint8))
    dataset = build(tmp_path, images="a", masks="a", mask_tail="_mask", image_tail="_sat")
    assert dataset.get_data_info(0)["seg_map_path"].endswith("7_mask.png")
    assert len(dataset) == 1


def test_every_mask_is_judged_before_training_and_what_was_read_is_kept(root, tmp_path):
    save_picture_file(root / "masks" / "3.png", np.full((8, 6), 7, np.uint8))
    dataset = build(root, pipeline=PIPELINE)
    report = check_dataset(dataset, cache_dir=tmp_path / "cache")
    (problem,) = report.errors
    assert problem.path == str(root / "masks" / "3.png")
    assert "holds 7 (48 pixels), where only 0 (background) and 255 (foreground) may be" in str(problem)
    masks = [np.asarray(Image.open(root / "masks" / f"{n}.png")) for n in range(10) if n != 3]
    assert report.class_pixels == [sum(int((m == v).sum()) for m in masks) for v in (0, 255)]
    assert check_dataset(dataset, cache_dir=tmp_path / "cache").from_cache == 10


@pytest.mark.parametrize(
    ("prepare", "kwargs", "message"),
    [
        (lambda r: (r / "masks" / "4.png").unlink(), {}, r"Expected the mask .*4\.png for the image .*4\.png.*1 of 10"),
        (
            lambda r: save_picture_file(r / "images" / "0.png", np.zeros((2, 2), np.uint8)),
            {},
            r"one image for each mask, got .*0",
        ),
        (
            lambda r: save_picture_file(r / "masks" / "0.tif", np.zeros((2, 2), np.uint8)),
            {},
            r"one mask for each image, got .*0",
        ),
        (lambda r: None, {"image_tail": "_sat"}, r"to end in '_sat'"),
        (lambda r: None, {"images": "img"}, r"Expected the folder .*img, found none"),
        (lambda r: None, {"split": "test"}, r"`split` to be one of 'all', 'train', 'val'"),
        (lambda r: None, {"holdout": 0.0}, r"`holdout` to be a number between 0 and 1"),
        (lambda r: None, {"factor": 0}, r"`factor` to be a positive int"),
        (lambda r: None, {"factor": 2}, r"tools/downsample\.py"),
        (lambda r: None, {"metainfo": {"classes": ("a",)}}, "two classes"),
        (lambda r: None, {"masks": None, "original_labels": True}, "Expected `masks`"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_it(root, prepare, kwargs, message):
    prepare(root)
    with pytest.raises(UserError, match=message):
        build(root, **kwargs)


def test_masks_without_an_image_are_told(root, monkeypatch):
    save_picture_file(root / "masks" / "99.png", np.zeros((2, 2), np.uint8))
    told = []
    monkeypatch.setattr("mmseg_ext.datasets.folder_dataset.print_log", lambda text, *_: told.append(text))
    assert len(BinaryMaskDataset(data_root=str(root))) == 10
    (text,) = told
    assert text.startswith("1 masks in")
    assert text.endswith("such as 99.png")


def test_a_downsampled_copy_is_read_by_its_factor(root, tmp_path):
    from tools.downsample import main

    assert detect_layout(root).name == "folders"
    assert main([str(root), "--factor", "2", "--workers", "1"]) == 0
    dataset = build(tmp_path / "set_ds_2", factor=2, original_labels=True, pipeline=PIPELINE)
    sample = dataset[0]
    assert sample["inputs"].shape == (3, 4, 3)
    assert set(sample["data_samples"].gt_sem_seg.data.unique().tolist()) <= {0, 1}
    assert dataset.metainfo["original_labels"]["original"] == str(root)


def test_a_copy_keeps_every_suffix(tmp_path):
    from tools.downsample import main

    suffixes = zip(IMAGE_SUFFIXES, (*LABEL_SUFFIXES, *LABEL_SUFFIXES), strict=False)
    for number, (suffix, of_mask) in enumerate(suffixes):
        image, mask_HW = np.full((4, 6, 3), 90, np.uint8), np.zeros((4, 6), np.uint8)
        mask_HW[:, 2:] = 1
        save_picture_file(tmp_path / "set" / "images" / f"{number}{suffix}", image)
        save_picture_file(tmp_path / "set" / "masks" / f"{number}{of_mask}", mask_HW)
    assert main([str(tmp_path / "set"), "--factor", "2", "--workers", "1"]) == 0
    pipeline = [PIPELINE[0], {**PIPELINE[1], "kind": "0/1"}, PIPELINE[2]]
    dataset = build(tmp_path / "set_ds_2", factor=2, pipeline=pipeline)
    assert len(dataset) == len(IMAGE_SUFFIXES)
    for index in range(len(dataset)):
        sample = dataset[index]
        assert sample["inputs"].shape == (3, 2, 3)
        assert abs(sample["inputs"].int() - 90).max() <= 3
        assert sample["data_samples"].gt_sem_seg.data.tolist() == [[[0, 1, 1]] * 2]


def test_decoded_masks_are_kept_by_their_kind(root, tmp_path, monkeypatch):
    pipeline = PIPELINE[:2]
    first = build(root, pipeline=pipeline, cache_dir=str(tmp_path / "cache"))[0]["gt_seg_map"]
    monkeypatch.setattr("mmseg_ext.masks.binary_masks.BinaryMeaning.read_mask", None)  # decoded once
    again = build(root, pipeline=pipeline, cache_dir=str(tmp_path / "cache"))
    assert again[0]["gt_seg_map"].tolist() == first.tolist()
    other = build(root, pipeline=[pipeline[0], {**pipeline[1], "kind": "0/1"}], cache_dir=str(tmp_path / "cache"))
    with pytest.raises(TypeError):
        other[0]


@pytest.mark.parametrize(("images", "masks", "image_tail"), [("a", "a", "_sat"), ("a", "a", ""), ("a", "b", "_sat")])
def test_a_copy_of_names_with_tails(tmp_path, images, masks, image_tail):
    from tools.downsample import main

    for number in range(3):
        save_picture_file(tmp_path / "set" / images / f"{number}{image_tail}.png", np.zeros((4, 6, 3), np.uint8))
        save_picture_file(tmp_path / "set" / masks / f"{number}_mask.png", np.full((4, 6), 255, np.uint8))
    flags = ["--folders", images, masks, "--tails", image_tail, "_mask"]
    assert main([str(tmp_path / "set"), "--factor", "2", "--workers", "1", *flags]) == 0
    settings = {"images": images, "masks": masks, "image_tail": image_tail, "mask_tail": "_mask"}
    dataset = build(tmp_path / "set_ds_2", factor=2, original_labels=True, pipeline=PIPELINE, **settings)
    assert len(dataset) == 3
    assert (dataset[2]["data_samples"].gt_sem_seg.data == 1).all()


def test_hidden_files_are_no_images(root):
    for folder in ("images", "masks"):
        (root / folder / "._1.png").write_bytes(b"what macOS adds")
    assert len(build(root, pipeline=PIPELINE)) == 10
