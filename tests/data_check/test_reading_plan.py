"""Datasets and pipelines that do not fit."""

import numpy as np
import pytest
from checked_datasets import CLASSES, IMAGE, INDEX, PALETTE, build, check, color_pipeline, only, write_mask
from mmseg.datasets import BaseSegDataset

from mmseg_ext.data_check import check_dataset


def test_palette_of_another_length_than_the_classes(root):
    errors = check(root, color_pipeline(PALETTE[:2], unknown="ignore")).errors
    problem = next(p for p in errors if p.kind == "palette")
    assert problem.what == "it has the colours of 2 classes for 3 classes"
    assert "field, water, road" in problem.fix


def test_chosen_classes_of_a_colour_mask_are_those_that_loading_makes(root):
    class ThreeClasses(BaseSegDataset):
        METAINFO = {"classes": CLASSES, "palette": [list(c) for c in PALETTE]}

    for i in range(3):
        rgb = np.full((6, 8, 3), PALETTE[i], dtype=np.uint8)
        write_mask(root / "masks" / f"{i}.png", rgb)
    chosen = {"cls": ThreeClasses, "metainfo": {"classes": ("road", "field")}}
    dataset = build(root, color_pipeline(), **chosen)
    report = check_dataset(dataset, use_cache=False)
    assert report.errors == []
    assert report.class_pixels == [48, 48]
    assert [np.unique(dataset[i]["gt_seg_map"]).tolist() for i in range(3)] == [[1], [255], [0]]
    problem = only(check(root, color_pipeline(PALETTE[:2], unknown="ignore"), **chosen).errors)
    assert "the colours of each of the dataset's own 3 classes, got 2" in problem.what


@pytest.mark.parametrize("serialize_data", [False, True])
@pytest.mark.parametrize("images", ["images", "nowhere"])
def test_empty_dataset_names_the_folders(root, images, serialize_data):
    (root / "nowhere").mkdir()
    prefix = {"img_path": images, "seg_map_path": "masks"}
    dataset = build(root, data_prefix=prefix, img_suffix=".none", serialize_data=serialize_data, lazy_init=True)
    if not serialize_data:
        dataset.full_init()
        (root / "nowhere").rmdir()
    problem = only(check_dataset(dataset, use_cache=False).errors)
    assert problem.path == str(root / images)
    assert f"found no image-mask pairs (masks expected in {root / 'masks'})" in problem.what
    assert "images named *.none and masks named *.png" in problem.fix
    assert ("does not exist" in problem.fix) == (not (root / images).exists())


def test_pipeline_that_loads_masks_of_a_dataset_without(root):
    problem = only(check(root, data_prefix={"img_path": "images"}).errors)
    assert "3 of 3 images have no mask in the list" in problem.what
    assert "seg_map_path" in problem.fix
    report = check(root, [IMAGE], data_prefix={"img_path": "images"})
    assert (report.errors, report.num_images, report.num_masks) == ([], 3, 0)
    assert "no labels" in report.summary()


def test_masks_loaded_inside_test_time_augmentation_are_checked(root):
    tta = {
        "type": "TestTimeAug",
        "transforms": [[{"type": "mmseg.Resize", "scale_factor": 1.0, "keep_ratio": True}], [INDEX[1]]],
    }
    assert check(root, [IMAGE, tta]).num_masks == 3


def test_loader_that_contradicts_its_dataset(root):
    pipeline = [IMAGE, {**INDEX[1], "reduce_zero_label": True}]
    with pytest.warns(UserWarning, match="reduce_zero_label"):
        dataset = build(root, pipeline)
    problem = next(p for p in check_dataset(dataset, use_cache=False).errors if p.path == "LoadAnnotations")
    assert problem.what == "it has reduce_zero_label=True, but its dataset False"


def test_files_that_are_not_on_this_machine_are_not_checked(root):
    dataset = build(root)
    dataset.backend_args = {"backend": "petrel"}
    report = check_dataset(dataset, use_cache=False)
    assert report.errors == []
    assert "not on a disk of this machine" in only(report.warnings).what
    assert "not checked" in only(check_dataset([1, 2], use_cache=False).warnings).fix
