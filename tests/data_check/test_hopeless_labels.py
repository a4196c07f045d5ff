"""Masks of which a class would be read as "not labelled"."""

import pytest
from checked_datasets import IMAGE, INDEX, build, labels, write_mask

from mmseg_ext.data_check import check_dataset
from mmseg_ext.transforms import LoadBinaryAnnotations

CLASSES = {"classes": ("ground", "peanut"), "palette": [[0, 0, 0], [255, 255, 255]]}


def warnings_of(root, values, pipeline):
    for index in range(3):
        write_mask(root / "masks" / f"{index}.png", labels(*values[index % len(values)]))
    report = check_dataset(build(root, pipeline, metainfo=CLASSES), use_cache=False)
    assert report.errors == []
    return [problem for problem in report.warnings if problem.kind == "no foreground"]


@pytest.mark.parametrize(
    ("pipeline", "fix"),
    [
        ([IMAGE, LoadBinaryAnnotations("0/1")], "If 255 is the foreground, set kind='0/255'."),
        (INDEX, "load them with mmseg_ext.LoadBinaryAnnotations(kind='0/255')."),
    ],
)
def test_masks_of_0_and_255_whose_foreground_is_ignored(root, pipeline, fix):
    (problem,) = warnings_of(root, [(0, 255)], pipeline)
    assert problem.path == str(root / "masks")
    assert problem.what == "the masks hold 0 and 255 alone, and 255 means 'not labelled': no pixel is 'peanut'"
    assert problem.fix.endswith(fix)


@pytest.mark.parametrize("values", [[(0, 255), (0, 1)], [(0, 0)], [(0, 1, 255)]])
@pytest.mark.parametrize("pipeline", [[IMAGE, LoadBinaryAnnotations("0/1")], INDEX])
def test_masks_whose_foreground_is_read_are_fine(root, values, pipeline):
    assert warnings_of(root, values, pipeline) == []


def test_masks_of_0_and_255_are_fine_where_255_is_the_foreground(root):
    assert warnings_of(root, [(0, 255)], [IMAGE, LoadBinaryAnnotations("0/255")]) == []
