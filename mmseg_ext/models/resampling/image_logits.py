"""Logits of a batch at the resolution of its images, interpolated block by block from the head's smaller logits.

Shape suffixes: N batch, C channels, h and w height and width of a head's logits, R rows and T columns of a block, k and
l rows and columns of the logits that a block is interpolated from.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mmseg_ext.models.resampling.interpolation import axis_taps, tap_matrix
from mmseg_ext.models.resampling.label_blocks import split_axis


class ResultPart(NamedTuple):
    """A range of pixels along one axis of a result, and how they are computed.

    A result is the image without padding, flipped back and resized to the original size.

    Attributes:
        start: First pixel of the result.
        stop: The pixel after the last.
        first: First source pixel in the padded image.
        last: The source pixel after the last.
        flipped: Whether the order of the source pixels is reversed.
        weights: Interpolation weights from the source pixels, after the flip, to the result, (last − first, stop −
            start); None if no interpolation is needed.
        taken: For whole images only: source pixels in the head's logits.
        taken_weights: For whole images only: interpolation weights from the logits to the result in one step, flip
            included; None if no interpolation is needed, then `flipped` still applies.
    """

    start: int
    stop: int
    first: int
    last: int
    flipped: bool
    weights: Tensor | None
    taken: slice | None = None
    taken_weights: Tensor | None = None


def interpolate_block(taken_kCl: Tensor, row_weights_kR: Tensor | None, column_weights_lT: Tensor | None) -> Tensor:
    """Interpolate a block along both axes.

    Args:
        taken_kCl: Logits to interpolate from, float32 or float64.
        row_weights_kR: From ``tap_matrix``; None for no interpolation along the rows.
        column_weights_lT: Likewise, for the columns.

    Returns:
        (R, C, T).
    """
    num_classes = taken_kCl.shape[1]
    if column_weights_lT is not None:
        taken_kCl = (taken_kCl.flatten(0, 1) @ column_weights_lT).view(len(taken_kCl), num_classes, -1)
    if row_weights_kR is not None:
        taken_kCl = (row_weights_kR.t() @ taken_kCl.flatten(1)).view(row_weights_kR.shape[1], num_classes, -1)
    return taken_kCl


class _WindowAxis:
    """One axis of a grid of windows of equal size."""

    def __init__(self, starts: Sequence[int], window_size: int, input_size: int, align_corners: bool) -> None:
        self.starts, self.window_size, self.input_size = starts, window_size, input_size
        self._taps = axis_taps(input_size, window_size, align_corners, torch.float32, torch.device("cpu"))

    def overlap(self, index: int, start: int, stop: int) -> tuple[int, int] | None:
        """Return the pixels of [start, stop) that lie in a window, None if there are none."""
        origin = self.starts[index]
        low, high = max(start, origin), min(stop, origin + self.window_size)
        return (low, high) if low < high else None

    def taps(self, index: int, start: int, stop: int) -> tuple[slice, Tensor | None]:
        """Return the logits of a window that some pixels are interpolated from, and the weights, None for no change."""
        start, stop = start - self.starts[index], stop - self.starts[index]
        if self.input_size == self.window_size:
            return slice(start, stop), None
        first, weights = tap_matrix(*self._taps, self.input_size, start, stop)
        return slice(first, first + len(weights)), weights

    def counts(self, start: int, stop: int) -> Tensor:
        """Count the windows that each pixel of [start, stop) lies in."""
        pixels = torch.arange(start, stop)
        inside = [(pixels >= origin) & (pixels < origin + self.window_size) for origin in self.starts]
        return torch.stack(inside).sum(0)


class ImageLogits:
    """Logits at the size of the padded images: those of sliding windows, enlarged, and averaged where windows overlap.

    A whole image is one window. A row of windows is computed by the first call of :meth:`prepare` that needs it, and
    freed by the first call for image rows below it. So the image has to be processed from top to bottom. Logits must be
    finite.

    Args:
        shape: Height and width of the images.
        window_shape: Height and width of a window.
        tops: First rows of the windows, ascending.
        lefts: First columns of the windows, ascending.
        compute: Returns the logits (N, C, h, w) of a window, given its top and left; h and w are equal for all windows.
        align_corners: As in ``torch.nn.functional.interpolate``.
    """

    is_linear = True
    """Whether values are interpolated logits; then both interpolations of a whole image are done in one."""

    def __init__(
        self,
        shape: tuple[int, int],
        window_shape: tuple[int, int],
        tops: Sequence[int],
        lefts: Sequence[int],
        compute: Callable[[int, int], Tensor],
        align_corners: bool,
    ) -> None:
        self.shape, self.window_shape = shape, window_shape
        self.align_corners = align_corners
        self._tops, self._lefts, self._compute = tops, lefts, compute
        self._held = {0: [compute(tops[0], left) for left in lefts]}
        self._describe(self._held[0][0])
        self._is_whole = self.is_linear and len(tops) == len(lefts) == 1
        self._rows = _WindowAxis(tops, window_shape[0], self.input_shape[0], align_corners)
        self._columns = _WindowAxis(lefts, window_shape[1], self.input_shape[1], align_corners)

    def _describe(self, window: Tensor) -> None:
        """Read shapes and types from what was computed for a window."""
        self.num_images, self.num_channels, height, width = window.shape
        self.block_channels = self.num_channels
        self.input_shape = (height, width)
        self.device, self.dtype = window.device, window.dtype
        self.value_dtype = torch.promote_types(window.dtype, torch.float32)

    @property
    def step_width(self) -> int:
        """Number of columns that a block is interpolated from."""
        return self.input_shape[1] if self._is_whole else self.shape[1]

    @classmethod
    def of_whole(cls, logits_NChw: Tensor, shape: tuple[int, int], align_corners: bool) -> "ImageLogits":
        """Wrap the logits of whole images; `shape` is the size of the padded images."""
        return cls(shape, shape, [0], [0], lambda top, left: logits_NChw, align_corners)

    def prepare(self, first_row: int, last_row: int) -> None:
        """Compute the windows that rows [first_row, last_row) need, and free those above."""
        for index, top in enumerate(self._tops):
            if self._rows.overlap(index, first_row, last_row):
                if index not in self._held:
                    self._held[index] = [self._compute(top, left) for left in self._lefts]
            elif top < first_row:
                self._held.pop(index, None)

    def split(self, axis: int, inside: tuple[int, int], flipped: bool, size: int, max_size: int) -> list[ResultPart]:
        """Split an axis of a result into parts.

        Args:
            axis: 0 for rows, 1 for columns.
            inside: First pixel of the image without padding, and the pixel after its last.
            flipped: Whether the image is flipped along this axis.
            size: Pixels of the result.
            max_size: Maximum number of pixels of a part.

        Returns:
            The parts, from the result's first pixel to its last.
        """
        origin, end = inside
        length = end - origin
        blocks: list[tuple[int, int, int, int, Tensor | None]] = []
        if length == size:
            steps = [(start, min(start + max_size, size)) for start in range(0, size, max_size)]
            blocks += [(*step, *step, None) for step in steps]
        else:
            cpu = torch.device("cpu")
            blocks += split_axis(length, size, max_size, self.align_corners, self.value_dtype, cpu)
        parts = []
        for start, stop, low, high, weights in blocks:
            first, last = (end - high, end - low) if flipped else (origin + low, origin + high)
            parts.append(self._prepare_part(axis, ResultPart(start, stop, first, last, flipped, weights)))
        return parts

    def _prepare_part(self, axis: int, part: ResultPart) -> ResultPart:
        """For whole images, combine both interpolations into one; move the weights to the device of the logits."""
        weights = part.weights
        if self._is_whole:
            taken, taken_weights = (self._rows, self._columns)[axis].taps(0, part.first, part.last)
            if taken_weights is not None and part.flipped:
                taken_weights = taken_weights.flip(1)
            if taken_weights is None and weights is not None:
                taken_weights = weights.flip(0) if part.flipped else weights
            elif taken_weights is not None and weights is not None:
                taken_weights = taken_weights.double() @ weights.double()
            return part._replace(weights=None, taken=taken, taken_weights=self._to_device(taken_weights))
        return part._replace(weights=self._to_device(weights))

    def _to_device(self, weights: Tensor | None) -> Tensor | None:
        return None if weights is None else weights.to(self.device, self.value_dtype)

    def values(self, image: int, rows: ResultPart, columns: ResultPart) -> Tensor:
        """Compute a block of a result, (R, C, T), at least float32; call :meth:`prepare` for its rows first."""
        if self._is_whole:
            taken_kCl = self._take(self._held[0][0], image, rows.taken, columns.taken)
            flips = (rows.flipped and rows.taken_weights is None, columns.flipped and columns.taken_weights is None)
            return interpolate_block(_flip(taken_kCl, *flips), rows.taken_weights, columns.taken_weights)
        values_RCT = self._average_windows(image, (rows.first, rows.last), (columns.first, columns.last))
        return interpolate_block(_flip(values_RCT, rows.flipped, columns.flipped), rows.weights, columns.weights)

    def _take(self, logits_NChw: Tensor, image: int, rows: slice | None, columns: slice | None) -> Tensor:
        return logits_NChw[image, :, rows, columns].to(self.value_dtype).movedim(1, 0)

    def _enlarge(
        self,
        window: Tensor,
        image: int,
        rows: tuple[slice, Tensor | None],
        columns: tuple[slice, Tensor | None],
    ) -> Tensor:
        """Compute a block of a window at the size of the images, given the logits to take and their weights."""
        taken_kCl = self._take(window, image, rows[0], columns[0])
        return interpolate_block(taken_kCl, self._to_device(rows[1]), self._to_device(columns[1]))

    def _average_windows(self, image: int, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
        """Enlarge the logits of all windows that overlap some rows and columns of the image, and average them."""
        (top, bottom), (left, right) = rows, columns
        shape = (bottom - top, self.num_channels, right - left)
        total_RCT = torch.zeros(shape, dtype=self.value_dtype, device=self.device)
        for i, windows in self._held.items():
            inside_rows = self._rows.overlap(i, top, bottom)
            if inside_rows is None:
                continue
            taken_rows = self._rows.taps(i, *inside_rows)
            y1, y2 = inside_rows
            for j, window in enumerate(windows):
                inside_columns = self._columns.overlap(j, left, right)
                if inside_columns is None:
                    continue
                taken_columns = self._columns.taps(j, *inside_columns)
                x1, x2 = inside_columns
                total_RCT[y1 - top : y2 - top, :, x1 - left : x2 - left] += self._enlarge(
                    window, image, taken_rows, taken_columns
                )
        counts_R = self._rows.counts(top, bottom).to(total_RCT)
        counts_T = self._columns.counts(left, right).to(total_RCT)
        return total_RCT.div_(counts_R[:, None, None] * counts_T)


def _flip(values_RCT: Tensor, rows: bool, columns: bool) -> Tensor:
    axes = [axis for axis, flipped in ((0, rows), (2, columns)) if flipped]
    return values_RCT.flip(axes) if axes else values_RCT
