"""Pictures, areas and statistics of photographs with an EXIF orientation: those of the images as shown."""

import numpy as np
import pytest
from mmseg.datasets import BaseSegDataset
from oriented_images import ORIENTATIONS, as_viewers_show, pattern, save_oriented, stored_pixels

from mmseg_ext.engine.area_estimation import estimate_dataset_areas
from mmseg_ext.engine.drawn_images import read_for_drawing
from mmseg_ext.engine.statistics_collection import collect_statistics
from mmseg_ext.errors import UserError

pytestmark = pytest.mark.usefixtures("mmseg_scope")
CLASSES = ["low", "high"]
PLACES = {(2, 3): "low", (20, 5): "high", (30, 20): "high", (38, 12): "low"}  # x, y as shown


def dataset(root, *steps):
    return {
        "type": "BaseSegDataset",
        "data_root": str(root),
        "img_suffix": ".webp",
        "data_prefix": {"img_path": "images", "seg_map_path": "masks"},
        "metainfo": {"classes": CLASSES, "palette": [[0, 0, 0], [9, 9, 9]]},
        "pipeline": [{"type": "mmseg_ext.LoadImageFromFile"}, *steps],
    }


def save_images(root, orientation):
    for seed in range(2):
        shown = pattern(seed=seed)
        save_oriented(root / "images" / f"{seed}.webp", shown, orientation)
        save_oriented(root / "masks" / f"{seed}.png", (shown[..., 0] > 100).astype(np.uint8), orientation)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_pictures(tmp_path, orientation, suffix):
    path = tmp_path / f"a{suffix}"
    save_oriented(path, pattern(), orientation)
    for color_type, as_drawn in (("color", as_viewers_show(path)), ("color_ignore_orientation", None)):
        if as_drawn is None and suffix == ".tif":  # OpenCV turns a TIFF under every flag
            continue
        settings = {**dataset(tmp_path), "pipeline": [{"type": "LoadImageFromFile", "color_type": color_type}]}
        settings.pop("type")
        built = BaseSegDataset(**settings, lazy_init=True)
        drawn = read_for_drawing(built, str(path))
        expected = stored_pixels(as_viewers_show(path), orientation) if as_drawn is None else as_drawn
        assert drawn.shape == expected.shape
        assert np.abs(drawn.astype(int) - expected).max() <= 4
        loaded = built.pipeline.transforms[0]({"img_path": str(path)})["img"][..., ::-1]
        if suffix != ".webp":  # stock does not turn it; the data check says so
            np.testing.assert_array_equal(drawn, loaded)


def test_what_cannot_be_drawn_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"an image to draw in .*a\.jpg"):
        read_for_drawing(None, str(tmp_path / "a.jpg"))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_areas_and_statistics(tmp_path, orientation):
    rows = [f"images/{seed}.webp,{x},{y},{label}" for seed in range(2) for (x, y), label in PLACES.items()]
    points = tmp_path / "points.csv"
    points.write_text("\n".join(["image,x,y,class", *rows]))
    found = []
    for name, turned in (("plain", 1), ("turned", orientation)):
        root = tmp_path / name
        save_images(root, turned)
        clicked = {"type": "mmseg_ext.LoadPointAnnotations", "file": str(points), "classes": CLASSES}
        areas = estimate_dataset_areas(dataset(root, {**clicked, "data_root": str(root)}))
        full = collect_statistics(dataset(root, {"type": "mmseg_ext.LoadAnnotations"}))
        assert full["sizes"] == {"24x40": 2}
        found.append(({image: shares.tolist() for image, shares in areas.areas_of.items()}, full))
    assert found[0] == found[1]
