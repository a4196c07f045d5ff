import numpy as np
import pytest

from mmseg_ext.audit.folds import assign_folds
from mmseg_ext.errors import UserError


def test_groups_stay_together_and_folds_are_even():
    names = [
        f"{scene}/{n}.png"
        for scene, count in (("a", 6), ("b", 3), ("c", 3), ("d", 2), ("e", 2), ("f", 2))
        for n in range(count)
    ]
    folds_N = assign_folds(names, "folder", 3)
    of_scene = {}
    for name, fold in zip(names, folds_N, strict=True):
        assert of_scene.setdefault(name[0], fold) == fold
    assert sorted(np.bincount(folds_N).tolist()) == [5, 6, 7]


def test_images_for_themselves_are_spread():
    assert assign_folds([f"{n}.png" for n in range(7)], "image", 3).tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_there_are_no_more_folds_than_groups():
    assert assign_folds(["a1", "b1", "a2"], "^.", 5).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("names", "groups", "message"),
    [
        (["a/1", "a/2"], "^a", "got one group, 'a', of 2 images"),
        (["a/1"], "image", "got one image. Add images"),
        (["a/1", "b/1"], "(", "regular expression"),
    ],
)
def test_what_cannot_be_divided_is_refused(names, groups, message):
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        assign_folds(names, groups)
