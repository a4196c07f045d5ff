"""Polygons as other programs read them."""

import json

import numpy as np
import pytest
import shapely

from mmseg_ext.prediction import polygon_files
from mmseg_ext.prediction.polygon_files import MapPlace, PolygonOptions, write_polygons
from mmseg_ext.prediction.polygon_tracing import AreaPolygon

rasterio = pytest.importorskip("rasterio")
pyogrio = pytest.importorskip("pyogrio")
NAMES = ("land", "wäter")
PLACE = MapPlace(
    rasterio.transform.from_origin(500_000, 4_000_000, 2, 2), rasterio.crs.CRS.from_epsg(32618), square_metres=4.0
)


def some_areas(count):
    for number in range(count):
        yield AreaPolygon(
            number % 2, shapely.box(3 * number, 1, 3 * number + 2, 5), 8, 0.25 if number else float("nan")
        )


def test_a_geopackage_has_the_map_s_coordinates_and_all_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(polygon_files, "BATCH", 2)
    path = tmp_path / "a.gpkg"
    assert write_polygons(path, some_areas(5), NAMES, PLACE, PolygonOptions("gpkg")) == 5
    meta, _, geometries, values = pyogrio.raw.read(path, layer="polygons")
    assert meta["crs"] == "EPSG:32618"
    found = dict(zip(meta["fields"], values, strict=True))
    assert found["class"].tolist() == ["land", "wäter", "land", "wäter", "land"]
    assert found["area"].tolist() == [32.0] * 5
    assert np.isnan(found["confidence"][0])
    assert found["confidence"][1:].tolist() == [0.25] * 4
    assert shapely.from_wkb(geometries)[1].bounds == (500_006, 3_999_990, 500_010, 3_999_998)
    again = tmp_path / "b.gpkg"
    write_polygons(again, some_areas(5), NAMES, PLACE, PolygonOptions("gpkg"))
    assert again.read_bytes() == path.read_bytes()


def test_a_geojson_has_degrees_and_turns_as_its_standard_asks(tmp_path):
    path = tmp_path / "a.geojson"
    assert write_polygons(path, some_areas(3), NAMES, PLACE, PolygonOptions("geojson")) == 3
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    assert features[1]["properties"] == {
        "class": "wäter", "class_index": 1, "pixels": 8, "area": 32.0, "confidence": 0.25
    }  # fmt: skip
    assert features[0]["properties"]["confidence"] is None
    polygon = shapely.geometry.shape(features[1]["geometry"])
    assert polygon.exterior.is_ccw
    corners = [(500_006, 3_999_990), (500_010, 3_999_998)]
    (west, east), (south, north) = rasterio.warp.transform("EPSG:32618", "EPSG:4326", *zip(*corners, strict=True))
    assert polygon.bounds == pytest.approx((west, south, east, north), abs=1e-7)


def test_without_a_map_the_coordinates_are_pixels(tmp_path):
    path = tmp_path / "a.geojson"
    write_polygons(path, some_areas(1), NAMES, MapPlace(), PolygonOptions("geojson"))
    (feature,) = json.loads(path.read_text())["features"]
    assert shapely.geometry.shape(feature["geometry"]).bounds == (0, 1, 2, 5)
    assert feature["properties"]["area"] is None


def test_no_area_is_an_empty_file_of_the_same_fields(tmp_path):
    for kind in ("gpkg", "geojson"):
        path = tmp_path / f"none.{kind}"
        assert write_polygons(path, iter(()), NAMES, PLACE, PolygonOptions(kind)) == 0
        assert pyogrio.read_info(path)["features"] == 0
    assert pyogrio.read_info(tmp_path / "none.gpkg")["fields"].tolist() == list(polygon_files._FIELDS)


def test_polygons_are_simplified_in_units_of_the_map(tmp_path):
    stairs = shapely.Polygon([(0, 0), *[(x, y) for n in range(8) for x, y in ((n, n + 1), (n + 1, n + 1))], (8, 0)])
    areas = [AreaPolygon(0, stairs, 40, 1.0)]
    points = []
    for tolerance in (0.0, 3.0):
        path = tmp_path / f"{tolerance}.gpkg"
        write_polygons(path, areas, NAMES, PLACE, PolygonOptions("gpkg", tolerance))
        points.append(len(shapely.from_wkb(pyogrio.raw.read(path)[2])[0].exterior.coords))
    assert points[1] < points[0] / 2


def test_the_least_area_is_in_square_metres_where_there_are_any():
    assert PolygonOptions("gpkg", min_area=10).min_pixels(PLACE) == 3
    assert PolygonOptions("gpkg", min_area=8).min_pixels(PLACE) == 2
    assert PolygonOptions("gpkg", min_area=10).min_pixels(MapPlace()) == 10
    assert PolygonOptions("gpkg").min_pixels(PLACE) == 1
