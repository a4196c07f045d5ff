"""Polygons written as GeoPackage or GeoJSON, as they come."""

import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely

from mmseg_ext.escaping import printable
from mmseg_ext.prediction.geo_packages import load_pyogrio, load_rasterio
from mmseg_ext.prediction.polygon_tracing import AreaPolygon

BATCH = 5000
LAYER = "polygons"
_FIELDS = ("class", "class_index", "pixels", "area", "confidence")


class MapPlace(NamedTuple):
    """Where pixels lie on the map.

    Attributes:
        transform: From pixels to map coordinates, as rasterio gives it; None where there are none.
        crs: rasterio's; None where it is not known.
        square_metres: Of a pixel; None where the map has no metric plane.
    """

    transform: Any = None
    crs: Any = None
    square_metres: float | None = None


class PolygonOptions(NamedTuple):
    """Which polygons are written, and how.

    Attributes:
        kind: 'gpkg' or 'geojson'.
        simplify: Tolerance in units of the map, 0 for every pixel's edge.
        min_area: Smaller ones are left out; square metres where the map is metric, else pixels.
    """

    kind: str
    simplify: float = 0.0
    min_area: float = 0.0

    def min_pixels(self, place: MapPlace) -> int:
        """Return the size in pixels below which an area is left out."""
        return max(1, math.ceil(self.min_area / (place.square_metres or 1) - 1e-9))


def write_polygons(
    path: Path, areas: Iterable[AreaPolygon], names: Sequence[str], place: MapPlace, options: PolygonOptions
) -> int:
    """Write polygons with their class, size in pixels, area in square metres and mean confidence.

    A GeoPackage has the coordinates of the map. A GeoJSON has longitude and latitude, as its standard asks for, where
    the coordinate system is known. Without a map the coordinates are pixels: x to the right, y down.

    Args:
        path: The file to write; must not be there.
        areas: The polygons, in pixels.
        names: The names of the classes.
        place: Where the pixels lie.
        options: Which polygons, and how.

    Returns:
        Their number.
    """
    write = _write_geopackage if options.kind == "gpkg" else _write_geojson
    return write(path, _in_batches(areas, list(map(printable, names)), place, options), place)


Batch = tuple[np.ndarray, list[np.ndarray]]


def _in_batches(
    areas: Iterable[AreaPolygon], names: Sequence[str], place: MapPlace, options: PolygonOptions
) -> Iterator[Batch]:
    """Yield (polygons on the map, values of the fields)."""
    areas = iter(areas)
    to_map = _to_map(place)
    while batch := list(itertools.islice(areas, BATCH)):
        geometries = np.array([area.polygon for area in batch])
        if to_map is not None:
            geometries = shapely.transform(geometries, to_map)
        if options.simplify > 0:
            geometries = shapely.simplify(geometries, options.simplify, preserve_topology=True)
        pixels = np.array([area.num_pixels for area in batch], np.int64)
        metres = np.nan if place.square_metres is None else place.square_metres
        yield (
            geometries,
            [
                np.array([names[area.class_index] for area in batch], object),
                np.array([area.class_index for area in batch], np.int32),
                pixels,
                pixels * metres,
                np.array([area.confidence for area in batch], np.float64).round(4),
            ],
        )


def _to_map(place: MapPlace) -> Callable[[np.ndarray], np.ndarray] | None:
    if place.transform is None:
        return None
    a, b, c, d, e, f = place.transform[:6]

    def apply(points_P2: np.ndarray) -> np.ndarray:
        x, y = points_P2.T
        return np.column_stack([a * x + b * y + c, d * x + e * y + f])

    return apply


def _write_geopackage(path: Path, batches: Iterator[Batch], place: MapPlace) -> int:
    pyogrio = load_pyogrio()
    # GeoPackages hold the time when they were written: the same map would be another file.
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "1970-01-01T00:00:00.000Z"})
    crs = None if place.crs is None else place.crs.to_wkt()
    total = 0
    no_polygon: Batch = (np.zeros(0, object), [np.zeros(0, kind) for kind in (object, "i4", "i8", "f8", "f8")])
    for geometries, values in itertools.chain([no_polygon], batches):
        pyogrio.raw.write(
            path,
            shapely.to_wkb(geometries),
            values,
            np.array(_FIELDS, object),
            geometry_type="Polygon",
            crs=crs,
            layer=LAYER,
            driver="GPKG",
            append=path.exists(),
            field_mask=[np.isnan(column) if column.dtype.kind == "f" else None for column in values],
        )
        total += len(geometries)
    return total


def _write_geojson(path: Path, batches: Iterator[Batch], place: MapPlace) -> int:
    total = 0
    with open(path, "w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for geometries, values in batches:
            geometries = shapely.orient_polygons(_to_degrees(geometries, place.crs))
            for geometry, *row in zip(geometries, *values, strict=True):
                properties = dict(zip(_FIELDS, map(_plain, row), strict=True))
                feature = (
                    f'{{"type": "Feature", "properties": {json.dumps(properties, ensure_ascii=False)}, "geometry": '
                )
                file.write(f"{',' if total else ''}\n{feature}{shapely.to_geojson(geometry)}}}")
                total += 1
        file.write("\n]}\n")
    return total


def _to_degrees(geometries: np.ndarray, crs: Any) -> np.ndarray:
    if crs is None or crs.to_epsg() == 4326:
        return geometries
    load_rasterio()
    from rasterio.warp import transform

    def apply(points_P2: np.ndarray) -> np.ndarray:
        return np.column_stack(transform(crs, "EPSG:4326", *points_P2.T))

    return shapely.transform(geometries, apply)


def _plain(value: Any) -> Any:
    """Turn a NumPy value into one of JSON, NaN into null."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value
