"""Maps written as cloud-optimised GeoTIFF, strip by strip.

Shape suffixes: H height, W width.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmseg_ext.prediction.geo_packages import load_rasterio

TILE = 512
"""Height and width of a tile of the files; maps are handed over in rows of tiles."""


def write_plain_raster(
    path: Path, bands: Sequence[Iterable[tuple[int, np.ndarray]]], shape: tuple[int, int], profile: dict[str, Any]
) -> None:
    """Write a tiled GeoTIFF for :func:`write_cog`.

    Args:
        path: The file.
        bands: Each in chunks from the top: (first row, (H, W)), of `TILE` rows but for the last.
        shape: Height and width.
        profile: Type, nodata, and the place on the map, as rasterio takes them.
    """
    rasterio = load_rasterio()
    settings = {
        "driver": "GTiff",
        "height": shape[0],
        "width": shape[1],
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "compress": "DEFLATE",
        "zlevel": 1,
        "bigtiff": "IF_SAFER",
        "interleave": "band",
        "count": len(bands),
        **profile,
    }
    gcps = settings.pop("gcps", None)
    with rasterio.open(path, "w", **settings) as raster:
        if gcps is not None:
            raster.gcps = (gcps, settings["crs"])
        for number, chunks in enumerate(bands, start=1):
            for top, chunk_HW in chunks:
                raster.write(chunk_HW, number, window=rasterio.windows.Window(0, top, shape[1], len(chunk_HW)))


def describe_bands(path: Path, names: Sequence[str], colors: np.ndarray | None, tags: dict[str, str]) -> None:
    """Name the bands of a GeoTIFF, and give the values of the first one their colours."""
    with load_rasterio().open(path, "r+") as raster:
        for number, name in enumerate(names, start=1):
            raster.set_band_description(number, name)
        if colors is not None:
            raster.write_colormap(1, {value: (*map(int, color), 255) for value, color in enumerate(colors)})
        raster.update_tags(**tags)


def write_cog(plain: Path, path: Path, overviews: str) -> None:
    """Copy a tiled GeoTIFF into a cloud-optimised one, with overviews.

    Args:
        plain: The GeoTIFF.
        path: The file to write.
        overviews: How overviews are made: 'MODE' for classes, 'AVERAGE' for amounts.
    """
    load_rasterio()
    from rasterio.shutil import copy

    copy(
        plain,
        path,
        driver="COG",
        COMPRESS="DEFLATE",
        BLOCKSIZE=TILE,
        OVERVIEW_RESAMPLING=overviews,
        NUM_THREADS="ALL_CPUS",
        BIGTIFF="IF_SAFER",
    )


def read_chunks(path: Path, height: int) -> Iterator[tuple[int, np.ndarray]]:
    """Read the first band of a raster from the top: (first row, (height, W)); the last chunk may be lower."""
    rasterio = load_rasterio()
    with rasterio.open(path) as raster:
        for top in range(0, raster.height, height):
            rows = min(height, raster.height - top)
            yield top, raster.read(1, window=rasterio.windows.Window(0, top, raster.width, rows))
