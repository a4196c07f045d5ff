"""Images, masks, points and the cache of photographs with an EXIF orientation: all as viewers show them."""

import numpy as np
import pytest
from mmseg.registry import DATASETS, TRANSFORMS
from oriented_images import ORIENTATIONS, as_viewers_show, pattern, save_oriented
from PIL import Image

from mmseg_ext.data_check import check_dataset
from mmseg_ext.errors import UserError
from mmseg_ext.masks.decoded_cache import KEY, DecodedCache
from mmseg_ext.transforms import LoadPointAnnotations

pytestmark = [pytest.mark.usefixtures("mmseg_scope"), pytest.mark.parametrize("orientation", ORIENTATIONS)]
COLORS = [[60, 16, 152], [132, 41, 246], [110, 193, 228]]
CLASSES = ("background", "building", "road", "water", "barren", "forest", "agricultural")


def load(kind, results, **settings):
    return TRANSFORMS.build({"type": f"mmseg_ext.{kind}", **settings})({"seg_fields": [], **results})


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_images(tmp_path, orientation, suffix):
    path = tmp_path / f"a{suffix}"
    save_oriented(path, pattern(), orientation)
    shown = as_viewers_show(path)[..., ::-1].astype(int)
    for backend in ("cv2", "pillow"):
        for color_type in ("color", "unchanged"):
            settings = {"color_type": color_type, "imdecode_backend": backend}
            results = load("LoadImageFromFile", {"img_path": str(path)}, **settings)
            assert results["img_shape"] == results["ori_shape"] == (24, 40)
            assert np.abs(results["img"].astype(int) - shown).max() <= 4, settings


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_masks(tmp_path, orientation, suffix):
    labels = np.random.default_rng(0).integers(0, 3, (5, 7), dtype=np.uint8)
    path = tmp_path / f"mask{suffix}"
    sample = {"seg_map_path": str(path), "reduce_zero_label": False, "label_map": None}
    for backend in ("pillow", "cv2"):
        save_oriented(path, labels, orientation)
        loaded = load("LoadAnnotations", sample, imdecode_backend=backend)["gt_seg_map"]
        np.testing.assert_array_equal(loaded, labels)
    save_oriented(path, np.array(COLORS, np.uint8)[labels], orientation)
    np.testing.assert_array_equal(load("LoadColorAnnotations", sample, palette=COLORS)["gt_seg_map"], labels)
    binary = (labels > 0).astype(np.uint8)
    save_oriented(path, binary * np.uint8(255), orientation)
    np.testing.assert_array_equal(load("LoadBinaryAnnotations", sample)["gt_seg_map"], binary)


def test_the_cache(tmp_path, orientation):
    cache = DecodedCache(tmp_path / "cache")
    save_oriented(tmp_path / "a.webp", pattern(), orientation)
    save_oriented(tmp_path / "mask.png", pattern()[..., 0], orientation)
    for _ in range(2):  # made, then read
        image = load("LoadImageFromFile", {"img_path": str(tmp_path / "a.webp"), KEY: cache})["img"]
        np.testing.assert_array_equal(image[..., ::-1], pattern())
        sample = {"seg_map_path": str(tmp_path / "mask.png"), "reduce_zero_label": False, "label_map": None, KEY: cache}
        np.testing.assert_array_equal(load("LoadAnnotations", sample)["gt_seg_map"], pattern()[..., 0])
    assert len(list((tmp_path / "cache").glob("*.array"))) == 2


@pytest.fixture
def clicked(tmp_path, orientation):
    """An image with two pixels of their own colour; their columns and rows as shown, and as stored."""
    shown = np.zeros((5, 7, 3), np.uint8)
    shown[1, 2], shown[4, 6] = 100, 200
    path = tmp_path / "Train" / "Urban" / "images_png" / "1.png"
    save_oriented(path, shown, orientation)
    places = {}
    for frame, pixels in (("shown", as_viewers_show(path)), ("stored", np.asarray(Image.open(path)))):
        places[frame] = [tuple(np.argwhere(pixels[..., 0] == value)[0][::-1].tolist()) for value in (100, 200)]
    return path, places


def write_points(path, places):
    name = "Train/Urban/images_png/1.png"
    rows = [f"{name},{x},{y},{label}" for (x, y), label in zip(places, ("road", "water"), strict=True)]
    path.write_text("\n".join(["image,x,y,class", *rows]))
    return str(path)


@pytest.mark.parametrize("frame", ["shown", "stored"])
def test_points(tmp_path, orientation, clicked, frame):
    file = write_points(tmp_path / "points.csv", clicked[1][frame])
    dataset = DATASETS.build(
        {
            "type": "mmseg_ext.LoveDADataset",
            "data_root": str(tmp_path),
            "labels": {"file": file, "frame": frame},
            "scenes": ["urban"],
            "pipeline": [{"type": "mmseg_ext.LoadImageFromFile"}, {"type": "mmseg_ext.LoadAnnotations"}],
        }
    )
    sample = dataset[0]
    expected = np.full((5, 7), 255)
    expected[1, 2], expected[4, 6] = CLASSES.index("road"), CLASSES.index("water")
    np.testing.assert_array_equal(sample["gt_seg_map"], expected)
    assert sample["img"][1, 2].tolist() == [100] * 3
    report = check_dataset(dataset, use_cache=False)
    assert (report.errors, report.warnings, report.num_labelled_pixels) == ([], [], 2)


def test_a_point_outside_the_stored_image_is_named_by_its_own_coordinates(tmp_path, orientation, clicked):
    path, _ = clicked
    width, height = (5, 7) if orientation >= 5 else (7, 5)
    file = write_points(tmp_path / "points.csv", [(width - 1, height - 1), (width, 0)])
    step = LoadPointAnnotations(file, classes=CLASSES, frame="stored")
    results = {"img_path": str(path), "img_name": "Train/Urban/images_png/1.png", "img_shape": (5, 7), "seg_fields": []}
    with pytest.raises(UserError, match=rf"line 3: expected x in 0\.\.{width - 1} and y .* got x={width}, y=0"):
        step(results)
