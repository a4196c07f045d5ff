"""Logits of overlapping windows blended to those of the image, block by block.

Where two windows overlap, the weight of one falls as that of the other rises; together they are 1. Only what is still
to be blended is held: the columns that a window shares with the one to its right, and the rows that a row of windows
shares with the one below.

Shape suffixes: C channels, H height, W width.
"""

import tempfile
from typing import IO

import numpy as np
import torch
from torch import Tensor

from mmseg_ext.prediction.predictor import Predictor
from mmseg_ext.prediction.window_grid import WindowAxis

SHARED_ROWS_BYTES = 2**27
"""Rows of logits that wait for the windows below are held in memory up to this size, beyond it on disk."""


class SharedRows:
    """The rows of logits that a row of windows shares with the next one, by column.

    Args:
        max_bytes: What is held in memory; more goes to a temporary file.
    """

    def __init__(self, max_bytes: int = SHARED_ROWS_BYTES) -> None:
        self._held: dict[int, Tensor] = {}
        self._places: dict[int, int] = {}
        self._left = max_bytes
        self._file: IO[bytes] | None = None

    def put(self, column: int, rows_CHW: Tensor) -> None:
        """Keep the rows of a window."""
        rows_CHW = rows_CHW.cpu()
        if self._left >= rows_CHW.nbytes:
            self._left -= rows_CHW.nbytes
            self._held[column] = rows_CHW
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 lives as long as this
        self._places[column] = self._file.tell()
        np.save(self._file, rows_CHW.contiguous().numpy())

    def take(self, column: int) -> Tensor | None:
        """Return the rows of a window, once; None where there are none."""
        if column in self._held:
            return self._held.pop(column)
        if self._file is None or column not in self._places:
            return None
        self._file.seek(self._places.pop(column))
        return torch.from_numpy(np.load(self._file))

    def close(self) -> None:
        """Remove the temporary file."""
        if self._file is not None:
            self._file.close()


class WindowBlender:
    """Blends windows that come row by row, and in a row from left to right.

    Windows may be left out, where nobody needs their pixels.

    Args:
        rows: The windows along the height.
        columns: Those along the width.
    """

    def __init__(self, rows: WindowAxis, columns: WindowAxis) -> None:
        self.rows, self.columns = rows, columns
        self._row = -1
        self._column = -2
        self._right: Tensor | None = None  # of the window before, weighted
        self._above, self._below = SharedRows(), SharedRows()

    def add(self, row: int, column: int, logits_CHW: Tensor) -> Tensor:
        """Add a window.

        Args:
            row: Its row in the grid.
            column: Its column.
            logits_CHW: float32, of the pixels of ``range_of`` along both axes; is changed.

        Returns:
            The blended logits of the window's strips, (C, H, W).
        """
        if row != self._row:
            self._above.close()
            self._above = self._below if row == self._row + 1 else SharedRows()
            self._below = SharedRows()
            self._row, self._column = row, -2
        right = self._right if column == self._column + 1 else None
        (top, bottom), (first, last) = self.rows.used(row), self.columns.used(column)
        y, x = self.rows.range_of(row)[0], self.columns.range_of(column)[0]
        used_CHW = logits_CHW[:, top - y : bottom - y, first - x : last - x]
        block_CHW, self._right = _blend(used_CHW, right, self.columns, column, axis=2)
        self._column = column
        above = self._above.take(column)
        block_CHW, below = _blend(block_CHW, above, self.rows, row, axis=1)
        if below is not None:
            self._below.put(column, below)
        return block_CHW


def _blend(
    used_CHW: Tensor, earlier: Tensor | None, axis_grid: WindowAxis, index: int, axis: int
) -> tuple[Tensor, Tensor | None]:
    """Blend the start of a window with the one before it; return its strip, and its weighted end for the next one."""
    ramp = torch.from_numpy(axis_grid.ramp).to(used_CHW.device)
    ramp = ramp.view([-1 if dim == axis else 1 for dim in range(3)])
    size, overlap = used_CHW.shape[axis], axis_grid.overlap
    if index > 0 and overlap:
        start = used_CHW.narrow(axis, 0, overlap)
        start *= ramp
        if earlier is not None:
            start += earlier.to(start.device)
    if index == axis_grid.count - 1:
        return used_CHW, None
    end = used_CHW.narrow(axis, size - overlap, overlap) * (1 - ramp)
    return used_CHW.narrow(axis, 0, size - overlap), end


def pad_window(image_HWC: np.ndarray, before: tuple[int, int], shape: tuple[int, int], fill: np.ndarray) -> np.ndarray:
    """Put pixels into a window of another size.

    Args:
        image_HWC: The pixels.
        before: Rows above and columns left of them.
        shape: Height and width of the window.
        fill: (3,), the value of the others.
    """
    if image_HWC.shape[:2] == shape:
        return image_HWC
    window_HWC = np.empty((*shape, 3), image_HWC.dtype)
    window_HWC[:] = fill_value(fill, image_HWC.dtype)
    height, width = image_HWC.shape[:2]
    window_HWC[before[0] : before[0] + height, before[1] : before[1] + width] = image_HWC
    return window_HWC


def fill_value(fill: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return the value of pixels without data in the type of the image."""
    return (np.rint(fill) if np.issubdtype(dtype, np.integer) else fill).astype(dtype)


def window_logits(predictor: Predictor, images_NHWC: np.ndarray) -> Tensor:
    """Compute the logits of windows, (N, C, H, W), padded for a network that takes one size only."""
    height, width = images_NHWC.shape[1:3]
    if not predictor.window.is_fixed or (height, width) == predictor.window.size:
        return predictor.logits(images_NHWC)
    padded = [pad_window(image, (0, 0), predictor.window.size, predictor.fill) for image in images_NHWC]
    return predictor.logits(np.stack(padded))[:, :, :height, :width]


def blend_windows(predictor: Predictor, image_HWC: np.ndarray) -> Tensor:
    """Predict an image in windows; returns its logits (C, H, W)."""
    (height, width), overlap, _ = predictor.window
    rows = WindowAxis(image_HWC.shape[0], height, overlap[0])
    columns = WindowAxis(image_HWC.shape[1], width, overlap[1])
    blender = WindowBlender(rows, columns)
    found = torch.empty(0)
    for row in range(rows.count):
        for column in range(columns.count):
            (top, bottom), (left, right) = rows.range_of(row), columns.range_of(column)
            logits_CHW = window_logits(predictor, image_HWC[None, top:bottom, left:right])[0]
            block_CHW = blender.add(row, column, logits_CHW)
            if not found.numel():
                found = block_CHW.new_empty(len(block_CHW), *image_HWC.shape[:2])
            found[:, slice(*rows.strip(row)), slice(*columns.strip(column))] = block_CHW
    return found
