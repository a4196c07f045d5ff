import hashlib
import json

import numpy as np
import pytest
from mmseg.registry import DATASETS
from picture_files import save_picture_file
from PIL import Image

from mmseg_ext.data_check import check_dataset
from mmseg_ext.datasets.deepglobe_land_cover import DeepGlobeLandCoverDataset, fold_of
from mmseg_ext.downsampling.layouts import detect_layout
from mmseg_ext.errors import UserError

pytestmark = pytest.mark.usefixtures("mmseg_scope")
COLORS = ["#00FFFF", "#FFFF00", "#FF00FF", "#00FF00", "#0000FF", "#FFFFFF"]
LOAD = {"type": "mmseg_ext.LoadBinarizedColorAnnotations", "palette": COLORS, "ignore_colors": ["#000000"]}
PIPELINE = [{"type": "LoadImageFromFile"}, LOAD, {"type": "PackSegInputs"}]


@pytest.fixture
def root(tmp_path):
    """Twelve labelled images of 4 × 8: the six classes, unknown and one more; no colour is pure."""
    rng = np.random.default_rng(0)
    colors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in [*COLORS, "#000000", "#00FF00"]])
    near = np.where(colors == 255, 130, 120).astype(np.uint8)
    for number in range(100, 112):
        folder = tmp_path / "deepglobe" / "train"
        save_picture_file(folder / f"{number}_sat.jpg", rng.integers(0, 256, (4, 8, 3), dtype=np.uint8))
        save_picture_file(folder / f"{number}_mask.png", np.repeat(near[None], 4, 0))
    for folder, number in (("valid", 900), ("test", 950)):
        save_picture_file(tmp_path / "deepglobe" / folder / f"{number}_sat.jpg", np.zeros((4, 8, 3), np.uint8))
    return tmp_path / "deepglobe"


def build(root, **kwargs):
    config = {"type": "mmseg_ext.DeepGlobeLandCoverDataset", "data_root": str(root), "pipeline": PIPELINE, **kwargs}
    return DATASETS.build(config)


def names(dataset):
    return [dataset.get_data_info(i)["img_name"] for i in range(len(dataset))]


def test_colours_are_binarised_at_128_and_unknown_is_ignored(root):
    labels_HW = build(root, split="all")[0]["data_samples"].gt_sem_seg.data[0].numpy()
    assert labels_HW.tolist() == [[0, 1, 2, 3, 4, 5, 255, 3]] * 4


def test_classes_and_colours_fit():
    meta = DeepGlobeLandCoverDataset.METAINFO
    assert ["#{:02X}{:02X}{:02X}".format(*color) for color in meta["palette"]] == COLORS
    assert len(meta["classes"]) == 6


def test_the_folds_part_the_labelled_images_by_their_ids(root):
    everything = names(build(root, split="all"))
    assert len(everything) == 12
    validated = [names(build(root, split="val", fold=fold)) for fold in {fold_of(str(n)) for n in range(100, 112)}]
    assert sorted(name for names_of_fold in validated for name in names_of_fold) == everything
    fold = fold_of("100")
    train, val = (names(build(root, split=split, fold=fold)) for split in ("train", "val"))
    assert "train/100_sat.jpg" in val
    assert sorted(train + val) == everything
    assert fold_of("100") == int(hashlib.sha256(b"100").hexdigest()[:8], 16) % 5
    shares = np.bincount([fold_of(str(n)) for n in range(5000)], minlength=5) / 5000
    assert shares == pytest.approx([0.2] * 5, abs=0.02)


def test_the_challenges_own_splits_have_no_masks(root):
    for split, name in (("official_valid", "valid/900_sat.jpg"), ("official_test", "test/950_sat.jpg")):
        dataset = build(root, split=split)
        assert names(dataset) == [name]
        assert "gt_sem_seg" not in dataset[0]["data_samples"]


def test_the_check_before_training_sees_the_binarised_colours(root, tmp_path):
    dataset = build(root, split="all")
    report = check_dataset(dataset, cache_dir=tmp_path / "cache")
    assert report.errors == []
    assert report.class_pixels == [48, 48, 48, 96, 48, 48]
    assert report.num_pixels - report.num_labelled_pixels == 48
    red = np.zeros((4, 8, 3), np.uint8)
    red[..., 0] = 200
    save_picture_file(root / "train" / "100_mask.png", red)
    (problem,) = check_dataset(dataset, cache_dir=tmp_path / "cache").errors
    assert problem.path.endswith("100_mask.png")
    assert "#FF0000" in str(problem)
    with pytest.raises(UserError, match=r"100_mask\.png, got #FF0000"):
        dataset[0]


def test_a_downsampled_copy_is_read_by_its_factor(root, tmp_path):
    from tools.downsample import main

    assert detect_layout(root).name == "deepglobe"
    assert main([str(root), "--factor", "2", "--workers", "1"]) == 0
    dataset = build(tmp_path / "deepglobe_ds_2", factor=2, split="all", original_labels=True)
    assert len(dataset) == 12
    assert dataset[0]["inputs"].shape == (3, 2, 4)
    assert names(build(tmp_path / "deepglobe_ds_2", factor=2, split="official_test")) == ["test/950_sat.jpg"]


@pytest.mark.parametrize(
    ("prepare", "kwargs", "message"),
    [
        (
            lambda r: (r / "train" / "101_mask.png").unlink(),
            {"split": "all"},
            r"the mask .*101_mask\.png for the image",
        ),
        (lambda r: None, {"split": "valid"}, "`split` to be one of 'train', 'val', 'all', 'official_valid'"),
        (lambda r: None, {"fold": 5}, "expected `fold`"),
        (lambda r: None, {"factor": 0.5}, "expected `factor`"),
        (lambda r: None, {"data_root": "nowhere"}, "data/README.md shows the tree"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_it(root, prepare, kwargs, message):
    prepare(root)
    with pytest.raises(UserError, match=message):
        build(root, **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [({"palette": ["#0000FE"]}, "0 and 255 alone"), ({"threshold": 0}, r"`threshold` to be an int in 1\.\.255")],
)
def test_the_loader_refuses_what_thresholding_never_leaves(kwargs, message):
    from mmseg_ext.transforms import LoadBinarizedColorAnnotations

    with pytest.raises(UserError, match=message):
        LoadBinarizedColorAnnotations(**{"palette": COLORS, **kwargs})


def test_colours_that_are_not_pure_vote_as_what_they_stand_for(tmp_path):
    from tools.downsample import main

    mask = np.zeros((2, 4, 3), np.uint8)
    mask[:, :2] = [[[0, 255, 250], [3, 240, 255]], [[0, 0, 255], [0, 0, 255]]]  # two of one class, and two of another
    mask[1, 0] = [4, 255, 255]
    mask[:, 2:] = [[[1, 0, 0], [0, 2, 0]], [[0, 0, 9], [255, 254, 3]]]  # unknown, which has no vote, and one class
    save_picture_file(tmp_path / "deepglobe" / "train" / "1_sat.jpg", mask)
    save_picture_file(tmp_path / "deepglobe" / "train" / "1_mask.png", mask)
    assert main([str(tmp_path / "deepglobe"), "--factor", "2", "--workers", "1"]) == 0
    copied = np.asarray(Image.open(tmp_path / "deepglobe_ds_2" / "train" / "1_mask.png"))
    assert copied.tolist() == [[[0, 255, 255], [255, 255, 0]]]
    record = json.loads((tmp_path / "deepglobe_ds_2" / "dataset.json").read_text())
    assert record["filters"]["color_threshold"] == 128
