"""Polygons against rasterisation by others, and areas, holes and neighbours by hand."""

import numpy as np
import pytest
import shapely
from PIL import Image
from scipy import ndimage
from skimage.draw import polygon2mask

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.submissions import mask_to_polygons, polygons_to_mask


def drawn_by_scikit_image(polygons, shape):
    """Pixel (r, c) of ours is centred at (r + 0.5, c + 0.5), of scikit-image at (r, c)."""
    mask_HW = np.zeros(shape, bool)
    for polygon in polygons:
        exterior, *holes = [
            polygon2mask(shape, shapely.get_coordinates(ring)[:, ::-1] - 0.5) for ring in shapely.get_rings(polygon)
        ]
        mask_HW |= exterior & ~np.any([np.zeros(shape, bool), *holes], axis=0)
    return mask_HW


def smooth_mask(shape, seed=0):
    noise = np.random.default_rng(seed).random(shape)
    return ndimage.gaussian_filter(noise, 3) > 0.5


@pytest.mark.parametrize("seed", range(30))
def test_polygons_cover_the_pixels_exactly(seed):
    rng = np.random.default_rng(seed)
    mask_HW = rng.random(rng.integers(1, 14, 2)) < rng.choice([0.1, 0.5, 0.9])
    polygons = mask_to_polygons(mask_HW)
    assert all(p.is_valid and p.area > 0 and p.exterior.is_ccw for p in polygons)
    assert sum(p.area for p in polygons) == mask_HW.sum()
    assert len(polygons) == ndimage.label(mask_HW)[1]  # connected through sides
    np.testing.assert_array_equal(polygons_to_mask(polygons, mask_HW.shape), mask_HW)
    np.testing.assert_array_equal(drawn_by_scikit_image(polygons, mask_HW.shape), mask_HW)


def test_holes_are_kept():
    ring_HW = np.ones((5, 6), bool)
    ring_HW[1:3, 2:4] = False
    (polygon,) = mask_to_polygons(ring_HW)
    assert [shapely.Polygon(hole).bounds for hole in polygon.interiors] == [(2, 1, 4, 3)]
    assert polygon.exterior.bounds == (0, 0, 6, 5)
    assert len(shapely.get_coordinates(polygon)) == 10
    # A hole that the outside meets at a corner is one all the same, and an island in a hole is a polygon of its own.
    ring_HW[3, 4] = False
    ring_HW[4, 5] = False
    assert all(p.is_valid for p in mask_to_polygons(ring_HW))
    target_HW = np.ones((5, 5), bool)
    target_HW[1:4, 1:4] = False
    target_HW[2, 2] = True
    assert [(p.area, len(p.interiors)) for p in mask_to_polygons(target_HW)] == [(16, 1), (1, 0)]


def test_pixels_that_touch_at_a_corner_are_two_polygons():
    first, second = mask_to_polygons(np.eye(2, dtype=bool))
    assert first.bounds == (0, 0, 1, 1)
    assert second.bounds == (1, 1, 2, 2)


def test_an_empty_mask_has_no_polygons():
    assert mask_to_polygons(np.zeros((3, 4), np.uint8)) == []
    assert polygons_to_mask([], (3, 4)).tolist() == [[False] * 4] * 3


@pytest.mark.parametrize("tolerance", [0.75, 1.5, 3.0])
def test_simplified_polygons_stay_near(tolerance):
    mask_HW = smooth_mask((90, 120))
    polygons = mask_to_polygons(mask_HW, tolerance)
    exact = mask_to_polygons(mask_HW)
    assert len(polygons) == len(exact)
    assert all(p.is_valid and p.area > 0 for p in polygons)
    assert shapely.get_num_coordinates(polygons).sum() < 0.7 * shapely.get_num_coordinates(exact).sum()
    assert max(p.boundary.hausdorff_distance(q.boundary) for p, q in zip(polygons, exact, strict=True)) <= tolerance
    found_HW = polygons_to_mask(polygons, mask_HW.shape)
    wrong_HW = found_HW != mask_HW
    depth_HW = ndimage.distance_transform_edt(np.pad(mask_HW, 1)) + ndimage.distance_transform_edt(~np.pad(mask_HW, 1))
    assert wrong_HW.any()
    assert depth_HW[1:-1, 1:-1][wrong_HW].max() <= tolerance + 1


def test_a_polygon_of_which_nothing_would_be_left_stays():
    mask_HW = np.zeros((8, 8), bool)
    mask_HW[3, 3] = mask_HW[6, 1:7] = True
    polygons = mask_to_polygons(mask_HW, tolerance=50)
    assert len(polygons) == 2
    assert all(p.is_valid and p.area > 0 for p in polygons)


@pytest.mark.parametrize("seed", range(5))
def test_slanted_polygons_are_drawn_as_by_scikit_image(seed):
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.random(9)) * 2 * np.pi
    radii = rng.uniform(4, 22, 9)
    star = shapely.Polygon(np.stack([25 + radii * np.cos(angles), 20 + radii * np.sin(angles)], 1))
    star = star.difference(shapely.Point(25, 20).buffer(2.3))  # reaches outside of the image, and has a hole
    polygons = [p for p in shapely.get_parts(star) if p.area > 0]
    found_HW = polygons_to_mask(polygons, (40, 50))
    np.testing.assert_array_equal(found_HW, drawn_by_scikit_image(polygons, (40, 50)))
    assert 20 < found_HW.sum() < 1900


def test_overlapping_polygons_are_joined_whatever_their_orientation():
    boxes = [shapely.box(0, 0, 3, 3), shapely.box(1, 1, 5, 4, ccw=False)]
    found_HW = polygons_to_mask(boxes, (4, 5))
    expected_HW = np.zeros((4, 5), bool)
    expected_HW[:3, :3] = expected_HW[1:4, 1:5] = True
    np.testing.assert_array_equal(found_HW, expected_HW)


@pytest.mark.parametrize(
    ("polygon", "message"),
    [
        (shapely.Polygon(), "polygon with an area at place 1, got POLYGON EMPTY"),
        (shapely.Polygon([(0, 0), (2, 2), (1, 1)]), "polygon with an area at place 1"),
        (shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 3)]), "valid polygon at place 1, got Self-intersection"),
        (shapely.Point(1, 1), "polygon at place 1, got Point"),
    ],
)
def test_what_is_no_polygon_with_an_area_is_an_error(polygon, message):
    with pytest.raises(UserError, match=message):
        polygons_to_mask([shapely.box(0, 0, 1, 1), polygon], (3, 3))


def test_other_values_and_negative_tolerances_are_an_error():
    with pytest.raises(UserError, match="mask of 0 and 1, got 255 as well"):
        mask_to_polygons(np.array([[0, 255]]))
    with pytest.raises(UserError, match="at least 0 pixels, got -1"):
        mask_to_polygons(np.array([[0, 1]]), tolerance=-1)


def test_real_masks_come_back_exactly(dubai_root):
    paths = sorted(dubai_root.glob("*/masks/*.png"))[::12]
    assert len(paths) > 3
    for path in paths:
        with Image.open(path) as file:
            building_HW = (np.array(file.convert("RGB")) == (0x3C, 0x10, 0x98)).all(-1)
        polygons = mask_to_polygons(building_HW)
        assert all(p.is_valid for p in polygons)
        np.testing.assert_array_equal(polygons_to_mask(polygons, building_HW.shape), building_HW)
        simplified_HW = polygons_to_mask(mask_to_polygons(building_HW, 1.0), building_HW.shape)
        assert (simplified_HW & building_HW).sum() > 0.9 * (simplified_HW | building_HW).sum()


@pytest.mark.parametrize("tolerance", [0, 1.0, 4.0])
def test_the_polygons_of_a_mask_are_a_valid_multipolygon(tolerance):
    """Neighbours that are simplified each for itself may overlap: with 4 pixels, 18 of 40 such masks did."""
    for seed in range(40):
        noise = np.random.default_rng(seed).random((60, 70))
        mask_HW = ndimage.gaussian_filter(noise, 1.2) > 0.5
        polygons = mask_to_polygons(mask_HW, tolerance)
        shape = shapely.MultiPolygon(polygons)
        assert shape.is_valid, shapely.is_valid_reason(shape)
        assert len(polygons) == ndimage.label(mask_HW)[1]


def test_neighbours_that_would_overlap_stay_and_most_others_are_simplified():
    mask_HW = ndimage.gaussian_filter(np.random.default_rng(58).random((60, 70)), 1.2) > 0.5
    exact, found = mask_to_polygons(mask_HW), mask_to_polygons(mask_HW, 4.0)
    alone = shapely.simplify(exact, 4.0)
    assert not shapely.MultiPolygon(list(alone)).is_valid
    fewer, fewer_alone = (shapely.get_num_coordinates(p) < shapely.get_num_coordinates(exact) for p in (found, alone))
    assert len(exact) / 2 < fewer.sum() < fewer_alone.sum()
    assert all(p.equals(q) for p, q, is_simplified in zip(found, exact, fewer, strict=True) if not is_simplified)
