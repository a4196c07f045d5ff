"""The drop-ins on samples with other fields than the usual ones: names of label maps, key points, missing entries."""

import copy

import numpy as np
import pytest
from drop_in_pairs import DROP_INS, build, compare, loaded, patches, photo, sample
from PIL import Image

pytestmark = pytest.mark.usefixtures("mmseg_scope")

ARGUMENTS = {
    "Resize": {"scale": (64, 48), "keep_ratio": True},
    "RandomResize": {"scale": (64, 48), "ratio_range": (0.5, 2.0)},
    "RandomCrop": {"crop_size": (24, 32)},
    "RandomFlip": {"prob": 0.5, "direction": "vertical"},
}


@pytest.mark.parametrize("name", DROP_INS)
def test_the_repr_is_stocks(name):
    config = {"type": name, **ARGUMENTS.get(name, {})}
    if name == "RandomResize":  # by default ours resizes by its own class, not the name
        config["resize_type"] = "Resize"
    assert repr(build(config, ours=True)) == repr(build(config, ours=False))


@pytest.mark.parametrize("name", ARGUMENTS)
def test_label_maps_of_every_name(name):
    """Whatever stands in `seg_fields` moves with the image, and nothing else."""

    def make(seed):
        results = loaded(40, 56, seed)
        results["gt_semantic_seg"] = results.pop("gt_seg_map")
        results["gt_depth_map"] = photo(40, 56, seed)[..., 0].astype(np.float32)
        results["elsewhere"] = patches(40, 56, seed)
        return {**results, "seg_fields": ["gt_semantic_seg", "gt_depth_map"]}

    out = compare({"type": name, **ARGUMENTS[name]}, make, range(20))
    assert out["gt_semantic_seg"].shape == out["gt_depth_map"].shape == out["img"].shape[:2]
    np.testing.assert_array_equal(out["elsewhere"], make(19)["elsewhere"])


@pytest.mark.parametrize("name", ["Resize", "RandomResize"])
def test_key_points_and_boxes_move_with_the_image(name):
    fields = {
        "gt_bboxes": np.array([[1.0, 2.0, 30.0, 20.0]]),
        "gt_keypoints": np.array([[[10.0, 20.0, 1.0], [55.0, 39.0, 0.0]]]),
    }
    compare({"type": name, **ARGUMENTS[name]}, lambda seed: copy.deepcopy(loaded(40, 56, seed, **fields)), range(10))


@pytest.mark.parametrize("direction", ["horizontal", "vertical", "diagonal"])
def test_two_flips_are_none(direction):
    flip = build({"type": "RandomFlip", "prob": 1.0, "direction": direction}, ours=True)
    before = loaded(20, 24, 0)
    once = flip(copy.deepcopy(before))
    assert (once["img"] != before["img"]).any()
    twice = flip(once)
    np.testing.assert_array_equal(twice["img"], before["img"])
    np.testing.assert_array_equal(twice["gt_seg_map"], before["gt_seg_map"])


@pytest.mark.parametrize("reduce_zero_label", [False, True])
def test_masks_of_a_dataset_without_a_label_map(pairs, reduce_zero_label):
    def make(seed):
        results = sample(pairs["small"][seed], reduce_zero_label=reduce_zero_label)
        del results["label_map"]
        return results

    compare({"type": "LoadAnnotations"}, make, range(5))


def test_a_removed_class_under_reduce_zero_label(tmp_path):
    """Label 0 becomes ignored, the others move down by one, and only then the dataset's map counts."""
    path = tmp_path / "mask.png"
    Image.fromarray(np.array([[0, 1, 2], [3, 4, 255]], np.uint8)).save(path)
    fields = {"reduce_zero_label": True, "label_map": {0: 0, 1: 255, 2: 1, 3: 2}}
    out = compare({"type": "LoadAnnotations"}, lambda seed: sample((str(path), str(path)), **fields), [0])
    np.testing.assert_array_equal(out["gt_seg_map"], [[255, 0, 255], [1, 2, 255]])


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("shape", [(3, 20, 24), (20, 24, 3), (1, 20, 24)])
def test_labels_that_are_no_map_are_packed_as_by_stock(shape):
    labels = np.random.default_rng(0).integers(0, 5, shape)
    compare({"type": "PackSegInputs"}, lambda seed: loaded(20, 24, seed, gt_seg_map=labels), [0])


@pytest.mark.parametrize("ours", [False, True])
def test_labels_that_are_no_map_are_warned_about(ours):
    pack = build({"type": "PackSegInputs"}, ours)
    with pytest.warns(UserWarning, match="the segmentation map is 2D"):
        pack(loaded(20, 24, 0, gt_seg_map=np.zeros((3, 20, 24))))
