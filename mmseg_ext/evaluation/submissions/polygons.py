"""Masks as polygons along the edges of their pixels, and back.

Coordinates are (x, y) in pixels from the top left corner of the image: pixel (row r, column c) is the square from
(c, r) to (c + 1, r + 1). Contours through the centres of pixels, as ``cv2.findContours`` returns them, lose half a
pixel all around, and thin things altogether.

Shape suffixes: H height, W width, S segments, E edges.
"""

from collections.abc import Sequence

import numpy as np
import shapely

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.submissions.masks import checked_mask


def _boundary_segments(mask_HW: np.ndarray) -> np.ndarray:
    """Return the straight pieces between positive pixels and the others, (S, 2, 2): two (x, y) each.

    They end at corners, and where four of them meet.
    """
    padded = np.pad(mask_HW, 1)
    across = padded[1:, 1:-1] != padded[:-1, 1:-1]  # (H + 1, W): horizontal edges
    along = padded[1:-1, 1:] != padded[1:-1, :-1]  # (H, W + 1): vertical edges

    def pieces(edges: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Join edges of a row that follow one another, but where another line meets them."""
        met = np.pad(others, ((1, 0), (0, 0))) | np.pad(others, ((0, 1), (0, 0)))
        before = np.pad(edges, ((0, 0), (1, 0)))[:, :-1]
        after = np.pad(edges, ((0, 0), (0, 1)))[:, 1:]
        rows, starts = np.nonzero(edges & (~before | met[:, :-1]))
        _, lasts = np.nonzero(edges & (~after | met[:, 1:]))
        return rows, starts, lasts + 1

    y, x0, x1 = pieces(across, along)
    x, y0, y1 = pieces(along.T, across.T)
    horizontal = np.stack([np.stack([x0, y], 1), np.stack([x1, y], 1)], 1)
    vertical = np.stack([np.stack([x, y0], 1), np.stack([x, y1], 1)], 1)
    return np.concatenate([horizontal, vertical]).astype(float)


def mask_to_polygons(mask_HW: np.ndarray, tolerance: float = 0) -> list[shapely.Polygon]:
    """Turn a mask into polygons that cover its pixels exactly; holes are kept.

    A polygon is a group of pixels that are connected through their sides. Pixels that touch at a corner alone are two
    polygons: one would not be valid.

    Args:
        mask_HW: Booleans, or 0 and 1.
        tolerance: Leave out corners that are no further than so many pixels from the simplified line (Douglas and
            Peucker). 0 keeps all of them; :func:`polygons_to_mask` then returns the very mask. A polygon of which
            nothing valid would be left, and neighbours that would overlap, stay as they are.

    Returns:
        Valid polygons, together a valid MultiPolygon, from top to bottom, exteriors counter-clockwise in a plane whose
        y axis points up (as in GeoJSON); none for an empty mask.

    Raises:
        UserError: The mask has other values or is not (H, W), or the tolerance is negative.
    """
    mask_HW = checked_mask(mask_HW)
    if not tolerance >= 0:
        raise UserError(f"Expected `tolerance` of at least 0 pixels, got {tolerance}.")
    if not mask_HW.any():
        return []
    # GEOS closes rings as small as it can, so that none touches itself, and puts holes where they belong.
    faces = shapely.get_parts(shapely.polygonize(shapely.linestrings(_boundary_segments(mask_HW))))
    inside = np.floor(shapely.get_coordinates(shapely.point_on_surface(faces))).astype(int)
    faces = faces[mask_HW[inside[:, 1], inside[:, 0]]]  # the others are the holes' insides
    left, top, *_ = shapely.bounds(faces).T
    faces = faces[np.lexsort((left, top))]
    if tolerance > 0:
        faces = _simplified(faces, tolerance)
    return list(shapely.orient_polygons(faces))


def _simplified(faces: np.ndarray, tolerance: float) -> np.ndarray:
    """Simplify those polygons that stay valid, and apart from their neighbours.

    Neighbours may meet at points, as those of a MultiPolygon may. Each round takes back polygons that were simplified,
    at worst until all are as they were.
    """
    simplified = shapely.simplify(faces, tolerance, preserve_topology=True)
    is_kept = shapely.is_valid(simplified) & (shapely.area(simplified) > 0)
    is_new = is_kept.copy()  # what has changed since it was last compared
    while True:
        chosen = np.where(is_kept, simplified, faces)
        shapely.prepare(chosen)
        first, second = shapely.STRtree(chosen).query(chosen, predicate="intersects")
        compared = (first < second) & (is_new[first] | is_new[second]) & (is_kept[first] | is_kept[second])
        first, second = first[compared], second[compared]
        collide = ~shapely.touches(chosen[first], chosen[second])
        collide[~collide] = shapely.relate_pattern(chosen[first[~collide]], chosen[second[~collide]], "****1****")
        if not collide.any():
            return chosen
        is_new = np.zeros(len(faces), bool)
        is_new[first[collide]] = is_new[second[collide]] = True
        is_new &= is_kept
        is_kept &= ~is_new


def polygons_to_mask(polygons: Sequence[shapely.Polygon], shape: tuple[int, int]) -> np.ndarray:
    """Draw polygons: a pixel is positive when its centre lies inside one.

    A centre on an edge belongs to the polygon on its right, or below it. What lies outside of the image is cut off.

    ``cv2.fillPoly`` and PIL also paint the pixels that an outline touches, half a pixel too many all around;
    scikit-image tests every pixel against every corner. Here each edge is entered once, whatever the area.

    Args:
        polygons: shapely Polygons, in pixels; overlapping ones are joined.
        shape: (H, W).

    Returns:
        bool (H, W).

    Raises:
        UserError: Something is no polygon, is empty, is not valid or has no area.
    """
    height, width = shape
    for number, polygon in enumerate(polygons):
        _check_polygon(polygon, number)
    if not len(polygons):
        return np.zeros(shape, bool)
    rings = shapely.get_rings(shapely.orient_polygons(np.asarray(polygons, object)))
    points, ring_of_point = shapely.get_coordinates(rings, return_index=True)
    is_edge = ring_of_point[1:] == ring_of_point[:-1]
    start_E2, end_E2 = points[:-1][is_edge], points[1:][is_edge]
    # The rows whose centre line an edge crosses. Half-open, so that a corner on such a line counts once.
    low_E = np.minimum(start_E2[:, 1], end_E2[:, 1])
    high_E = np.maximum(start_E2[:, 1], end_E2[:, 1])
    first_E = np.clip(np.ceil(low_E - 0.5), 0, height).astype(int)
    count_E = np.clip(np.ceil(high_E - 0.5), 0, height).astype(int) - first_E
    edge = np.repeat(np.arange(len(count_E)), count_E)
    row = np.arange(len(edge)) - np.repeat(count_E.cumsum() - count_E, count_E) + first_E[edge]
    (x0, y0), (x1, y1) = start_E2[edge].T, end_E2[edge].T
    crossing = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    column = np.clip(np.ceil(crossing - 0.5), 0, width).astype(int)
    # Exteriors run one way and holes the other: how often a pixel is inside is the sum of what lies to its left.
    winding_HW = np.zeros((height, width + 1), np.int32)
    np.add.at(winding_HW, (row, column), np.where(y1 < y0, 1, -1))
    return winding_HW.cumsum(axis=1)[:, :-1] > 0


def _check_polygon(polygon: shapely.Polygon, number: int) -> None:
    if not isinstance(polygon, shapely.Polygon):
        raise UserError(f"Expected a polygon at place {number}, got {type(polygon).__name__}.")
    if polygon.is_empty or polygon.area == 0:
        raise UserError(f"Expected a polygon with an area at place {number}, got {polygon.wkt[:100]}. Leave it out.")
    if not polygon.is_valid:
        reason = shapely.is_valid_reason(polygon)
        raise UserError(f"Expected a valid polygon at place {number}, got {reason}. Fix it with shapely.make_valid.")
