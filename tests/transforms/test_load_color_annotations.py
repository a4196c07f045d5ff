"""Colour masks against what the palette of each file says, on the real Dubai masks and on small ones."""

import numpy as np
import pytest
from PIL import Image

from mmseg_ext.datasets import DubaiAerialDataset
from mmseg_ext.errors import UserError
from mmseg_ext.transforms import LoadColorAnnotations

PALETTE = ["#3C1098", "#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929"]
UNLABELED = "#9B9B9B"
RED, BLUE, GREY = (255, 0, 0), (0, 0, 255), (128, 128, 128)


def load(path, *args, **kwargs):
    results = LoadColorAnnotations(*args, **kwargs)({"seg_map_path": str(path), "seg_fields": []})
    assert results["seg_fields"] == ["gt_seg_map"]
    assert results["gt_seg_map"].dtype == np.uint8
    return results["gt_seg_map"]


def save(path, colors):
    Image.fromarray(np.array(colors, dtype=np.uint8)).save(path)
    return path


def convert_by_pil(path):
    """The labels of a mask, by one PIL image of each class colour."""
    with Image.open(path) as mask:
        rgb = np.array(mask.convert("RGB"))
    labels = np.full(rgb.shape[:2], 255)
    for index, color in enumerate(PALETTE):
        flat = np.array(Image.new("RGB", rgb.shape[1::-1], color))
        labels[(rgb == flat).all(axis=2)] = index
    return labels


@pytest.mark.parametrize("tile", [1, 2, 3, 4, 5, 6])
def test_real_masks_equal_the_conversion_by_pil(dubai_root, tile):
    masks = sorted((dubai_root / f"tile_{tile}" / "masks").glob("*.png"))
    assert len(masks) == 9
    for path in masks[::4]:
        labels = load(path, PALETTE, ignore_colors=[UNLABELED], unknown="ignore")
        np.testing.assert_array_equal(labels, convert_by_pil(path))


@pytest.mark.parametrize(("tile", "part", "class_of_index_0"), [(2, 4, 1), (2, 9, 4), (4, 4, 2), (4, 6, 4), (4, 9, 1)])
def test_palette_masks_are_read_by_their_own_palette(dubai_root, tile, part, class_of_index_0):
    """Index 0 is another class from file to file; the palette stored in each says which."""
    path = dubai_root / f"tile_{tile}" / "masks" / f"image_part_{part:03d}.png"
    with Image.open(path) as mask:
        assert mask.mode == "P"
        indices, colors = np.array(mask), np.array(mask.getpalette()).reshape(-1, 3)
    class_of_color = {tuple(int(c[i : i + 2], 16) for i in (1, 3, 5)): n for n, c in enumerate(PALETTE)}
    class_of_index = [class_of_color.get(tuple(c), 255) for c in colors.tolist()]
    assert class_of_index[0] == class_of_index_0
    labels = load(path, PALETTE, ignore_colors=[UNLABELED])
    np.testing.assert_array_equal(labels, np.array(class_of_index)[indices])
    assert (labels != indices).any()


def test_black_pixels_of_a_real_mask_are_named_and_counted(dubai_root):
    path = dubai_root / "tile_3" / "masks" / "image_part_006.png"
    with Image.open(path) as mask:
        num_black = int((np.array(mask) == 0).all(axis=2).sum())
    assert num_black == 302
    with pytest.raises(UserError) as caught:
        load(path, PALETTE, ignore_colors=[UNLABELED])
    for part in (str(path), "#000000 (302 pixels)", "`ignore_colors`", "unknown='ignore'"):
        assert part in str(caught.value)
    ignored = load(path, PALETTE, ignore_colors=[UNLABELED], unknown="ignore")
    named = load(path, PALETTE, ignore_colors=[UNLABELED, "#000000"])
    np.testing.assert_array_equal(ignored, named)
    with Image.open(path) as mask:
        assert (ignored[(np.array(mask) == 0).all(axis=2)] == 255).all()


def test_small_mask_by_hand(tmp_path):
    path = save(tmp_path / "m.png", [[RED, BLUE, GREY], [BLUE, (0, 0, 254), RED]])
    assert load(path, [RED, BLUE], unknown="ignore").tolist() == [[0, 1, 255], [1, 255, 0]]
    assert load(path, [BLUE, "#FF0000"], ignore_index=9, unknown="ignore").tolist() == [[1, 0, 9], [0, 9, 1]]
    assert load(path, [GREY, "0000FE"], ignore_colors=[RED, BLUE]).tolist() == [[255, 255, 0], [255, 1, 255]]
    with pytest.raises(UserError) as caught:
        load(path, [RED, BLUE])
    assert "#0000FE (1 pixel), #808080 (1 pixel)" in str(caught.value)


def test_two_loadings_do_not_share_memory(tmp_path):
    path = save(tmp_path / "m.png", [[RED, BLUE]])
    first = load(path, [RED, BLUE])
    first[:] = 77
    assert load(path, [RED, BLUE]).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"palette": [RED, BLUE], "unknown": "warn"}, ["`unknown`", "'error' or 'ignore'", "'warn'"]),
        ({"palette": [RED, BLUE, "#FF0000"]}, ["distinct colours", "#FF0000"]),
        ({"palette": [RED, BLUE], "ignore_colors": ["#0000ff"]}, ["distinct colours", "#0000FF"]),
        ({"palette": [RED, "blue"]}, ["'blue'"]),
    ],
)
def test_wrong_arguments(arguments, parts):
    with pytest.raises(UserError) as caught:
        LoadColorAnnotations(**arguments)
    for part in parts:
        assert part in str(caught.value)


def test_an_unreadable_mask_is_named(tmp_path):
    with pytest.raises(UserError, match="Cannot read the mask") as caught:
        load(tmp_path / "missing.png", PALETTE)
    assert str(tmp_path / "missing.png") in str(caught.value)


def test_chosen_classes_are_mapped_as_stock_maps_them(small_dubai_root, mmseg_scope):
    """metainfo=dict(classes=…) chooses and reorders classes; the palette stays that of all classes."""
    loading = {"type": "mmseg_ext.LoadColorAnnotations", "palette": PALETTE}
    all_classes = DubaiAerialDataset(str(small_dubai_root), pipeline=[loading])
    chosen = DubaiAerialDataset(
        str(small_dubai_root), pipeline=[loading], metainfo={"classes": ("water", "building", "road")}
    )
    assert len(chosen) == 8
    new_index = np.full(256, 255)
    new_index[[4, 0, 2]] = 0, 1, 2
    for i in range(8):
        before, after = all_classes[i]["gt_seg_map"], chosen[i]["gt_seg_map"]
        assert set(before.ravel().tolist()) == {0, 1, 2, 3, 4}
        assert after.dtype == np.uint8
        np.testing.assert_array_equal(after, new_index[before])


def test_a_palette_of_the_chosen_classes_alone_is_refused(small_dubai_root, mmseg_scope):
    loading = {"type": "mmseg_ext.LoadColorAnnotations", "palette": [PALETTE[4], PALETTE[0]], "unknown": "ignore"}
    dataset = DubaiAerialDataset(str(small_dubai_root), pipeline=[loading], metainfo={"classes": ("water", "building")})
    with pytest.raises(UserError, match="own 5 classes, got 2"):
        dataset[0]
