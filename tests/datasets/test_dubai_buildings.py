import numpy as np
import pytest
from mmseg.registry import DATASETS
from picture_files import save_picture_file

from mmseg_ext.data_check import check_dataset
from mmseg_ext.datasets import DubaiAerialDataset
from mmseg_ext.errors import UserError
from mmseg_ext.transforms import LoadGroupedColorAnnotations

pytestmark = pytest.mark.usefixtures("mmseg_scope")
DUBAI_COLORS = DubaiAerialDataset.METAINFO["palette"]
LOAD = {
    "type": "mmseg_ext.LoadGroupedColorAnnotations",
    "groups": [DUBAI_COLORS[1:], DUBAI_COLORS[:1]],
    "ignore_colors": ["#9B9B9B"],
    "unknown": "ignore",
}


def test_building_is_one_and_all_other_labels_are_zero(small_dubai_root, tmp_path):
    pipeline = [{"type": "LoadImageFromFile"}, LOAD]
    config = {"data_root": str(small_dubai_root), "split": "all", "pipeline": pipeline}
    dataset = DATASETS.build({"type": "mmseg_ext.DubaiBuildingsDataset", **config})
    config["pipeline"] = [
        pipeline[0],
        {"type": "mmseg_ext.LoadColorAnnotations", "palette": DUBAI_COLORS, "ignore_colors": ["#9B9B9B"]},
    ]
    five = DATASETS.build({"type": "mmseg_ext.DubaiAerialDataset", **config})
    counts = np.zeros(2, int)
    for index in range(len(five)):
        labels_HW = five[index]["gt_seg_map"]
        assert dataset[index]["gt_seg_map"].tolist() == (labels_HW == 0).astype(int).tolist()
        assert dataset[index]["seg_fields"] == ["gt_seg_map"]
        counts += [(labels_HW != 0).sum(), (labels_HW == 0).sum()]
    report = check_dataset(dataset, cache_dir=tmp_path / "cache")
    assert report.errors == []
    assert report.class_pixels == counts.tolist()


def test_what_has_no_class_stays_ignored(tmp_path):
    save_picture_file(
        tmp_path / "mask.png", np.array([[[60, 16, 152], [155, 155, 155], [1, 2, 3], [132, 41, 246]]], np.uint8)
    )
    config = {key: value for key, value in LOAD.items() if key != "type"}
    results = LoadGroupedColorAnnotations(**config)({"seg_map_path": tmp_path / "mask.png", "seg_fields": []})
    assert results["gt_seg_map"].tolist() == [[1, 255, 255, 0]]
    with pytest.raises(UserError, match="colours of every class"):
        LoadGroupedColorAnnotations([[], ["#000000"]])


def test_metainfo_may_choose_among_the_groups(small_dubai_root, tmp_path):
    config = {
        "type": "mmseg_ext.DubaiBuildingsDataset",
        "data_root": str(small_dubai_root),
        "split": "all",
        "pipeline": [{"type": "LoadImageFromFile"}, LOAD],
    }
    both, buildings = (DATASETS.build({**config, **kw}) for kw in ({}, {"metainfo": {"classes": ("building",)}}))
    count = 0
    for index in range(len(both)):
        labels_HW = both[index]["gt_seg_map"]
        assert buildings[index]["gt_seg_map"].tolist() == np.where(labels_HW == 1, 0, 255).tolist()
        count += int((labels_HW == 1).sum())
    report = check_dataset(buildings, cache_dir=tmp_path / "cache")
    assert report.errors == []
    assert report.class_pixels == [count]


def test_groups_that_do_not_fit_the_label_map_are_refused(tmp_path):
    save_picture_file(tmp_path / "mask.png", np.full((1, 1, 3), 255, np.uint8))
    results = {"seg_map_path": tmp_path / "mask.png", "seg_fields": [], "label_map": {0: 255, 1: 0, 2: 1}}
    with pytest.raises(UserError, match="each of the dataset's own 3 classes, got 2"):
        LoadGroupedColorAnnotations([["#000000"], ["#FFFFFF"]])(results)
