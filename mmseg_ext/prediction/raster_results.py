"""The results of one raster, made of its strips.

Shape suffixes: H height, W width.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmseg_ext.escaping import printable
from mmseg_ext.pictures import overlay, save_picture
from mmseg_ext.prediction.area_table import square_metres_of_pixel
from mmseg_ext.prediction.geo_packages import load_rasterio
from mmseg_ext.prediction.map_clean_up import clean_up_blocks
from mmseg_ext.prediction.output_folder import OutputFolder
from mmseg_ext.prediction.polygon_files import MapPlace, write_polygons
from mmseg_ext.prediction.polygon_tracing import CHUNK_PIXELS, trace_polygons
from mmseg_ext.prediction.predictor import Predictor, add_legend, class_map_dtype
from mmseg_ext.prediction.raster_files import TILE, describe_bands, read_chunks, write_cog, write_plain_raster
from mmseg_ext.prediction.raster_prediction import PROBABILITY_STEPS
from mmseg_ext.prediction.raster_source import RasterSettings, RasterSource
from mmseg_ext.prediction.results import CLASS_MAPS, OVERLAYS, POLYGONS, PROBABILITIES, ResultOptions
from mmseg_ext.prediction.strip_files import CLASSES, CONFIDENCE, StripFiles, in_chunks
from mmseg_ext.prediction.strip_files import PROBABILITIES as PROBABILITY_BLOCKS

PICTURE_SIDE = 2048
"""Pixels of the longer side of an overlay picture."""

Chunks = Iterable[tuple[int, np.ndarray]]


class RasterCounts(NamedTuple):
    """What the map of a raster holds.

    Attributes:
        counts: Pixels of each class.
        square_metres: Of a pixel; None where the map has no metric plane.
    """

    counts: list[int]
    square_metres: float | None


class RasterResults:
    """Writes the results of one raster.

    Args:
        source: The raster.
        settings: How its values were read.
        strips: Its strips, all of them finished.
        name: The name of its results.
        folder: Where they go.
        predictor: Names and colours of the classes.
    """

    def __init__(
        self,
        source: Path,
        settings: RasterSettings,
        strips: StripFiles,
        name: str,
        folder: OutputFolder,
        predictor: Predictor,
    ) -> None:
        self.source, self.settings, self.strips = source, settings, strips
        self.name, self.folder, self.predictor = name, folder, predictor
        kind = class_map_dtype(len(predictor.names))
        self.dtype, self.nodata = np.dtype(kind), int(np.iinfo(kind).max)
        self.shape = (strips.rows.length, strips.columns.length)
        with RasterSource(source, settings) as raster:
            self.georeference = raster.georeference
        transform = self.georeference.get("transform")
        crs = self.georeference["crs"]
        is_placed = transform is not None and not transform.is_identity
        square_metres = square_metres_of_pixel(crs, transform) if is_placed else None
        self.place = MapPlace(transform, crs, square_metres) if is_placed else MapPlace()

    def write(self, options: ResultOptions) -> RasterCounts:
        """Write what is asked for; the class map comes last."""
        plain = self.folder.unfinished(f"{self.name}-plain", ".tif")
        counts = np.zeros(len(self.predictor.names), np.int64)
        self._write_classes(plain, in_chunks(self._strips(CLASSES, self.dtype, self.nodata), TILE), counts)
        if options.clean_up:
            dirty, plain = plain, self.folder.unfinished(f"{self.name}-clean", ".tif")
            counts[:] = 0
            self._write_classes(plain, clean_up_blocks(dirty, options.clean_up, self.nodata), counts)
            dirty.unlink()
        describe_bands(plain, ["class"], self._colors(), self._tags())
        if options.probabilities:
            self._write_probabilities()
        if options.polygons is not None:
            with self.folder.replacing(self._path(POLYGONS, f".{options.polygons.kind}")) as path:
                areas = trace_polygons(self._classes(plain), self.nodata, options.polygons.min_pixels(self.place))
                write_polygons(path, areas, self.predictor.names, self.place, options.polygons)
        with self.folder.replacing(self._path(CLASS_MAPS, ".tif")) as path:
            write_cog(plain, path, overviews="MODE")
        plain.unlink()
        if options.overlay:
            self._draw_overlay(self._path(CLASS_MAPS, ".tif"))
        return RasterCounts(counts.tolist(), self.place.square_metres)

    def _path(self, kind: str, suffix: str) -> Path:
        return self.folder.path_of(kind, self.name, suffix)

    def _strips(self, what: str, dtype: Any, empty: int) -> Iterator[np.ndarray]:
        for row in range(self.strips.rows.count):
            yield self.strips.read(row, what, dtype, empty)

    def _profile(self, dtype: str, nodata: int) -> dict[str, Any]:
        return {"dtype": dtype, "nodata": nodata, **self.georeference}

    def _write_classes(self, path: Path, chunks: Chunks, counts: np.ndarray) -> None:
        def counted() -> Iterator[tuple[int, np.ndarray]]:
            for top, classes_HW in chunks:
                counts[:] += np.bincount(classes_HW.ravel(), minlength=self.nodata + 1)[: len(counts)]
                yield top, classes_HW

        write_plain_raster(path, [counted()], self.shape, self._profile(self.dtype.name, self.nodata))

    def _colors(self) -> np.ndarray | None:
        return self.predictor.palette if self.dtype == np.uint8 else None

    def _tags(self) -> dict[str, str]:
        return {f"CLASS_{index}": printable(name) for index, name in enumerate(self.predictor.names)}

    def _write_probabilities(self) -> None:
        names = self.predictor.names if self.predictor.threshold is None else self.predictor.names[1:]
        plain = self.folder.unfinished(f"{self.name}-probabilities", ".tif")
        bands = [in_chunks(self._strips(f"{PROBABILITY_BLOCKS}/{n}", np.uint8, 255), TILE) for n in range(len(names))]
        write_plain_raster(plain, bands, self.shape, self._profile("uint8", 255))
        describe_bands(plain, list(map(printable, names)), None, {})
        with load_rasterio().open(plain, "r+") as raster:
            raster.scales = [1 / PROBABILITY_STEPS] * len(names)
        with self.folder.replacing(self._path(PROBABILITIES, ".tif")) as path:
            write_cog(plain, path, overviews="AVERAGE")
        plain.unlink()

    def _classes(self, plain: Path) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
        """Yield the final classes with the confidence of each pixel, for the polygons."""
        height = max(1, CHUNK_PIXELS // self.shape[1])
        confidences = in_chunks(self._strips(CONFIDENCE, np.uint8, 0), height)
        for (top, classes_HW), (_, confidence_HW) in zip(read_chunks(plain, height), confidences, strict=True):
            yield top, classes_HW, confidence_HW

    def _draw_overlay(self, class_map: Path) -> None:
        with RasterSource(self.source, self.settings) as raster:
            picture_HWC = raster.read_picture(PICTURE_SIDE)
        with load_rasterio().open(class_map) as raster:
            classes_HW = raster.read(1, out_shape=picture_HWC.shape[:2])
        drawn_HWC = overlay(picture_HWC, classes_HW, self.predictor.palette.tolist(), ignore_index=self.nodata)
        with self.folder.replacing(self._path(OVERLAYS, ".jpg")) as path:
            save_picture(path, add_legend(drawn_HWC, classes_HW, self.predictor.names, self.predictor.palette))
