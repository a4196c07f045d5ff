"""Rasters and folders predicted for real, by a model whose class maps can be computed by hand."""

import csv
import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from color_predictor import NAMES, ColorPredictor, expected_classes, smooth_colors
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.prediction.input_files import find_inputs, take_shard
from mmseg_ext.prediction.output_folder import OutputFolder
from mmseg_ext.prediction.polygon_files import PolygonOptions
from mmseg_ext.prediction.prediction_run import PredictionRun, settings_of
from mmseg_ext.prediction.raster_prediction import WindowOptions
from mmseg_ext.prediction.raster_source import RasterSettings
from mmseg_ext.prediction.results import ResultOptions
from mmseg_ext.prediction.value_scaling import ValueRange

rasterio = pytest.importorskip("rasterio")


def run(inputs, out, predictor=None, resume=True, shard=None, results=None, progress=None, **rasters):
    """Predict, as tools/predict.py does once the model is loaded."""
    predictor = predictor or ColorPredictor()
    results = results or ResultOptions()
    with_confidence = results.polygons is not None
    windows = WindowOptions(
        predictor.window.size,
        predictor.window.overlap,
        predictor.batch_size,
        1.0,
        with_confidence,
        results.probabilities,
    )
    settings = RasterSettings(None, None, predictor.fill, True)._replace(**rasters)
    folder = OutputFolder(out, settings_of("model", predictor, results, windows, settings), resume)
    files = find_inputs([str(path) for path in inputs], left_out=out)
    done = PredictionRun(predictor, folder, results, windows, settings, 2, progress or (lambda *_: None))
    return done.run(take_shard(files, shard), files)


def read_map(path):
    with rasterio.open(path) as raster:
        return raster.read(1)


def check_map(path, image, valid, predictor, at_least=0.999):
    """Compare a map with that of the whole image, where the colours are not nearly equal."""
    expected, margin = expected_classes(image, valid, predictor)
    found = read_map(path)
    np.testing.assert_array_equal(found == 255, ~valid)
    is_clear = valid & (margin > 1e-2)
    assert is_clear.sum() > 0.98 * valid.sum()
    assert (found == expected)[is_clear].mean() >= at_least


def tree(folder):
    """The bytes of all results."""
    files = (path for path in Path(folder).rglob("*") if path.is_file() and ".predict" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_raster_is_predicted_as_if_it_were_whole_and_keeps_its_place(write_raster, tmp_path):
    cogeo = pytest.importorskip("rio_cogeo")
    image = smooth_colors(150, 190)
    transform = rasterio.transform.Affine(0.3, 0.1, 400_001.37, 0.05, -0.3, 5_000_002.11)  # rotated
    path = write_raster("town.tif", image, transform=transform)
    predictor = ColorPredictor()
    summary = run([path], tmp_path / "out", predictor)
    assert (summary.num_predicted, summary.failures) == (1, [])
    found = tmp_path / "out" / "class_maps" / "town.tif"
    check_map(found, image, np.ones((150, 190), bool), predictor)
    assert cogeo.cog_validate(found, quiet=True)[0]
    with rasterio.open(found) as raster, rasterio.open(path) as source:
        assert raster.transform == source.transform == transform
        assert raster.crs == source.crs
        assert raster.nodata == 255
        assert raster.colormap(1)[2][:3] == (0, 0, 200)
    assert max(shape[0] for shape in predictor.shapes) == 2  # batches
    assert not list((tmp_path / "out" / ".predict").glob("**/*.zip"))


@pytest.mark.parametrize("kind", ["nodata", "mask", "alpha"])
def test_pixels_without_data_stay_without_and_empty_windows_are_not_computed(write_raster, tmp_path, kind):
    image = np.maximum(smooth_colors(130, 170), 1)
    valid = np.zeros((130, 170), bool)
    valid[10:60, 20:160] = True
    valid[30:34, 40:44] = False
    image[~valid] = 0
    if kind == "alpha":
        pixels = np.dstack([image, valid.astype(np.uint8) * 255])
        path = write_raster("map.tif", pixels, colorinterp=("red", "green", "blue", "alpha"))
    elif kind == "mask":
        path = write_raster("map.tif", image, mask=valid)
    else:
        path = write_raster("map.tif", image, nodata=0)
    predictor = ColorPredictor()
    assert run([path], tmp_path / "out", predictor).failures == []
    check_map(tmp_path / "out" / "class_maps" / "map.tif", image, valid, predictor)
    full = ColorPredictor()
    run([write_raster("full.tif", smooth_colors(130, 170))], tmp_path / "full", full)
    assert sum(shape[0] for shape in predictor.shapes) < 0.8 * sum(shape[0] for shape in full.shapes)


def test_an_extent_of_the_map_has_the_map_s_classes(write_raster, tmp_path):
    image = smooth_colors(200, 230)
    origin = rasterio.transform.from_origin(500_000.25, 4_000_000.5, 0.5, 0.5)
    whole = write_raster("whole.tif", image, transform=origin)
    top, left = 37, 51
    part_image = image[top : top + 120, left : left + 140]
    part = write_raster("part.tif", part_image, transform=origin * rasterio.transform.Affine.translation(left, top))
    assert run([whole, part], tmp_path / "out").failures == []
    maps = [read_map(tmp_path / "out" / "class_maps" / name) for name in ("whole.tif", "part.tif")]
    _, margin = expected_classes(image, np.ones((200, 230), bool), ColorPredictor())
    place = (slice(top, top + 120), slice(left, left + 140))
    inner = (slice(16, -16), slice(16, -16))  # the overlap
    is_clear = (margin > 1e-2)[place][inner]
    assert is_clear.mean() > 0.98
    np.testing.assert_array_equal(maps[1][inner][is_clear], maps[0][place][inner][is_clear])


def test_values_of_16_bits_need_a_range_and_are_scaled_alike_everywhere(write_raster, tmp_path):
    image = smooth_colors(90, 100)
    image[:, :50] //= 4  # a dark half: a scale of its own would make it another image
    path = write_raster("deep.tif", image.astype(np.uint16) * 40)
    summary = run([path], tmp_path / "out")
    assert "Name the values that become 0 and 255: --value-range LOW HIGH" in summary.failures[0][1]
    predictor = ColorPredictor()
    assert run([path], tmp_path / "out2", predictor, value_range=ValueRange(0, 255 * 40)).failures == []
    check_map(tmp_path / "out2" / "class_maps" / "deep.tif", image, np.ones((90, 100), bool), predictor)


def test_bands_are_found_by_their_names(write_raster, tmp_path):
    image = smooth_colors(60, 70)
    pixels = np.dstack([image[..., 2], image[..., 1], image[..., 0], np.full((60, 70), 9, np.uint8)])
    path = write_raster("bgr.tif", pixels, colorinterp=("blue", "green", "red", "undefined"))
    predictor = ColorPredictor()
    assert run([path], tmp_path / "out", predictor).failures == []
    check_map(tmp_path / "out" / "class_maps" / "bgr.tif", image, np.ones((60, 70), bool), predictor)


def test_polygons_overlay_probabilities_and_areas_agree_with_the_map(write_raster, tmp_path):
    pyogrio = pytest.importorskip("pyogrio")
    path = write_raster("town.tif", smooth_colors(120, 150))
    polygons = PolygonOptions("gpkg")
    results = ResultOptions(overlay=True, probabilities=True, polygons=polygons)
    assert run([path], tmp_path / "out", results=results).failures == []
    classes = read_map(tmp_path / "out" / "class_maps" / "town.tif")
    counts = np.bincount(classes.ravel(), minlength=3)
    with (tmp_path / "out" / "areas.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["pixels"]) for row in rows] == counts.tolist()
    assert [float(row["hectares"]) for row in rows] == pytest.approx(counts * 0.25 / 1e4, abs=5e-5)
    _, _, _, (names, _, pixels, area, confidence) = pyogrio.raw.read(tmp_path / "out" / "polygons" / "town.gpkg")
    assert [int(pixels[names == name].sum()) for name in NAMES] == counts.tolist()
    np.testing.assert_allclose(area, pixels * 0.25)
    with rasterio.open(tmp_path / "out" / "probabilities" / "town.tif") as raster:
        probabilities = raster.read()
        assert raster.descriptions == NAMES
        assert raster.scales == (1 / 254,) * 3
    assert (probabilities.sum(axis=0) / 254).mean() == pytest.approx(1, abs=0.01)
    chosen = np.take_along_axis(probabilities, classes[None].astype(int), axis=0)[0] / 254
    assert (confidence * pixels).sum() / pixels.sum() == pytest.approx(chosen.mean(), abs=0.004)
    with Image.open(tmp_path / "out" / "overlays" / "town.jpg") as picture:
        assert picture.width >= 150
        assert picture.height > 120


def test_what_is_done_is_kept_and_only_what_is_missing_is_predicted(photos, write_raster, tmp_path):
    path = write_raster("photos/c/map.tif", smooth_colors(80, 90))
    out = tmp_path / "out"
    assert run([photos], out).num_predicted == 7
    before = tree(out)
    assert run([photos], out).num_kept == 7
    (out / "class_maps" / "b" / "4.png").unlink()
    os.utime(path, ns=(1, 1))  # changed since
    summary = run([photos], out)
    assert (summary.num_predicted, summary.num_kept) == (2, 5)
    assert tree(out) == before
    assert run([photos], out, resume=False).num_predicted == 7
    with pytest.raises(UserError, match=r"results of another window in .*--no-resume"):
        run([photos], out, ColorPredictor(size=48))


def test_shards_share_the_work_and_the_table(photos, tmp_path):
    out = tmp_path / "out"
    counts = [run([photos], out, shard=f"{i}/3").num_predicted for i in (1, 2, 3)]
    assert counts == [2, 2, 2]
    whole = tmp_path / "whole"
    run([photos], whole)
    assert tree(out) == tree(whole)


def test_inputs_that_cannot_be_read_are_listed_and_the_others_done(photos, write_raster, tmp_path):
    (photos / "a" / "broken.jpg").write_bytes(b"\xff\xd8 no image")
    (photos / "b" / "broken.tif").write_bytes(b"II*\0 no raster")
    good = write_raster("photos/c/map.tif", smooth_colors(80, 90))
    cut = photos / "c" / "cut.tif"
    cut.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    summary = run([photos], tmp_path / "out")
    assert sorted(path.name for path, _ in summary.failures) == ["broken.jpg", "broken.tif", "cut.tif"]
    assert summary.num_predicted == 7
    assert not list((tmp_path / "out").rglob("*broken*"))
    assert not (tmp_path / "out" / "class_maps" / "c" / "cut.tif").exists()


def _run_and_say_when(inputs, out, pipe, results):
    def progress(done, total):
        os.write(pipe, b".")
        time.sleep(0.02)

    run(inputs, out, results=results, progress=progress)
    os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes that are forked")
def test_killed_twenty_times_the_results_are_the_same_bytes(photos, write_raster, tmp_path):
    write_raster("photos/map.tif", smooth_colors(140, 160), nodata=0)
    results = ResultOptions(polygons=PolygonOptions("geojson"))
    whole, out = tmp_path / "whole", tmp_path / "out"
    run([photos], whole, results=results)
    rng = random.Random(0)
    kills = 0
    for _ in range(60):
        read_end, write_end = os.pipe()
        process = multiprocessing.get_context("fork").Process(
            target=_run_and_say_when, args=([photos], out, write_end, results)
        )
        process.start()
        os.close(write_end)
        os.read(read_end, rng.randint(1, 3))  # it has begun
        time.sleep(rng.random() * 0.08)
        killed = process.is_alive()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        os.close(read_end)
        kills += killed and process.exitcode == -signal.SIGKILL
        for path, content in tree(out).items():  # whatever is there is whole
            if path != "areas.csv" and not Path(path).name.startswith("."):
                assert content == (whole / path).read_bytes()
        if kills == 20:
            break
    assert kills == 20
    run([photos], out, results=results)
    assert tree(out) == tree(whole)
    assert not list((out / ".predict").rglob("*.zip"))


@pytest.mark.parametrize(
    ("name", "data_share"),
    [
        ("RGB.byte.tif", 0.67),
        ("RGB2.byte.tif", 0.67),
        ("RGBA.byte.tif", 0.67),
        ("alpha.tif", 0.0155),
        ("all-nodata.tif", 0),
    ],
)
def test_real_rasters_keep_place_and_holes(shared_data, tmp_path, name, data_share):
    path = shared_data / "rasters" / name
    if not path.is_file():
        pytest.skip("no real rasters on this machine: ../shared/data/rasters is missing")
    predictor = ColorPredictor(size=256, overlap=32)
    assert run([path], tmp_path / "out", predictor, value_range=ValueRange(0, 255)).failures == []
    with rasterio.open(path) as source, rasterio.open(tmp_path / "out" / "class_maps" / name) as found:
        assert (found.crs, found.transform, found.shape) == (source.crs, source.transform, source.shape)
        np.testing.assert_array_equal(found.read(1) == 255, source.dataset_mask() == 0)
        assert (found.read(1) != 255).mean() == pytest.approx(data_share, abs=0.01)
    if data_share == 0:
        assert predictor.shapes == []


def test_real_rasters_that_are_hard(shared_data, tmp_path):
    folder = shared_data / "rasters"
    if not folder.is_dir():
        pytest.skip("no real rasters on this machine: ../shared/data/rasters is missing")
    names = ("rotated.tif", "RGBA.uint16.tif", "float_nan.tif", "float_raster_with_nodata.tif", "world.rgb.tif")
    paths = [folder / name for name in (*names, "corrupt.tif")]
    summary = run(paths, tmp_path / "out", ColorPredictor(size=256, overlap=32), value_range=ValueRange(0, 10000))
    ((failed, reason),) = summary.failures
    assert failed.name == "corrupt.tif"
    assert reason.startswith("Cannot read the raster")
    for name in names:
        with rasterio.open(folder / name) as source, rasterio.open(tmp_path / "out" / "class_maps" / name) as found:
            assert (found.crs, found.transform, found.shape) == (source.crs, source.transform, source.shape)
            np.testing.assert_array_equal(found.read(1) == 255, source.dataset_mask() == 0)


def test_a_mosaic_is_one_map(shared_data, tmp_path):
    folder = shared_data / "rasters"
    if not (folder / "rgb1.tif").is_file():
        pytest.skip("no real rasters on this machine: ../shared/data/rasters is missing")
    parts = []
    for name in ("rgb1.tif", "rgb2.tif", "rgb3.tif", "rgb4.tif"):
        with rasterio.open(folder / name) as part:
            parts.append((folder / name, part.transform, part.shape, part.crs))
    first = parts[0][1]
    (width, height), sources = (792, 719), []
    for path, transform, (h, w), _ in parts:
        x, y = round((transform.c - first.c) / first.a), round((transform.f - first.f) / first.e)
        sources.append((path, x, y, w, h))
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{b}"><NoDataValue>0</NoDataValue><ColorInterp>{color}</ColorInterp>'
        + "".join(
            f"<ComplexSource><SourceFilename>{path}</SourceFilename><SourceBand>{b}</SourceBand>"
            f'<SrcRect xOff="0" yOff="0" xSize="{w}" ySize="{h}"/>'
            f'<DstRect xOff="{x}" yOff="{y}" xSize="{w}" ySize="{h}"/>'
            "<NODATA>0</NODATA></ComplexSource>"
            for path, x, y, w, h in sources
        )
        + "</VRTRasterBand>"
        for b, color in ((1, "Red"), (2, "Green"), (3, "Blue"))
    )
    vrt = tmp_path / "mosaic.vrt"
    vrt.write_text(
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>EPSG:32618</SRS>'
        f"<GeoTransform>{', '.join(map(repr, first.to_gdal()))}</GeoTransform>{bands}</VRTDataset>"
    )
    predictor = ColorPredictor(size=256, overlap=64)
    assert run([vrt], tmp_path / "out", predictor).failures == []
    with rasterio.open(vrt) as source:
        image, valid = source.read().transpose(1, 2, 0), source.dataset_mask() > 0
    check_map(tmp_path / "out" / "class_maps" / "mosaic.tif", image, valid, predictor)


def test_names_that_are_markup_formulas_or_no_text_are_data(photos, write_raster, tmp_path):
    predictor = ColorPredictor()
    predictor.names = ("=cmd()", "\x1b[31m|\n", "caf\udce9")
    for name in ("[b]=x.png", "caf\udce9.png", "\x1b[31m.png"):
        (photos / "a" / "0.png").rename(photos / "a" / name)
        Image.fromarray(smooth_colors(20, 30)).save(photos / "a" / "0.png")
    write_raster("photos/map.tif", smooth_colors(60, 50))
    results = ResultOptions(overlay=True, probabilities=True, polygons=PolygonOptions("geojson"))
    assert run([photos], tmp_path / "out", predictor, results=results).failures == []
    with (tmp_path / "out" / "areas.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["class"] for row in rows} == {"'=cmd()", "?[31m|?", "caf?"}
    assert {row["file"] for row in rows} >= {"a/[b]=x", "a/caf?", "a/?[31m", "map"}
    found = json.loads((tmp_path / "out" / "polygons" / "map.geojson").read_text(encoding="utf-8"))
    assert {feature["properties"]["class"] for feature in found["features"]} <= {"=cmd()", "?[31m|?", "caf?"}


def test_records_are_plain_and_small(photos, tmp_path):
    run([photos], tmp_path / "out")
    records = list((tmp_path / "out" / ".predict" / "done").glob("*.json"))
    assert len(records) == 6
    record = json.loads(records[0].read_text())
    assert set(record) == {"identity", "results", "counts", "square_metres"}
