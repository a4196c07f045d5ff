"""Names of images: bare, and longer where two share one."""

import pytest

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.submissions.submitted_names import image_names


def test_bare_names():
    assert image_names(["/data/a/one.jpg", "/data/b/two.tar.png"]) == ["one", "two.tar"]
    assert image_names(["/data/a/one.jpg"], keep_suffix=True) == ["one.jpg"]
    assert image_names([]) == []


def test_shared_names_bear_the_path_below_the_common_folder():
    images = [
        "/data/Test/Urban/images_png/1.png",
        "/data/Test/Rural/images_png/1.png",
        "/data/Test/Rural/images_png/2.png",
    ]
    assert image_names(images) == ["Urban/images_png/1", "Rural/images_png/1", "2"]
    assert image_names(images, separator="_") == ["Urban_images_png_1", "Rural_images_png_1", "2"]
    assert image_names(["/a/1.png", "/a/1.jpg"], keep_suffix=True) == ["1.png", "1.jpg"]


def test_names_that_stay_the_same_are_an_error():
    with pytest.raises(UserError, match=r"got /a/1\.png and /a/1\.jpg, both '1'"):
        image_names(["/a/1.png", "/a/1.jpg"])
    with pytest.raises(UserError, match="both 'x_1'"):
        image_names(["/a/x/1.png", "/a/y/1.png", "/a/x_1.png"], separator="_")
