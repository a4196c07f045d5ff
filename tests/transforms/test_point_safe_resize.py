"""The image as stock resizes it, the points as coordinates."""

import numpy as np
import pytest
from mmcv.transforms import Resize
from mmseg.datasets.transforms import Resize as MmsegResize
from mmseg.registry import TRANSFORMS

from mmseg_ext.points.resizing import resize_points
from mmseg_ext.points.sampling import keep_points, seed_of_sample
from mmseg_ext.transforms import PointSafeResize


def make_sample(shape=(97, 131), num_points=40, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, shape).astype(np.uint8)
    return {
        "img": rng.integers(0, 256, (*shape, 3), dtype=np.uint8),
        "gt_seg_map": keep_points(labels, num_points, seed_of_sample(seed, "a.png")),
        "seg_fields": ["gt_seg_map"],
    }


@pytest.mark.parametrize(
    "arguments",
    [
        {"scale": (64, 48)},
        {"scale": (200, 150), "keep_ratio": True},
        {"scale": 50},
        {"scale": (2048, 40), "keep_ratio": True},
        {"scale_factor": 0.3},
        {"scale_factor": 0.77, "keep_ratio": True},
        {"scale_factor": (2.9, 1.3)},
        {"scale_factor": 3.0, "keep_ratio": True},
        {"scale": (64, 48), "backend": "pillow", "interpolation": "bilinear"},
    ],
)
def test_the_image_is_stocks_and_each_point_one_pixel(arguments):
    stock, ours, before = make_sample(), make_sample(), make_sample()["gt_seg_map"]
    stock, ours = MmsegResize(**arguments)(stock), PointSafeResize(**arguments)(ours)
    np.testing.assert_array_equal(ours["img"], stock["img"])
    for key in ("img_shape", "scale", "scale_factor", "keep_ratio"):
        assert ours[key] == stock[key]
    assert ours["img_shape"] != (97, 131)
    assert ours["gt_seg_map"].shape == stock["gt_seg_map"].shape == ours["img"].shape[:2]
    expected, num_merged = resize_points(before, ours["img"].shape[:2])
    np.testing.assert_array_equal(ours["gt_seg_map"], expected)
    assert ours["num_merged_points"] == num_merged
    assert (ours["gt_seg_map"] != 255).sum() == 40 - num_merged


def test_merges_of_all_fields_are_counted():
    sample = make_sample(num_points=2000)
    sample["gt_other_map"] = sample["gt_seg_map"].copy()
    sample["seg_fields"].append("gt_other_map")
    sample["gt_missing"] = None
    sample["seg_fields"].append("gt_missing")
    _, num_merged = resize_points(sample["gt_seg_map"], (20, 30))
    results = PointSafeResize(scale=(30, 20))(sample)
    assert num_merged > 1000
    assert results["num_merged_points"] == 2 * num_merged
    np.testing.assert_array_equal(results["gt_seg_map"], results["gt_other_map"])
    assert results["gt_missing"] is None


def test_an_image_without_labels_is_resized_like_stock():
    stock, ours = ({"img": make_sample()["img"], "seg_fields": []} for _ in range(2))
    stock, ours = Resize(scale=(40, 30))(stock), PointSafeResize(scale=(40, 30))(ours)
    np.testing.assert_array_equal(ours["img"], stock["img"])
    assert ours["num_merged_points"] == 0


def random_resize(resize_type):
    return TRANSFORMS.build(
        {
            "type": "RandomResize",
            "scale": (160, 120),
            "ratio_range": (0.5, 2.0),
            "keep_ratio": True,
            "resize_type": resize_type,
        }
    )


def test_inside_random_resize_from_the_scope_mmseg(mmseg_scope):
    stock, ours = random_resize("Resize"), random_resize("mmseg_ext.PointSafeResize")
    assert type(ours.resize) is PointSafeResize
    assert type(stock.resize) is MmsegResize
    shapes = set()
    for i in range(12):
        before = make_sample(seed=i)["gt_seg_map"]
        np.random.seed(i)
        expected = stock(make_sample(seed=i))
        np.random.seed(i)
        results = ours(make_sample(seed=i))
        np.testing.assert_array_equal(results["img"], expected["img"])
        np.testing.assert_array_equal(results["gt_seg_map"], resize_points(before, results["img_shape"])[0])
        assert (results["gt_seg_map"] != 255).sum() == 40 - results["num_merged_points"]
        shapes.add(results["img_shape"])
    assert len(shapes) > 8


def test_stock_loses_three_of_four_points_at_half_size_and_ours_keeps_them(mmseg_scope):
    """The measured difference on a crop of usual size: 200 points on 512 × 512, resized to 256 × 256."""
    stock = MmsegResize(scale=(256, 256))(make_sample((512, 512), 200))
    ours = PointSafeResize(scale=(256, 256))(make_sample((512, 512), 200))
    assert 35 <= (stock["gt_seg_map"] != 255).sum() <= 65
    assert (ours["gt_seg_map"] != 255).sum() == 200 - ours["num_merged_points"] >= 198
    doubled = MmsegResize(scale=(1024, 1024))(make_sample((512, 512), 200))
    assert (doubled["gt_seg_map"] != 255).sum() == 800
    ours = PointSafeResize(scale=(1024, 1024))(make_sample((512, 512), 200))
    assert (ours["gt_seg_map"] != 255).sum() == 200
