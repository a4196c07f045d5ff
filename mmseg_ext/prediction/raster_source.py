"""A raster that is read window by window.

Shape suffixes: H height, W width, 3 bands: red, green, blue.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

from mmseg_ext.errors import UserError
from mmseg_ext.prediction.band_selection import choose_bands
from mmseg_ext.prediction.blending import fill_value, pad_window
from mmseg_ext.prediction.geo_packages import load_rasterio
from mmseg_ext.prediction.value_scaling import ValueRange, scale_values

WHOLE_PIXELS = 2**26
"""An image of more pixels is predicted in windows, whatever its format."""

_TIFF = (".tif", ".tiff")
_GEO_TAGS = {33550, 33922, 34264, 34735}  # pixel scale, tie points, transformation, keys
_WORLD_FILES = {".jpg": (".jgw", ".wld"), ".jpeg": (".jgw", ".wld"), ".png": (".pgw", ".wld"), ".webp": (".wld",)}
_SAMPLE_SIDE = 1024


class RasterSettings(NamedTuple):
    """How the values of rasters are read.

    Attributes:
        bands: See :func:`~mmseg_ext.prediction.band_selection.choose_bands`.
        value_range: What becomes 0 and 255, None for nothing.
        fill: float32 (3,), the value of pixels without data.
        is_byte: Whether the network was trained on values from 0 to 255.
    """

    bands: Sequence[str | int] | None
    value_range: ValueRange | None
    fill: np.ndarray
    is_byte: bool


def is_raster(path: Path) -> bool:
    """Whether a file is predicted in windows, with its coordinates: georeferenced, of other bands, or very large.

    Raises:
        UserError: It is, and rasterio is not installed.
        OSError: The file cannot be opened.
    """
    suffix = path.suffix.lower()
    if suffix == ".vrt":
        return True
    if suffix not in _TIFF:
        if any(path.with_suffix(world).is_file() for world in _WORLD_FILES.get(suffix, ())):
            return True
        with _open_header(path) as image:
            return image.width * image.height > WHOLE_PIXELS
    try:
        rasterio = load_rasterio()
    except UserError:
        with _open_header(path) as image:
            if not _GEO_TAGS & set(getattr(image, "tag_v2", ())):
                return False
        raise
    with rasterio.open(path) as raster:
        plain = raster.count in (1, 3) and all(kind == "uint8" for kind in raster.dtypes)
        is_placed = raster.crs is not None or not raster.transform.is_identity or bool(raster.gcps[0])
        has_holes = any(flags != [rasterio.enums.MaskFlags.all_valid] for flags in raster.mask_flag_enums)
        return not plain or is_placed or has_holes or raster.width * raster.height > WHOLE_PIXELS


def _open_header(path: Path) -> Image.Image:
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # only the header is read
    try:
        return Image.open(path)
    finally:
        Image.MAX_IMAGE_PIXELS = limit


class RasterSource:
    """A raster opened for reading; to be used in one thread.

    Args:
        path: The file.
        settings: How its values are read.

    Attributes:
        shape: Height and width.

    Raises:
        UserError: It is not clear which bands or values are meant, or rasterio is not installed.
    """

    def __init__(self, path: str | Path, settings: RasterSettings) -> None:
        self.path, self.settings = str(path), settings
        self._raster = load_rasterio().open(path)
        try:
            self.shape: tuple[int, int] = self._raster.shape
            self.bands = choose_bands(self._raster, settings.bands)
            self._colormap = self._read_colormap()
            # What cannot be scaled is refused before the first window.
            dtype = np.uint8 if self._colormap is not None else np.dtype(self._raster.dtypes[self.bands[0] - 1])
            self._scale(np.zeros((1, 1, 3), dtype))
        except BaseException:
            self._raster.close()
            raise

    def __enter__(self) -> "RasterSource":
        return self

    def __exit__(self, *_: object) -> None:
        self._raster.close()

    @property
    def georeference(self) -> dict[str, Any]:
        """Crs and transform, or ground control points, as rasterio takes them to write another raster."""
        points, crs = self._raster.gcps
        if points and self._raster.transform.is_identity:
            return {"gcps": points, "crs": crs}
        return {"crs": self._raster.crs, "transform": self._raster.transform}

    @property
    def map_origin(self) -> tuple[float, float]:
        """Row and column of the map's origin, in pixels; 0, 0 for a raster without coordinates."""
        transform = self._raster.transform
        if transform.is_identity or transform.determinant == 0:
            return 0.0, 0.0
        to_pixels = ~transform
        return to_pixels.f, to_pixels.c

    def read(self, rows: tuple[int, int], columns: tuple[int, int]) -> tuple[np.ndarray | None, np.ndarray]:
        """Read a window.

        Args:
            rows: First row, and the row after the last; may begin before the raster, but not end behind it.
            columns: Likewise.

        Returns:
            The pixels (H, W, 3), those without data set to the fill value, None where none has data; and bool (H, W),
            whether a pixel has data.

        Raises:
            UserError: The pixels cannot be read.
        """
        inside = tuple((max(start, 0), stop) for start, stop in (rows, columns))
        before = (inside[0][0] - rows[0], inside[1][0] - columns[0])
        shape = (rows[1] - rows[0], columns[1] - columns[0])
        errors = load_rasterio().errors
        valid_HW = np.zeros(shape, bool)
        part_HW = valid_HW[before[0] :, before[1] :]
        try:
            part_HW[:] = self._raster.dataset_mask(window=inside) > 0
            if not part_HW.any():
                return None, valid_HW
            pixels_HWn = _channels_last(self._raster.read(self._bands_on_disk, window=inside))
        except errors.RasterioError as error:
            raise UserError(f"Cannot read the raster {self.path}: {_reason(error)}. Replace the file.") from error
        if pixels_HWn.dtype.kind == "f":
            part_HW &= np.isfinite(pixels_HWn).all(axis=2)
            if not part_HW.any():
                return None, valid_HW
        image_HW3 = self._scale(self._colored(pixels_HWn))
        image_HW3[~part_HW] = fill_value(self.settings.fill, image_HW3.dtype)
        return pad_window(image_HW3, before, shape, self.settings.fill), valid_HW

    def sample(self) -> np.ndarray:
        """Read values that have data from the raster at a reduced size."""
        factor = max(1, max(self.shape) / _SAMPLE_SIDE)
        shape = tuple(max(1, round(size / factor)) for size in self.shape)
        pixels_3HW = self._raster.read(self.bands, out_shape=(3, *shape))
        valid_HW = self._raster.dataset_mask(out_shape=shape) > 0
        values = pixels_3HW[:, valid_HW]
        return values[np.isfinite(values)]

    def read_picture(self, side: int) -> np.ndarray:
        """Read the raster for drawing, uint8 (H, W, 3), of at most `side` pixels along its longer side."""
        resampling = load_rasterio().enums.Resampling
        factor = max(1, max(self.shape) / side)
        shape = tuple(max(1, round(size / factor)) for size in self.shape)
        # Numbers of colours are no amounts: their mean is another colour.
        method = resampling.average if self._colormap is None else resampling.nearest
        pixels_3HW = self._raster.read(
            self._bands_on_disk, out_shape=(len(self._bands_on_disk), *shape), resampling=method
        )
        image_HW3 = self._scale(self._colored(pixels_3HW.transpose(1, 2, 0)))
        return np.clip(np.rint(image_HW3), 0, 255).astype(np.uint8) if self.settings.is_byte else stretch(image_HW3)

    @property
    def _bands_on_disk(self) -> tuple[int, ...]:
        return self.bands[:1] if len(set(self.bands)) == 1 else self.bands

    def _read_colormap(self) -> np.ndarray | None:
        """Return the colours of a raster that holds numbers of colours, uint8 (256, 3)."""
        if self._raster.colorinterp[self.bands[0] - 1].name != "palette" or self._raster.dtypes[0] != "uint8":
            return None
        colors = self._raster.colormap(self.bands[0])
        return np.array([colors.get(value, (0, 0, 0))[:3] for value in range(256)], np.uint8)

    def _colored(self, pixels_HWn: np.ndarray) -> np.ndarray:
        if self._colormap is not None:
            return self._colormap[pixels_HWn[..., 0]]
        return np.repeat(pixels_HWn, 3, axis=2) if pixels_HWn.shape[2] == 1 else pixels_HWn

    def _scale(self, pixels_HW3: np.ndarray) -> np.ndarray:
        value_range = None if self._colormap is not None else self.settings.value_range
        return scale_values(pixels_HW3, value_range, self.settings.is_byte, self.path)


def _channels_last(pixels_nHW: np.ndarray) -> np.ndarray:
    """Copy bands (n, H, W) into an image (H, W, n); OpenCV does it 40 times as fast as NumPy."""
    if pixels_nHW.dtype in (np.uint8, np.uint16, np.int16, np.int32, np.float32, np.float64):
        return cv2.merge(list(pixels_nHW)).reshape(*pixels_nHW.shape[1:], -1)
    return np.ascontiguousarray(pixels_nHW.transpose(1, 2, 0))


def stretch(image_HW3: np.ndarray) -> np.ndarray:
    """Bring the values of a picture to 0..255 for drawing, uint8."""
    low, high = np.percentile(image_HW3, (2, 98))
    return (np.clip((image_HW3 - low) / max(high - low, 1e-12), 0, 1) * 255).astype(np.uint8)


def _reason(error: BaseException) -> str:
    """Say what GDAL said, which is behind rasterio's error."""
    cause = error.__cause__ or error
    return str(cause).splitlines()[0].rstrip(".") if str(cause) else type(cause).__name__


def identity_of(path: str | Path) -> list[Any]:
    """Return what tells whether a file has changed: its size and time."""
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns]
