"""Labels that do not fit the dataset."""

import numpy as np
import pytest
from checked_datasets import IMAGE, PALETTE, build, check, color_pipeline, labels, only, write_mask
from mmseg.datasets import PascalVOCDataset
from PIL import Image

from mmseg_ext.transforms import LoadBinaryAnnotations, LoadColorAnnotations


def test_label_outside_the_classes(root):
    write_mask(root / "masks" / "1.png", labels(0, 7, 7, 9))
    problem = only(check(root).errors)
    assert problem.path == str(root / "masks" / "1.png")
    assert problem.what == "holds labels 7 (2 pixels), 9 (1 pixel) outside the 3 classes"
    assert "0..2, and 255 for 'not labelled'" in problem.fix


def test_reduced_labels_are_shown_as_on_disk(root):
    write_mask(root / "masks" / "1.png", labels(1, 4))
    write_mask(root / "masks" / "2.png", labels(3, 2))
    problem = check(root, reduce_zero_label=True).errors[0]
    assert "label 4 (1 pixel)" in problem.what
    assert "1..3, and 0 or 255 for 'not labelled' (reduce_zero_label=True)" in problem.fix


def test_16_bit_mask_whose_labels_would_wrap(root):
    mask = np.zeros((6, 8), dtype=np.uint16)
    mask[0, :3] = 300
    Image.fromarray(mask).save(root / "masks" / "1.png")
    problem = only(check(root).errors)
    assert problem.what == "holds 300 (3 pixels), where only class indices 0..255 may be"
    assert problem.fix == "Save the mask with 8 bits: mmseg's loading would wrap 300 to 44."
    assert build(root)[1]["gt_seg_map"].max() == 44  # what stock mmseg makes of it


def test_colour_mask_where_indices_are_expected(root):
    rgb = np.full((6, 8, 3), PALETTE[1], dtype=np.uint8)
    rgb[0, 0] = PALETTE[0]
    write_mask(root / "masks" / "1.png", rgb)
    problem = only(check(root).errors)
    assert "is a colour mask (mode RGB) where class indices are expected; it holds #28323C (98 %)" in problem.what
    assert "mmseg_ext.LoadColorAnnotations" in problem.fix
    assert "['#0A141E', '#28323C']" in problem.fix
    write_mask(root / "masks" / "1.png", np.ones((6, 8, 3)))
    assert "single channel" in only(check(root).errors).fix


def test_palette_png_where_indices_are_expected(root):
    write_mask(root / "masks" / "1.png", labels(0, 1), palette=PALETTE[::-1])
    problem = only(check(root).errors)
    assert problem.path == str(root / "masks" / "1.png")
    assert "is a palette PNG where class indices are expected; its indices stand for #46505A (98 %)" in problem.what
    assert "LoadColorAnnotations" in problem.fix
    assert "allow_palette=True" in problem.fix
    assert check(root, allow_palette=True).errors == []


@pytest.mark.parametrize("palette", [PALETTE + [(0, 0, 0)] * 253, [(i, i, i) for i in range(256)]])
def test_palette_png_whose_colours_show_that_indices_are_meant(root, palette):
    write_mask(root / "masks" / "1.png", labels(1, 255, 2), palette=palette)
    report = check(root)
    report.raise_if_bad()
    assert report.class_pixels[1] == 46


def test_palette_png_of_a_stock_dataset_that_has_them(root):
    write_mask(root / "masks" / "1.png", labels(0, 1), palette=PALETTE)
    (root / "list.txt").write_text("0\n1\n")
    check(root, cls=PascalVOCDataset, ann_file="list.txt", metainfo={}).raise_if_bad()


def test_colour_that_no_class_has(root):
    for i in range(3):
        rgb = np.full((6, 8, 3), PALETTE[i], dtype=np.uint8)
        rgb[0, : i + 1] = (0, 0, 0)
        rgb[1, 0] = (9, 9, 9)
        write_mask(root / "masks" / f"{i}.png", rgb)
    errors = check(root, color_pipeline(ignore_colors=["#090909"])).errors
    assert [p.what for p in errors] == [
        f"holds #000000 ({n}), where only colours of `palette` and `ignore_colors` may be"
        for n in ("1 pixel", "2 pixels", "3 pixels")
    ]
    assert "ignore_colors=['#000000']" in errors[0].fix
    assert "unknown='ignore'" in errors[0].fix

    report = check(root, color_pipeline(ignore_colors=["#090909"], unknown="ignore"))
    assert report.errors == []
    assert report.ignored_colors == {"#000000": 6, "#090909": 3}
    problem = only(report.warnings)
    assert "#000000, which no class has, is ignored: 6 pixels, in 0.png, 1.png, 2.png" in problem.what
    assert report.class_pixels == [46, 45, 44]


def test_index_mask_where_colours_are_expected(root):
    problem = check(root, color_pipeline()).errors[0]
    assert "holds #000000 (47 pixels), #FFFFFF (1 pixel), where only colours" in problem.what
    assert "read it with LoadAnnotations" in problem.fix


def test_a_binary_mask_of_a_dataset_with_one_class(root):
    for i in range(3):
        write_mask(root / "masks" / f"{i}.png", labels(0, 255))
    metainfo = {"classes": ("building",), "palette": [[1, 2, 3]]}
    errors = check(root, [IMAGE, LoadBinaryAnnotations()], metainfo=metainfo).errors
    assert {p.what for p in errors} == {"holds label 255 (1 pixel) outside the 1 classes"}


def test_a_colour_whose_class_the_dataset_lacks(root):
    write_mask(root / "masks" / "1.png", np.full((6, 8, 3), PALETTE[1], dtype=np.uint8))
    colors = {"palette": [(0, 0, 0), (1, 1, 1), (2, 2, 2), PALETTE[1]], "ignore_colors": ["#FFFFFF"]}
    assert [p.what for p in check(root, [IMAGE, LoadColorAnnotations(**colors)]).errors] == [
        "it has the colours of 4 classes for 3 classes",
        "holds label #28323C (48 pixels) outside the 3 classes",
    ]


def test_labels_of_the_loaders_own_ignore_index_are_not_labelled(root):
    colors = {"palette": [(0, 0, 0), (1, 1, 1), (2, 2, 2)], "ignore_colors": ["#FFFFFF"], "ignore_index": 9}
    report = check(root, [IMAGE, LoadColorAnnotations(**colors)])
    assert report.errors == []
    assert (report.class_pixels, report.num_labelled_pixels) == ([47] * 3, 3 * 47)
    assert report.ignored_colors == {"#FFFFFF": 3}


def test_labels_blurred_by_jpeg_name_the_command_that_fixes_them(root):
    blocks = np.array([[0, 1], [2, 0]], np.uint8).repeat(3, 0).repeat(4, 1) * np.uint8(120)
    for i in range(3):
        Image.fromarray(blocks).save(root / "masks" / f"{i}.jpg", quality=50)
    problem = check(root, seg_map_suffix=".jpg").errors[0]
    assert problem.kind == "label outside the classes"
    assert "python tools/fix_masks.py MASKS --out FIXED --values" in problem.fix
