"""The real Dubai images with their traps."""

from pathlib import Path

import numpy as np
import pytest
from checked_datasets import INDEX, build, color_pipeline, only
from mmengine.dataset import ConcatDataset

from mmseg_ext.data_check import check_dataset
from mmseg_ext.data_check.file_facts import read_image_facts, read_mask_facts
from mmseg_ext.data_check.judge import LabelSpec, judge_mask
from mmseg_ext.masks.color_masks import read_rgb_mask
from mmseg_ext.masks.index_masks import IndexMeaning
from mmseg_ext.transforms import LoadColorAnnotations

DUBAI_PALETTE = ["#3C1098", "#8429F6", "#6EC1E4", "#FEDD3A", "#E2A929"]
DUBAI_CLASSES = ("building", "land", "road", "vegetation", "water")


def build_dubai(root, tile, pipeline):
    metainfo = {"classes": DUBAI_CLASSES, "palette": [[0, 0, i] for i in range(5)]}
    return build(root / f"tile_{tile}", pipeline, metainfo=metainfo)


def all_tiles(root, pipeline):
    return ConcatDataset([build_dubai(root, tile, pipeline) for tile in range(1, 7)])


@pytest.mark.parametrize("tile", [2, 4])
def test_dubai_palette_tiles_are_refused_as_indices(dubai_root, tile):
    report = check_dataset(build_dubai(dubai_root, tile, INDEX), use_cache=False)
    assert len(report.errors) == 9
    assert {p.kind for p in report.errors} == {"palette PNG"}
    assert "#8429F6" in report.errors[0].what
    assert report.num_labelled_pixels == 0


def test_dubai_colour_masks_are_refused_as_indices(dubai_root):
    report = check_dataset(build_dubai(dubai_root, 1, INDEX), use_cache=False)
    assert {p.kind for p in report.errors} == {"colour mask"}
    assert len(report.errors) == 9


def test_dubai_black_is_found_and_counted(dubai_root):
    errors = check_dataset(
        all_tiles(dubai_root, color_pipeline(DUBAI_PALETTE, ignore_colors=["#9B9B9B"])), use_cache=False
    ).errors
    found = {str(Path(p.path).relative_to(dubai_root)): p.what for p in errors}
    assert found["tile_3/masks/image_part_006.png"] == (
        "holds #000000 (302 pixels), where only colours of `palette` and `ignore_colors` may be"
    )
    assert len(found) == 5
    assert {name[:6] for name in found} == {"tile_3", "tile_5", "tile_6"}


def test_dubai_statistics_equal_those_of_the_loaded_labels(dubai_root):
    dataset = all_tiles(dubai_root, color_pipeline(DUBAI_PALETTE, ignore_colors=["#9B9B9B"], unknown="ignore"))
    one = check_dataset(dataset, use_cache=False, num_workers=1)
    two = check_dataset(dataset, use_cache=False, num_workers=2)
    assert {**one.to_dict(), "seconds": 0} == {**two.to_dict(), "seconds": 0}
    one.raise_if_bad()
    assert (one.num_images, one.num_masks) == (54, 54)
    assert one.ignored_colors["#000000"] == 1675
    assert (one.min_size, one.max_size) == ((544, 509), (1058, 1126))
    loading = LoadColorAnnotations(DUBAI_PALETTE, unknown="ignore")
    expected = np.zeros(256, dtype=np.int64)
    for path in sorted(dubai_root.glob("tile_[234]/masks/*.png")):
        expected += np.bincount(
            loading({"seg_map_path": str(path), "seg_fields": []})["gt_seg_map"].ravel(), minlength=256
        )
    some = ConcatDataset(dataset.datasets[1:4])
    assert check_dataset(some, use_cache=False).class_pixels == expected[:5].tolist()


def test_dubai_masks_of_one_name_are_told_apart(dubai_root):
    from mmseg_ext.datasets import DubaiAerialDataset

    dataset = DubaiAerialDataset(
        data_root=str(dubai_root),
        split="train",
        pipeline=color_pipeline(DUBAI_PALETTE, ignore_colors=["#9B9B9B"], unknown="ignore"),
    )
    report = check_dataset(dataset, use_cache=False)
    report.raise_if_bad()
    assert report.num_images == 36
    assert "in tile_3/masks/image_part_006.png, tile_5/masks/image_part_002.png, " in only(report.warnings).what


def test_facts_of_a_palette_mask_serve_both_readings(dubai_root):
    facts = read_mask_facts(str(dubai_root / "tile_2/masks/image_part_001.png"))
    assert facts.mode == "P"
    rgb = read_rgb_mask(dubai_root / "tile_2/masks/image_part_001.png")
    colors, counts = np.unique(rgb.reshape(-1, 3), axis=0, return_counts=True)
    assert facts.count(facts.colors()) == {
        int(r) << 16 | int(g) << 8 | int(b): int(n) for (r, g, b), n in zip(colors, counts, strict=True)
    }
    assert read_image_facts(str(dubai_root / "tile_2/images/image_part_001.jpg")).height == facts.height
    spec = LabelSpec(("a", "b"), allow_palette=True)
    assert judge_mask("m.png", facts, IndexMeaning(), spec).problems[0].kind == "label outside the classes"
