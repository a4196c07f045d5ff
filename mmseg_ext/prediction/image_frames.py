"""The images of a folder, their sizes as viewers show them, and where they lie on the map; no pixel is read."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mmseg_ext.downsampling.image_files import IMAGE_SUFFIXES
from mmseg_ext.errors import UserError
from mmseg_ext.masks.orientation import orientation_of, swap_size, turn_point
from mmseg_ext.points.images_below import images_by_bare_name
from mmseg_ext.prediction.geo_packages import load_rasterio

SUFFIXES = (*IMAGE_SUFFIXES, ".vrt")
RASTER_SUFFIXES = (".tif", ".tiff", ".vrt")


class FolderFrames:
    """The images in a folder and below; folders that are named like folders of labels are left out.

    Args:
        folder: The folder.

    Attributes:
        names: Paths relative to the folder, with forward slashes, sorted.

    Raises:
        UserError: There is no folder, or no image in it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise UserError(f"Expected a folder of images, found none at {folder}.")
        below = images_by_bare_name(os.fspath(folder))
        self.names = sorted(n for names in below.values() for n in names if Path(n).suffix.lower() in SUFFIXES)
        if not self.names:
            raise UserError(f"Expected images ({', '.join(SUFFIXES)}) in {folder}, found none.")
        self._frames: dict[str, tuple[tuple[int, int], int]] = {}

    def size(self, name: str) -> tuple[int, int]:
        """Return the height and width of an image as viewers show it, in pixels."""
        return self._frame(name)[0]

    def turn(self, name: str, x: int, y: int) -> tuple[int, int]:
        """Turn a pixel as stored, (column, row), into that of the image as viewers show it."""
        return turn_point(x, y, *self._frame(name))

    def _frame(self, name: str) -> tuple[tuple[int, int], int]:
        """Read the size as shown and the EXIF orientation of an image, once."""
        if name not in self._frames:
            self._frames[name] = read_frame(self.folder / name)
        return self._frames[name]

    def locate(self, places: Sequence[tuple[float, float]], crs: str | None) -> list[tuple[str, float, float] | None]:
        """Find the image and the pixel of places on the map; of several images the first that has it.

        Args:
            places: (x, y), as (longitude, latitude) or (easting, northing).
            crs: Their coordinate reference system, as rasterio takes it; None takes that of each image.

        Raises:
            UserError: rasterio is not installed, no image is a raster with a place on the map, or `crs` is unknown.
        """
        found: list[tuple[str, float, float] | None] = [None] * len(places)
        xs, ys = np.array(places, float).reshape(-1, 2).T
        for name, raster_crs, transform, (height, width) in self._rasters:
            map_xs, map_ys = _transformed(xs, ys, crs, raster_crs)
            columns = transform.a * map_xs + transform.b * map_ys + transform.c
            rows = transform.d * map_xs + transform.e * map_ys + transform.f
            inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
            for index in np.flatnonzero(inside):
                found[index] = found[index] or (name, float(columns[index]), float(rows[index]))
        return found

    @cached_property
    def _rasters(self) -> list[tuple[str, Any, Any, tuple[int, int]]]:
        """List the rasters that have a place on the map: name, reference system, transform to pixels, and size."""
        rasterio, rasters = load_rasterio(), []
        for name in self.names:
            if Path(name).suffix.lower() in RASTER_SUFFIXES:
                with _open_raster(rasterio, self.folder / name) as raster:
                    if raster.crs is not None and not raster.transform.is_identity:
                        rasters.append((name, raster.crs, ~raster.transform, raster.shape))
        if not rasters:
            raise UserError(
                f"Expected GeoTIFFs with a coordinate reference system in {self.folder}, for points in map "
                "coordinates, found none. Give the folder of the georeferenced images, or points in pixels."
            )
        return rasters


def read_frame(path: Path) -> tuple[tuple[int, int], int]:
    """Read the height and width of an image as viewers show it, and its EXIF orientation, from its header.

    Raises:
        UserError: The file cannot be read.
    """
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # only the header is read
    try:
        with Image.open(path) as image:
            orientation, size = orientation_of(image), (image.height, image.width)
            if image.format == "TIFF":  # Pillow gives the size of a TIFF as shown
                return size, orientation
            return swap_size(size, orientation), orientation
    except (OSError, SyntaxError, ValueError) as error:
        if path.suffix.lower() not in RASTER_SUFFIXES:
            raise UserError(f"Expected an image at {path}, got a file that cannot be read: {error}.") from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    with _open_raster(load_rasterio(), path) as raster:
        return raster.shape, 1


def _open_raster(rasterio: Any, path: Path) -> Any:
    try:
        return rasterio.open(path)
    except rasterio.errors.RasterioIOError as error:
        raise UserError(f"Expected an image at {path}, got a file that cannot be read: {error}.") from error


def _transformed(xs: np.ndarray, ys: np.ndarray, crs: str | None, target: Any) -> tuple[np.ndarray, np.ndarray]:
    """Turn coordinates into those of another reference system; None is that system itself."""
    if crs is None:
        return xs, ys
    from rasterio.crs import CRS
    from rasterio.errors import CRSError
    from rasterio.warp import transform

    try:
        source = CRS.from_user_input(crs)
    except (CRSError, ValueError) as error:
        raise UserError(f"Expected a coordinate reference system such as EPSG:32632, got {crs!r}.") from error
    if source == target:
        return xs, ys
    new_xs, new_ys = transform(source, target, xs, ys)[:2]
    return np.array(new_xs), np.array(new_ys)
