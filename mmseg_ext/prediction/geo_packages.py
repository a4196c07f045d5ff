"""rasterio and pyogrio, which rasters and polygons alone need."""

import os
from importlib import import_module
from typing import Any

from mmseg_ext.errors import missing_packages

GDAL_CACHE_MB = "128"
"""Decoded blocks that GDAL holds. Its own choice is a twentieth of the machine's memory."""


def _load(package: str, what: str) -> Any:
    os.environ.setdefault("GDAL_CACHEMAX", GDAL_CACHE_MB)
    try:
        return import_module(package)
    except ImportError as error:
        raise missing_packages(what, package) from error


def load_rasterio() -> Any:
    """Import rasterio.

    Raises:
        UserError: It is not installed.
    """
    return _load("rasterio", "rasters")


def load_pyogrio() -> Any:
    """Import pyogrio.

    Raises:
        UserError: It is not installed.
    """
    return _load("pyogrio", "polygons in a GeoPackage")
