"""Sizes, orientations and map positions of the images in a folder, and the command that converts points."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from oriented_images import as_viewers_show, pattern, save_oriented
from picture_files import save_picture_file

from mmseg_ext.errors import UserError
from mmseg_ext.points.foreign_formats import read_points
from mmseg_ext.points.point_files import Point
from mmseg_ext.points.point_files import read_points as read_own_points
from mmseg_ext.prediction.image_frames import FolderFrames

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def command():
    spec = importlib.util.spec_from_file_location("convert_points", ROOT / "tools" / "convert_points.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_sizes_and_turns_are_those_of_viewers(tmp_path, suffix, orientation):
    save_oriented(tmp_path / f"a{suffix}", pattern(), orientation)
    save_picture_file(tmp_path / "masks" / "a.png", np.zeros((3, 3), np.uint8))
    frames = FolderFrames(tmp_path)
    assert frames.names == [f"a{suffix}"]
    assert frames.size(f"a{suffix}") == as_viewers_show(tmp_path / f"a{suffix}").shape[:2] == (24, 40)
    assert frames.turn(f"a{suffix}", 0, 0) == {1: (0, 0), 3: (39, 23), 6: (39, 0)}[orientation]


def save_raster(path, crs, transform, width=50, height=40):
    rasterio = pytest.importorskip("rasterio")
    path.parent.mkdir(parents=True, exist_ok=True)
    settings = {"driver": "GTiff", "count": 5, "dtype": "uint16", "crs": crs, "transform": transform}
    with rasterio.open(path, "w", width=width, height=height, **settings) as raster:
        raster.write(np.zeros((5, height, width), np.uint16))


def geojson(*places, crs=None, **properties):
    features = [
        {
            "type": "Feature",
            "properties": properties or {"class": "road"},
            "geometry": {"type": "Point", "coordinates": [*place]},
        }
        for place in places
    ]
    named = {} if crs is None else {"crs": {"type": "name", "properties": {"name": crs}}}
    return {"type": "FeatureCollection", **named, "features": features}


@pytest.fixture
def rasters(tmp_path):
    """Two neighbours of 2 m a pixel in UTM zone 32, the second turned by a quarter, of five bands each."""
    affine = pytest.importorskip("affine")
    save_raster(tmp_path / "r" / "west.tif", "EPSG:32632", affine.Affine(2, 0, 500000, 0, -2, 5400000))
    save_raster(tmp_path / "r" / "east.tif", "EPSG:32632", affine.Affine(0, 2, 500100, 2, 0, 5399920), 40, 50)
    return tmp_path


def test_map_coordinates_become_pixels(rasters):
    frames = FolderFrames(rasters / "r")
    assert [frames.size(name) for name in frames.names] == [(50, 40), (40, 50)]
    path = rasters / "p.geojson"
    places = [(500007, 5399991), (500101, 5399925), (499000, 0)]  # west: column 3, row 4; east: column 2, row 0
    path.write_text(json.dumps(geojson(*places, crs="urn:ogc:def:crs:EPSG::32632")))
    file = read_points(path, frames)
    assert file.points == [Point("west.tif", 3, 4, "road"), Point("east.tif", 2, 0, "road")]
    assert file.notes == ["1 of 3 points are on no image and were left out: feature 3."]
    path.write_text(json.dumps(geojson(*places[:2], kind=3, note="bare land")))
    file = read_points(path, frames)
    assert [p.label for p in file.points] == ["bare land"] * 2
    assert file.notes[0].startswith("It names no coordinate reference system, and its coordinates are no degrees")


def test_degrees_are_the_default_of_geojson(rasters):
    pyproj = pytest.importorskip("pyproj")
    to_degrees = pyproj.Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True)
    path = rasters / "p.json"
    path.write_text(json.dumps(geojson(to_degrees.transform(500007, 5399991), to_degrees.transform(500051, 5399961))))
    frames = FolderFrames(rasters / "r")
    assert read_points(path, frames).points == [Point("west.tif", 3, 4, "road"), Point("west.tif", 25, 19, "road")]
    path.write_text(json.dumps(geojson(to_degrees.transform(500007, 5399991)[::-1])))
    with pytest.raises(UserError, match=r"on an image, got none: .* is on none. Check .* that x stands before y"):
        read_points(path, frames)
    path.write_text(json.dumps(geojson((1, 2), crs="EPSG:nothing")))
    with pytest.raises(UserError, match="a coordinate reference system such as EPSG:32632, got 'EPSG:nothing'"):
        read_points(path, frames)
    path.write_text(json.dumps(geojson((1, 2), kind=3)))
    with pytest.raises(UserError, match="feature 1: expected a property for the class"):
        read_points(path, frames)


def test_points_of_a_real_raster(shared_data):
    rasterio = pytest.importorskip("rasterio")
    frames = FolderFrames(shared_data / "rasters")
    with rasterio.open(shared_data / "rasters" / "RGB.byte.tif") as raster:
        (x, y), crs = raster.xy(100, 200), raster.crs.to_string()
    assert frames.locate([(x, y)], crs) == [("RGB.byte.tif", pytest.approx(200.5), pytest.approx(100.5))]


def test_the_command_merges_and_says_what_looks_wrong(tmp_path, command, capsys):
    for name in ("a.jpg", "in/b.jpg"):
        save_picture_file(tmp_path / "images" / name, np.zeros((480, 640, 3), np.uint8))
    (tmp_path / "one.csv").write_text("Name,Row,Column,Label\na.jpg,1,2,road\na.jpg,50,60,road\na.jpg,9,9,road\n")
    shape = {"label": "field", "points": [[639.5, 3]], "shape_type": "point"}
    (tmp_path / "b.json").write_text(json.dumps({"shapes": [shape], "imagePath": "b.jpg"}))
    inputs = [str(tmp_path / name) for name in ("one.csv", "b.json")]
    out = str(tmp_path / "points.csv")
    images = str(tmp_path / "images")
    assert command.main([*inputs, "--images", images, "--out", out]) == 0
    printed = capsys.readouterr().out
    assert "one.csv: 3 points, format coralnet\n  All points of a.jpg lie within 0..100" in printed
    assert "points.csv: 4 points in 2 images, classes field, road" in printed
    found = [p._replace(line=0) for p in read_own_points(out).points]
    assert found[:2] == [Point("a.jpg", 2, 1, "road"), Point("a.jpg", 60, 50, "road")]
    assert found[3] == Point("in/b.jpg", 639, 3, "field")
    assert command.main([inputs[1], "--images", images, "--out", out]) == 0  # its own file
    (tmp_path / "points.csv").write_text("mine")
    assert command.main([inputs[1], "--images", images, "--out", out]) == 2
    assert command.main([inputs[1], "--images", str(tmp_path / "none"), "--out", str(tmp_path / "p.csv")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: Expected no file at {out}")
    assert second.startswith("error: Expected a folder of images, found none at ")
