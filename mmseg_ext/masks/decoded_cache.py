"""Decoded images and masks on disk: shared by all data loading processes, kept between runs.

dataset (``cache_dir``, ``cache_gb``) ──> ``results['decoded_cache']`` ──> the loading transforms
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
from PIL import Image

from mmseg_ext.masks.array_store import ArrayStore

KEY = "decoded_cache"  # of a sample
# Another release of a decoder may round differently.
DECODERS = f"cv2 {cv2.__version__} pillow {Image.__version__}"


def cached(results: Mapping[str, Any], path: str, kind: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Take an array from the cache of a sample's dataset, or make it.

    Args:
        results: The sample.
        path: The file that the array is made of.
        kind: What is made of it; names all settings that matter.
        make: Decodes the file.

    Returns:
        An array that the caller may change.
    """
    cache = results.get(KEY)
    return make() if cache is None else cache.get(path, kind, make)


class DecodedCache(ArrayStore):
    """A folder of decoded arrays, each made of one file and made anew when the file changes.

    Once the folder or the disk is full, arrays that it lacks are decoded each time, with a warning. No entry is
    removed: where every image is read once an epoch, any subset serves as well as another.
    """

    without = "images that it lacks are decoded each time"

    def get(self, path: str, kind: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Read an array, or make and keep it; see :func:`cached`."""
        try:
            status = os.stat(path)
        except OSError:
            return make()
        # Modified, changed (ns) and bytes of the file.
        stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        name = f"{DECODERS}\0{kind}\0{os.path.abspath(path)}"
        array = self.load(name, stamp)
        if array is None:
            array = make()
            self.save(name, array, stamp)
        return array
