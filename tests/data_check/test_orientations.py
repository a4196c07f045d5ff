"""Images with an EXIF orientation beside masks without: sizes, problems and statistics, of all eight orientations."""

import numpy as np
import pytest
from checked_datasets import IMAGE, INDEX, build, check, color_pipeline, labels, only, write_mask
from oriented_images import ORIENTATIONS, pattern, save_oriented, stored_pixels
from PIL import Image

from mmseg_ext.data_check import LabelFileReport, check_dataset
from mmseg_ext.data_check.facts_cache import FactsCache
from mmseg_ext.transforms import LoadAnnotations, LoadImageFromFile

OURS = [LoadImageFromFile(), LoadAnnotations()]
MASK = labels(0, 1, 2, size=(24, 40))
FOUND_BY_SIZE = range(5, 9)


def turn_image(root, orientation, suffix=".jpg", shown=None):
    """Replace the images by one that viewers show as 24 × 40 pixels, with masks of that size."""
    for path in (root / "images").iterdir():
        path.unlink()
    for i in range(3):
        write_mask(root / "masks" / f"{i}.png", MASK)
        save_oriented(root / "images" / f"{i}{suffix}", pattern() if shown is None else shown, orientation)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_masks_of_the_image_as_shown(root, orientation, suffix):
    turn_image(root, orientation, suffix)
    report = check(root, OURS, img_suffix=suffix)
    assert report.errors == []
    assert (report.min_size, report.max_size) == ((24, 40), (24, 40))
    assert build(root, OURS, img_suffix=suffix)[1]["img"].shape == (24, 40, 3)
    if orientation in (2, 3, 4):  # a mask of the stored pixels would have the same size
        problem = only(report.warnings)
        assert problem.path == str(root / "images")
        assert problem.what.startswith("3 of 3 images (0.")
        assert "another EXIF orientation than their masks" in problem.what
        assert "tools/fix_masks.py MASKS --turn-like IMAGES" in problem.fix
    else:
        assert report.warnings == []


@pytest.mark.parametrize("orientation", range(2, 9))
def test_masks_of_the_stored_pixels(root, orientation):
    turn_image(root, orientation)
    write_mask(root / "masks" / "1.png", stored_pixels(MASK, orientation))
    report = check(root, OURS)
    if orientation in FOUND_BY_SIZE:
        problem = only(report.errors)
        assert problem.path == str(root / "masks" / "1.png")
        assert f"the mask is 40x24, its image {root / 'images' / '1.jpg'} is 24x40 (height x width)" in problem.what
        assert f"turned by its EXIF orientation ({orientation}), and the mask is not" in problem.what
        assert "tools/fix_masks.py MASKS --turn-like IMAGES" in problem.fix
    else:
        assert report.errors == []
        assert "3 of 3 images" in only(report.warnings).what


@pytest.mark.parametrize("orientation", range(2, 9))
def test_masks_with_the_orientation_of_their_images(root, orientation):
    turn_image(root, orientation)
    for i in range(3):
        save_oriented(root / "masks" / f"{i}.png", MASK, orientation)
    report = check(root, OURS)
    assert (report.errors, report.warnings) == ([], [])
    assert report.class_images == [3, 3, 3]
    stock = check(root)
    assert {p.kind for p in stock.errors} == {"EXIF orientation"}
    assert "mmseg's loading ignores" in stock.errors[0].what
    assert "mmseg_ext.LoadAnnotations" in stock.errors[0].fix


def test_square_images_are_warned_of_since_their_sizes_show_nothing(root):
    turn_image(root, 6, shown=pattern(24, 24))
    for i in range(3):
        write_mask(root / "masks" / f"{i}.png", MASK[:, :24])
    report = check(root, OURS)
    assert report.errors == []
    assert "another EXIF orientation" in only(report.warnings).what


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("color_type", ["unchanged", "color_ignore_orientation"])
def test_a_loader_that_ignores_the_orientation(root, orientation, color_type):
    turn_image(root, orientation)
    for i in range(3):
        write_mask(root / "masks" / f"{i}.png", stored_pixels(MASK, orientation))
    pipeline = [{**IMAGE, "color_type": color_type}, INDEX[1]]
    report = check(root, pipeline)
    assert report.errors == []
    assert report.min_size == build(root, pipeline)[0]["img"].shape[:2]
    problem = only(report.warnings)
    assert f"color_type='{color_type}', imdecode_backend='cv2') ignores the EXIF orientation of 3 of 3" in problem.what
    assert "mmseg_ext.LoadImageFromFile" in problem.fix
    if orientation in FOUND_BY_SIZE:
        turn_image(root, orientation)
        assert "does not follow the image's EXIF orientation" in check(root, pipeline).errors[0].what


class Points:
    """Stands for a loader of points."""

    def __call__(self, results):
        return results

    def check_file(self, results):
        return LabelFileReport(counts={0: 1})


def test_a_loader_that_ignores_the_orientation_is_refused_with_points(root):
    turn_image(root, 3)
    problem = only(check(root, [{**IMAGE, "color_type": "color_ignore_orientation"}, Points()]).errors)
    assert (problem.kind, problem.path) == ("EXIF orientation", str(root / "images"))
    assert check(root, [IMAGE, Points()]).errors == []


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_facts_are_the_same_from_the_cache(root, tmp_path, orientation):
    turn_image(root, orientation)
    reports = [
        check_dataset(build(root, OURS), cache_dir=tmp_path / "cache", num_workers=1).to_dict() for _ in range(2)
    ]
    assert [report.pop("from_cache") for report in reports] == [0, 3]
    assert [report.pop("seconds") >= 0 for report in reports] == [True, True]
    assert reports[0] == reports[1]


def test_facts_of_an_older_format_are_read_again(tmp_path, monkeypatch):
    from mmseg_ext.data_check import facts_cache
    from mmseg_ext.data_check.file_facts import ImageFacts

    cache = FactsCache(tmp_path / "cache.json.gz")
    cache.put("key", [1], ImageFacts(1, 2, "RGB", 8, 3))
    cache.save()
    assert FactsCache(tmp_path / "cache.json.gz").get(ImageFacts, "key", [1]) is not None
    monkeypatch.setattr(facts_cache, "FORMAT", facts_cache.FORMAT + 1)
    assert FactsCache(tmp_path / "cache.json.gz").get(ImageFacts, "key", [1]) is None


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_colour_masks(root, orientation):
    turn_image(root, orientation)
    colors = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]], np.uint8)
    for i in range(3):
        save_oriented(root / "masks" / f"{i}.png", colors[MASK], orientation)
    report = check(root, color_pipeline())
    assert (report.errors, report.warnings) == ([], [])
    assert Image.open(root / "masks" / "0.png").size == ((24, 40) if orientation in FOUND_BY_SIZE else (40, 24))
