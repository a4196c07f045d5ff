"""Bands, values and areas of rasters."""

import numpy as np
import pytest
from color_predictor import smooth_colors
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.prediction.area_table import ClassCounts, format_areas, square_metres_of_pixel
from mmseg_ext.prediction.band_selection import choose_bands
from mmseg_ext.prediction.raster_source import RasterSettings, RasterSource, is_raster
from mmseg_ext.prediction.value_scaling import ValueRange, parse_value_range, range_of_values, scale_values

rasterio = pytest.importorskip("rasterio")


def settings(bands=None, value_range=None, is_byte=True):
    return RasterSettings(bands, value_range, np.array([1.0, 2, 3]), is_byte)


def test_bands_by_number_name_and_description(write_raster):
    four = np.dstack([smooth_colors(8, 9), np.zeros((8, 9), np.uint8)])
    path = write_raster("four.tif", four, photometric="MINISBLACK")
    with rasterio.open(path, "r+") as raster:
        raster.descriptions = ("nir", "Green", "Red", "Blue")
    with rasterio.open(path) as raster:
        assert choose_bands(raster) == (3, 2, 4)
        assert choose_bands(raster, ["1", "3", "2"]) == (1, 3, 2)
        assert choose_bands(raster, ["nir"]) == (1, 1, 1)
        for wrong, message in ((["5"], "got '5' in --bands"), (["1", "2"], "one band or three")):
            with pytest.raises(UserError, match=message):
                choose_bands(raster, wrong)
    plain = write_raster("plain.tif", four, photometric="MINISBLACK", alpha="NO")
    with rasterio.open(plain) as raster, pytest.raises(UserError, match="Name them: --bands RED GREEN BLUE"):
        choose_bands(raster)
    with rasterio.open(write_raster("gray.tif", four[..., 0])) as raster:
        assert choose_bands(raster) == (1, 1, 1)


def test_a_window_before_the_raster_is_filled(write_raster):
    image = np.maximum(smooth_colors(20, 30), 1)
    with RasterSource(write_raster("a.tif", image), settings()) as source:
        pixels, valid = source.read((-3, 10), (-2, 12))
    assert pixels.shape == (13, 14, 3)
    np.testing.assert_array_equal(pixels[3:, 2:], image[:10, :12])
    assert np.unique(pixels[:3].reshape(-1, 3), axis=0).tolist() == [[1, 2, 3]]
    np.testing.assert_array_equal(valid[3:, 2:], True)
    assert valid.sum() == 120


def test_a_raster_of_colour_numbers_shows_its_colours(write_raster):
    numbers = np.random.default_rng(0).integers(0, 3, (10, 12), np.uint8)
    path = write_raster("numbers.tif", numbers)
    with rasterio.open(path, "r+") as raster:
        raster.write_colormap(1, {0: (9, 8, 7, 255), 1: (50, 60, 70, 255), 2: (0, 0, 250, 255)})
    with RasterSource(path, settings(value_range=ValueRange(0, 3))) as source:
        pixels, _ = source.read((0, 10), (0, 12))
    colors = np.array([(9, 8, 7), (50, 60, 70), (0, 0, 250)], np.uint8)
    np.testing.assert_array_equal(pixels, colors[numbers])


def test_what_is_a_raster(write_raster, tmp_path):
    identity = rasterio.transform.Affine.identity()
    photo = write_raster("photo.tif", smooth_colors(8, 9), crs=None, transform=identity)
    assert not is_raster(photo)
    assert is_raster(write_raster("placed.tif", smooth_colors(8, 9)))
    assert is_raster(write_raster("deep.tif", smooth_colors(8, 9).astype(np.uint16), crs=None, transform=identity))
    assert is_raster(write_raster("hole.tif", smooth_colors(8, 9), crs=None, transform=identity, nodata=0))
    Image.fromarray(smooth_colors(8, 9)).save(tmp_path / "a.jpg")
    assert not is_raster(tmp_path / "a.jpg")
    (tmp_path / "a.jgw").write_text("1\n0\n0\n-1\n10\n20\n")
    assert is_raster(tmp_path / "a.jpg")


def test_values_are_scaled_by_one_range():
    values = np.array([[[0, 1000, 3000], [1500, 4000, 300]]], np.uint16)
    scaled = scale_values(values, ValueRange(0, 3000), True, "a.tif")
    assert scaled.dtype == np.uint8
    assert scaled.tolist() == [[[0, 85, 255], [128, 255, 26]]]
    own = scale_values(values, None, False, "a.tif")
    assert own.dtype == np.float32
    np.testing.assert_array_equal(own, values)
    with pytest.raises(UserError, match=r"eight bits in a\.tif, got uint16"):
        scale_values(values, None, True, "a.tif")
    both = range_of_values([np.arange(100), np.arange(900, 1000)])
    assert both == pytest.approx(np.percentile([*range(100), *range(900, 1000)], (2, 98)))
    assert parse_value_range(["0", "3e3"]) == ValueRange(0, 3000)
    assert parse_value_range(["auto"]) == "auto"
    assert parse_value_range(None) is None
    for wrong in (["3", "1"], ["a", "b"], ["1"], ["0", "inf"]):
        with pytest.raises(UserError, match="Expected a value range of two numbers"):
            parse_value_range(wrong)


def test_hectares_are_given_where_the_plane_is_metric():
    crs, transform = rasterio.crs.CRS.from_epsg, rasterio.transform.from_origin(0, 0, 3, 2)
    assert square_metres_of_pixel(crs(32618), transform) == pytest.approx(6)
    assert square_metres_of_pixel(crs(2263), transform) == pytest.approx(6 * 0.3048006096**2)  # feet
    assert [square_metres_of_pixel(c, transform) for c in (crs(4326), crs(3857), None)] == [None] * 3
    rows = format_areas([ClassCounts("a", [1, 3], 2500.0), ClassCounts("=b", [0, 0], None)], ["land", "-x"])
    assert rows.splitlines() == [
        "file,class,pixels,percent,hectares",
        "a,land,1,25.0000,0.2500",
        "a,'-x,3,75.0000,0.7500",
        "'=b,land,0,,",
        "'=b,'-x,0,,",
    ]
