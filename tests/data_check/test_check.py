"""What the check finds and counts, on files of a few pixels."""

import json
import random

import numpy as np
import pytest
from checked_datasets import CLASSES, IMAGE, PALETTE, build, check, only, write_mask
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmseg.datasets import BaseSegDataset

from mmseg_ext.data_check import LabelFileReport, Problem, check_dataset
from mmseg_ext.errors import UserError
from mmseg_ext.progress import ProgressDisplay


def test_good_dataset_is_counted(root):
    report = check(root, serialize_data=True)
    report.raise_if_bad()
    assert (report.errors, report.warnings) == ([], [])
    assert (report.num_images, report.num_masks, report.num_pixels) == (3, 3, 3 * 48)
    assert (report.num_labelled_pixels, report.class_pixels, report.class_images) == (3 * 47, [47] * 3, [1] * 3)
    assert report.labelled_percent == pytest.approx(100 * 47 / 48)
    assert (report.min_size, report.max_size) == ((6, 8), (6, 8))
    content = json.loads(json.dumps(report.to_dict()))
    assert content["class_pixels"] == [47] * 3
    assert "3 images, 6x8 (height x width), 97.9 % of the pixels labelled" in report.summary()


def test_missing_image(root):
    dataset = build(root)
    (root / "images" / "1.jpg").unlink()
    problem = only(check_dataset(dataset, use_cache=False).errors)
    assert problem.path == str(root / "images" / "1.jpg")
    assert problem.what == "the image is missing"
    assert "remove it from the list" in problem.fix


@pytest.mark.parametrize(("data", "what"), [(b"", "is empty (0 bytes)"), (b"no image at all", "cannot decode")])
@pytest.mark.parametrize("noun", ["image", "mask"])
def test_file_that_is_no_image(root, data, what, noun):
    path = root / f"{noun}s" / ("1.jpg" if noun == "image" else "1.png")
    path.write_bytes(data)
    problem = only(check(root).errors)
    assert problem.path == str(path)
    assert problem.what.startswith(f"the {noun} ")
    assert what in problem.what.replace("is no image that OpenCV can decode", "cannot decode").replace(
        "cannot be decoded (cannot identify image file)", "cannot decode"
    )


def test_missing_mask_names_its_image(root):
    (root / "masks" / "1.png").unlink()
    problem = only(check(root).errors)
    assert problem.path == str(root / "masks" / "1.png")
    assert problem.what == f"the mask is missing; its image is {root / 'images' / '1.jpg'}"
    assert "Put the mask there" in problem.fix


@pytest.mark.parametrize("reduce_zero_label", [False, True])
def test_classes_are_those_that_stock_loading_makes(root, reduce_zero_label):
    class FourClasses(BaseSegDataset):
        METAINFO = {"classes": ("other", *CLASSES), "palette": [[0, 0, 0], *map(list, PALETTE)]}

    rng = np.random.default_rng(0)
    for i in range(3):
        values = rng.choice([0, 1, 2, 3, 255], (6, 8))
        write_mask(root / "masks" / f"{i}.png", values)
    kwargs = {"metainfo": {"classes": ("road", "field")}, "cls": FourClasses, "reduce_zero_label": reduce_zero_label}
    dataset = build(root, **kwargs)
    assert dataset.label_map
    report = check_dataset(dataset, use_cache=False)
    assert report.errors == []
    expected = np.zeros(256, dtype=np.int64)
    for i in range(3):
        expected += np.bincount(dataset[i]["gt_seg_map"].ravel(), minlength=256)
    assert expected[:2].sum() > 0
    assert report.class_pixels == expected[:2].tolist()
    assert report.num_labelled_pixels == expected[:2].sum()
    assert expected[2:255].sum() == 0


def test_wrapped_datasets_are_counted_once(root):
    inner = build(root)
    other = build(root, indices=1)
    report = check_dataset(ConcatDataset([inner, inner, other]), use_cache=False)
    assert (report.num_images, report.num_masks) == (4, 4)
    assert report.class_pixels == [94, 47, 47]
    assert check_dataset(RepeatDataset(inner, times=7), use_cache=False).class_pixels == [47, 47, 47]


class LoadEverywhereWater:
    """A loader of labels that have no file of their own."""

    def __call__(self, results):
        return results

    def check_file(self, results):
        if results["img_path"].endswith("2.jpg"):
            raise UserError("no points were clicked")
        problems = [Problem(results["img_path"], "a point lies outside", "Click again.")] * results[
            "img_path"
        ].endswith("1.jpg")
        height, width = results["img_shape"]
        return LabelFileReport(counts={1: height, 255: width}, problems=problems)


def test_loader_that_looks_at_its_own_files(root):
    report = check(root, [IMAGE, LoadEverywhereWater()])
    assert [str(p).replace(str(root), "") for p in report.errors] == [
        "/images/1.jpg: a point lies outside. Click again.",
        "/images/2.jpg: no points were clicked.",
    ]
    assert report.class_pixels == [0, 12, 0]
    assert (report.num_pixels, report.num_labelled_pixels) == (96, 12)


def test_random_state_is_left_alone(root):
    import torch

    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    check(root)
    assert before == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_progress_is_called_for_every_image_and_shown_only_when_slow(root):
    calls, lines = [], []
    check_dataset(build(root), use_cache=False, progress=lambda *args: calls.append(args))
    assert calls == [(1, 3), (2, 3), (3, 3)]
    with ProgressDisplay("Checking", lines.append, terminal=False) as display:
        display(1, 3)
    assert lines == []
    with ProgressDisplay("Checking", lines.append, delay=0, terminal=False) as display:
        display(1, 3)
        display(2, 3)
    assert lines == ["Checking: 1 of 3"]
