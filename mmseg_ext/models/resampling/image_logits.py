"""The logits of a batch at the size of its images, made block by block from the smaller ones that a head returns.

Shape suffixes: N batch, C channels, h and w height and width of a head's logits, R rows and T columns of a block, k and
l rows and columns of the logits that it takes.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mmseg_ext.models.resampling.interpolation import axis_taps, tap_matrix
from mmseg_ext.models.resampling.label_blocks import split_axis


class ResultPart(NamedTuple):
    """Some neighbouring pixels of an axis of a result, and what they are made of.

    Attributes:
        start: First pixel of the result.
        stop: The pixel after the last.
        first: First pixel of the (padded) image that counts.
        last: The pixel after the last one.
        flipped: Whether these are to be turned round.
        weights: Then they are mixed by these, (last − first, stop − start); None leaves them.
        taken: Pixels of the logits that the part is made of in one step, for whole images.
        taken_weights: Their weights; None takes them as they are, turned round where `flipped`.
    """

    start: int
    stop: int
    first: int
    last: int
    flipped: bool
    weights: Tensor | None
    taken: slice | None = None
    taken_weights: Tensor | None = None


def stretch(taken_kCl: Tensor, row_weights_kR: Tensor | None, column_weights_lT: Tensor | None) -> Tensor:
    """Interpolate a block along both axes.

    Args:
        taken_kCl: What the block is made of, float32 or float64.
        row_weights_kR: From ``tap_matrix``; None leaves the rows as they are.
        column_weights_lT: As for the rows.

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
        """Return which logits of a window some pixels are made of, and how: None if they are these pixels."""
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
    """Logits at the size of the (padded) images: those of a grid of windows, enlarged, and averaged where they overlap.

    A whole image is a grid of one window. Rows of windows are computed when they are first needed and forgotten when
    everything below them is asked for, so go through the image from top to bottom. Logits must be finite.

    Args:
        shape: Height and width of the images.
        window_shape: Height and width of a window.
        tops: First rows of the windows, ascending.
        lefts: First columns of the windows, ascending.
        compute: Takes top and left of a window; returns its logits (N, C, h, w), the same h and w for each.
        align_corners: As in ``torch.nn.functional.interpolate``.
    """

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
        first = self._held[0][0]
        self.num_images, self.num_channels, height, width = first.shape
        self.input_shape = (height, width)
        self.device, self.dtype = first.device, first.dtype
        self.value_dtype = torch.promote_types(first.dtype, torch.float32)
        self._is_whole = len(tops) == len(lefts) == 1
        self._rows = _WindowAxis(tops, window_shape[0], height, align_corners)
        self._columns = _WindowAxis(lefts, window_shape[1], width, align_corners)

    @property
    def step_width(self) -> int:
        """Columns that a result is resized from."""
        return self.input_shape[1] if self._is_whole else self.shape[1]

    @classmethod
    def of_whole(cls, logits_NChw: Tensor, shape: tuple[int, int], align_corners: bool) -> "ImageLogits":
        """Take the logits of whole images, to be enlarged to a shape."""
        return cls(shape, shape, [0], [0], lambda top, left: logits_NChw, align_corners)

    def prepare(self, first_row: int, last_row: int) -> None:
        """Compute what rows [first_row, last_row) need, and forget what lies above. No other step runs a network."""
        for index, top in enumerate(self._tops):
            if self._rows.overlap(index, first_row, last_row):
                if index not in self._held:
                    self._held[index] = [self._compute(top, left) for left in self._lefts]
            elif top < first_row:
                self._held.pop(index, None)

    def split(self, axis: int, inside: tuple[int, int], flipped: bool, size: int, max_size: int) -> list[ResultPart]:
        """Split an axis of a result, which is some pixels of the image resized.

        Args:
            axis: 0 for rows, 1 for columns.
            inside: First pixel of the image that belongs to the result, and the pixel after the last.
            flipped: Whether these are turned round before they are resized.
            size: Pixels of the result.
            max_size: Pixels of a part at most.

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
        """Merge both resizings into one for whole images, and bring the weights to the logits."""
        weights = part.weights
        if self._is_whole:
            taken, taken_weights = (self._rows, self._columns)[axis].taps(0, part.first, part.last)
            if taken_weights is not None and part.flipped:
                taken_weights = taken_weights.flip(1)
            if taken_weights is None and weights is not None:
                taken_weights = weights.flip(0) if part.flipped else weights
            elif taken_weights is not None and weights is not None:
                taken_weights = taken_weights.double() @ weights.double()
            return part._replace(weights=None, taken=taken, taken_weights=self._bring(taken_weights))
        return part._replace(weights=self._bring(weights))

    def _bring(self, weights: Tensor | None) -> Tensor | None:
        return None if weights is None else weights.to(self.device, self.value_dtype)

    def values(self, image: int, rows: ResultPart, columns: ResultPart) -> Tensor:
        """Return a block of a result whose rows are prepared, (R, C, T), float32 at least."""
        if self._is_whole:
            taken_kCl = self._take(self._held[0][0], image, rows.taken, columns.taken)
            turned = (rows.flipped and rows.taken_weights is None, columns.flipped and columns.taken_weights is None)
            return stretch(_turn(taken_kCl, *turned), rows.taken_weights, columns.taken_weights)
        values_RCT = self._average_windows(image, (rows.first, rows.last), (columns.first, columns.last))
        return stretch(_turn(values_RCT, rows.flipped, columns.flipped), rows.weights, columns.weights)

    def _take(self, logits_NChw: Tensor, image: int, rows: slice | None, columns: slice | None) -> Tensor:
        return logits_NChw[image, :, rows, columns].to(self.value_dtype).movedim(1, 0)

    def _average_windows(self, image: int, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
        """Enlarge the logits of the windows that some rows and columns of the image lie in, and average them."""
        (top, bottom), (left, right) = rows, columns
        shape = (bottom - top, self.num_channels, right - left)
        total_RCT = torch.zeros(shape, dtype=self.value_dtype, device=self.device)
        for i, windows in self._held.items():
            inside_rows = self._rows.overlap(i, top, bottom)
            if inside_rows is None:
                continue
            taken_rows, row_weights = self._rows.taps(i, *inside_rows)
            y1, y2 = inside_rows
            for j, logits_NChw in enumerate(windows):
                inside_columns = self._columns.overlap(j, left, right)
                if inside_columns is None:
                    continue
                taken_columns, column_weights = self._columns.taps(j, *inside_columns)
                taken_kCl = self._take(logits_NChw, image, taken_rows, taken_columns)
                x1, x2 = inside_columns
                total_RCT[y1 - top : y2 - top, :, x1 - left : x2 - left] += stretch(
                    taken_kCl, self._bring(row_weights), self._bring(column_weights)
                )
        counts_R = self._rows.counts(top, bottom).to(total_RCT)
        counts_T = self._columns.counts(left, right).to(total_RCT)
        return total_RCT.div_(counts_R[:, None, None] * counts_T)


def _turn(values_RCT: Tensor, rows: bool, columns: bool) -> Tensor:
    axes = [axis for axis, turned in ((0, rows), (2, columns)) if turned]
    return values_RCT.flip(axes) if axes else values_RCT
