"""Finished rows of a raster's map on disk: what a killed process has finished is not computed again.

A strip is what one row of windows completes. Its blocks, one a window, lie in one zip file, which is there whole or not
at all. Blocks without data are left out.

Shape suffixes: H height, W width.
"""

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmseg_ext.files import find_json, replace_file, replacing_file
from mmseg_ext.prediction.window_grid import WindowAxis

CLASSES, CONFIDENCE, PROBABILITIES = "classes", "confidence", "probabilities"


class StripFiles:
    """The strips of one raster.

    Args:
        folder: Where they lie, for this raster alone.
        rows: The windows along the height.
        columns: Those along the width.
        facts: What the strips depend on; those of other facts are removed.
        resume: Whether finished strips stay.
    """

    def __init__(self, folder: Path, rows: WindowAxis, columns: WindowAxis, facts: Any, resume: bool = True) -> None:
        self.folder, self.rows, self.columns = folder, rows, columns
        facts = json.loads(json.dumps(facts))
        if not resume or find_json(folder / "facts.json") != facts:
            shutil.rmtree(folder, ignore_errors=True)
            replace_file(folder / "facts.json", json.dumps(facts))

    def _path(self, row: int) -> Path:
        return self.folder / f"strip_{row:06d}.zip"

    def count_finished(self) -> int:
        """Count the strips that are finished, from the top."""
        count = 0
        while count < self.rows.count and zipfile.is_zipfile(self._path(count)):
            count += 1
        return count

    def write(self, row: int, blocks: Iterator[tuple[int, str, np.ndarray]]) -> None:
        """Write a strip.

        Args:
            row: Its number.
            blocks: (column of the window, what it is, (H, W)), as they are finished.
        """
        with replacing_file(self._path(row), sync=False) as file, _open_zip(file) as archive:
            for column, what, block in blocks:
                archive.writestr(f"{column}/{what}", np.ascontiguousarray(block).tobytes())

    def read(self, row: int, what: str, dtype: Any, empty: int) -> np.ndarray:
        """Read a strip.

        Args:
            row: Its number.
            what: What it holds.
            dtype: The type of the values.
            empty: The value where there is no data.

        Returns:
            (H, W), of the raster's width.
        """
        top, bottom = self.rows.strip(row)
        strip = np.full((bottom - top, self.columns.length), empty, dtype)
        with zipfile.ZipFile(self._path(row)) as archive:
            names = set(archive.namelist())
            for column in range(self.columns.count):
                name = f"{column}/{what}"
                if name in names:
                    left, right = self.columns.strip(column)
                    block = np.frombuffer(archive.read(name), dtype)
                    strip[:, left:right] = block.reshape(bottom - top, right - left)
        return strip

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _open_zip(file: Any) -> zipfile.ZipFile:
    return zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)


def in_chunks(strips: Iterator[np.ndarray], height: int) -> Iterator[tuple[int, np.ndarray]]:
    """Cut strips (H, W) of any heights into chunks of one height.

    Yields:
        (first row, (height, W)); the last one may be lower.
    """
    top, held = 0, None
    for strip in strips:
        held = strip if held is None or not len(held) else np.concatenate([held, strip])
        while len(held) >= height:
            yield top, held[:height]
            top, held = top + height, held[height:]
    if held is not None and len(held):
        yield top, held
