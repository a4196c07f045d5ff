"""The picture: a readable PNG for few and many classes, in any script; the classes that are left out are counted."""

import io

import numpy as np
import pytest
from PIL import Image

from mmseg_ext.evaluation.reports.confusion_matrix_picture import MAX_CLASSES, draw_confusion_matrix, largest_confusions


def read(png):
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_merged_classes_keep_every_pixel():
    rng = np.random.default_rng(0)
    confusion = rng.integers(0, 9, (150, 150))
    confusion[[3, 70]] *= 1000
    merged, names = largest_confusions(confusion, [f"c{i}" for i in range(150)])
    assert merged.shape == (MAX_CLASSES + 1, MAX_CLASSES + 1)
    assert merged.sum() == confusion.sum()
    assert names[-1] == "(120 others)"
    kept = [int(name[1:]) for name in names[:-1]]
    assert kept == sorted(kept)
    assert {3, 70} <= set(kept)
    np.testing.assert_array_equal(merged[:-1, :-1], confusion[np.ix_(kept, kept)])
    np.testing.assert_array_equal(merged[:-1].sum(1), confusion[kept].sum(1))


@pytest.mark.parametrize("num_classes", [1, 2, MAX_CLASSES + 1])
def test_few_classes_stay_as_they_are(num_classes):
    confusion = np.arange(num_classes**2).reshape(num_classes, num_classes)
    merged, names = largest_confusions(confusion, [str(i) for i in range(num_classes)])
    assert merged is confusion
    assert len(names) == num_classes


def test_shares_are_shown_in_shades():
    right = read(draw_confusion_matrix(np.diag([10, 10, 10]), "abc", "all right"))
    none = read(draw_confusion_matrix(np.zeros((3, 3), int), "abc", "all right"))
    dark = [np.count_nonzero((p[..., 2] > p[..., 0] + 60) & (p[..., 0] < 60)) for p in (right, none)]
    assert dark[0] > 3 * 40 * 40  # three cells, each larger than 40 × 40 pixels, and the scale beside
    assert dark[1] < dark[0] / 3


def test_150_classes_make_a_picture_of_moderate_size():
    confusion = np.random.default_rng(0).integers(0, 10**9, (150, 150))
    png = draw_confusion_matrix(confusion, [f"a class with quite a long name {i}" for i in range(150)])
    assert max(read(png).shape) < 2500
    assert len(png) < 1e6


def test_names_in_any_script_and_with_any_sign(recwarn):
    draw_confusion_matrix(np.eye(4, dtype=int), ["$x^{", "水", "a\\b_c", "ü" * 60], "$")
    assert not [w for w in recwarn if "missing" in str(w.message)]
