"""Polygons traced in chunks against those of the whole map."""

import numpy as np
import pytest
import shapely
from color_predictor import smooth_colors
from shapely.geometry import shape

from mmseg_ext.prediction.polygon_tracing import number_areas, trace_polygons

features = pytest.importorskip("rasterio.features")


def random_map(trial):
    rng = np.random.default_rng(trial)
    height, width = (int(size) for size in rng.integers(5, 70, 2))
    if trial % 2:
        classes = smooth_colors(height, width, seed=trial).argmax(axis=2).astype(np.uint8)
    else:
        classes = rng.integers(0, 3, (height, width)).astype(np.uint8)
    classes[rng.random((height, width)) < 0.1] = 255
    return classes, rng.integers(0, 256, (height, width)).astype(np.uint8), int(rng.integers(1, 20))


def in_chunks(classes, confidence, height):
    return (
        (top, classes[top : top + height], confidence[top : top + height]) for top in range(0, len(classes), height)
    )


def sort_key(class_index, polygon):
    return (class_index, *polygon.bounds, polygon.area, polygon.representative_point().coords[0])


@pytest.mark.parametrize("trial", range(10))
def test_chunks_of_any_height_give_the_polygons_of_the_whole_map(trial):
    classes, confidence, height = random_map(trial)
    found = sorted(trace_polygons(in_chunks(classes, confidence, height), 255), key=lambda a: sort_key(*a[:2]))
    whole = features.shapes(classes, mask=classes != 255, connectivity=4)
    expected = sorted(((int(value), shape(geometry)) for geometry, value in whole), key=lambda pair: sort_key(*pair))
    assert len(found) == len(expected)
    for area, (class_index, polygon) in zip(found, expected, strict=True):
        assert area.class_index == class_index
        assert area.polygon.geom_type == "Polygon"
        assert area.polygon.is_valid
        assert area.num_pixels == polygon.area
        assert shapely.symmetric_difference(area.polygon, shapely.make_valid(polygon)).area == 0
        inside = features.geometry_mask([area.polygon], classes.shape, shapely_identity(), invert=True)
        assert area.confidence == pytest.approx(confidence[inside].mean() / 255)


def shapely_identity():
    from rasterio.transform import Affine

    return Affine.identity()


def test_an_area_that_comes_together_below_is_one():
    classes = np.ones((6, 5), np.uint8)
    classes[:5, 2] = 0  # a U: its arms meet in the last chunk
    areas = list(trace_polygons(((top, classes[top : top + 2], None) for top in (0, 2, 4)), 255))
    assert sorted((a.class_index, a.num_pixels) for a in areas) == [(0, 5), (1, 25)]
    (ring,) = (a.polygon for a in areas if a.class_index == 1)
    assert len(ring.exterior.coords) == 9  # without a corner where chunks met
    assert all(np.isnan(a.confidence) for a in areas)


def test_small_areas_are_left_out_after_they_are_complete():
    classes = np.zeros((8, 8), np.uint8)
    classes[1:7, 3] = 1  # 6 pixels, in three chunks
    classes[2, 6] = 1
    chunks = [(top, classes[top : top + 3], None) for top in (0, 3, 6)]
    for min_pixels, expected in ((1, [1, 6, 57]), (2, [6, 57]), (6, [6, 57]), (7, [57])):
        assert sorted(a.num_pixels for a in trace_polygons(iter(chunks), 255, min_pixels)) == expected


def test_a_map_without_data_has_no_areas():
    assert list(trace_polygons([(0, np.full((3, 4), 255, np.uint8), None)], 255)) == []
    numbers, class_of = number_areas(np.full((3, 4), 255, np.uint8), 255)
    assert not numbers.any()
    assert class_of.tolist() == [-1]
