"""Cross-entropy of interpolated logits and its gradient, block by block, each block small enough for the CPU's cache.

For each block, the logits are interpolated to the resolution of the labels, first along the width, then along the
height. Exponentials, their sum over the classes and the gradient are computed in place. The gradient is scattered back
to the logits by the transposed interpolation.

Exponentials are computed as powers of two of logits that were scaled by log₂ e before interpolation: on a CPU, torch's
exp2 is much faster than its exp. To prevent overflow, the maximum over the classes is subtracted from the logits before
interpolation. Interpolated values are then at most 0. Only where all classes of a pixel are far below 0 is the maximum
subtracted again, pixel by pixel.

Shape suffixes: N batch, C classes, h and w height and width of the logits, H and W of the labels, R rows and T columns
of a block, k and l rows and columns of the logits that a block is interpolated from.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmseg_ext.models.precision import full_precision_matmul
from mmseg_ext.models.resampling.interpolation import axis_taps, tap_matrix


class BlockLimits(NamedTuple):
    """How large a block may be.

    Attributes:
        values: Pixels × classes.
        columns: Pixels along the width.
        taken_rows: Rows of the logits that it is interpolated from.
        taken_columns: Columns of the logits likewise.
    """

    values: int
    columns: int
    taken_rows: int
    taken_columns: int


LIMITS = {"cpu": BlockLimits(values=600_000, columns=260, taken_rows=8, taken_columns=65)}
"""By device type. On a CPU: 2.4 MB of float32, columns enough for vectorised maxima over the classes, and small
matrices of the interpolation."""
LIMITS_ELSEWHERE = BlockLimits(values=2**25, columns=1024, taken_rows=64, taken_columns=256)
"""On a GPU products of matrices cost little, and starting the operations of a block costs most."""


def limits_of(device: torch.device) -> BlockLimits:
    """Look up the limits of a device."""
    return LIMITS.get(device.type, LIMITS_ELSEWHERE)


_LOWEST_SHIFT = -60.0  # as an exponent of 2: far from float32's smallest number, 2^-126


class AxisBlock(NamedTuple):
    """A range of pixels along one axis, and the interpolation that computes it.

    Attributes:
        start: First pixel of the enlarged map.
        stop: The pixel after the last.
        first: First source pixel in the small map.
        last: The source pixel after the last.
        weights: Interpolation weights (last − first, stop − start).
    """

    start: int
    stop: int
    first: int
    last: int
    weights: Tensor


def split_axis(
    input_size: int, size: int, max_size: int, align_corners: bool, dtype: torch.dtype, device: torch.device
) -> list[AxisBlock]:
    """Split an axis into blocks of about equal size, if possible where the source pixels change.

    Args:
        input_size: Pixels of the small map.
        size: Pixels of the enlarged map.
        max_size: Maximum number of pixels of a block.
        align_corners: As in ``torch.nn.functional.interpolate``.
        dtype: Floating-point type of the weights.
        device: Device of the weights.
    """
    lower, upper_weight = axis_taps(
        input_size, size, align_corners, dtype, torch.device("cpu")
    )  # read one by one below
    changes = [0, *((lower[1:] != lower[:-1]).nonzero().squeeze(1) + 1).tolist(), size]
    aim = math.ceil(size / math.ceil(size / max(max_size, 1)))
    blocks = []
    start = 0
    while start < size:
        fitting = [change for change in changes if start < change <= start + max_size]
        if fitting:
            _, stop = min((abs(change - start - aim), change) for change in fitting)
        else:  # one source pixel covers more than `max_size` pixels: split them evenly
            length = next(change for change in changes if change > start) - start
            stop = start + math.ceil(length / math.ceil(length / max(max_size, 1)))
        first, weights = tap_matrix(lower, upper_weight, input_size, start, stop)
        blocks.append(AxisBlock(start, stop, first, first + len(weights), weights.to(device)))
        start = stop
    return blocks


class _BlocksCrossEntropy(torch.autograd.Function):
    """Returns the loss; its backward pass scales the gradient that was computed with it."""

    @staticmethod
    def forward(ctx: Any, logits_NChw: Tensor, loss: Tensor, gradient_NChw: Tensor) -> Tensor:
        ctx.save_for_backward(gradient_NChw)
        ctx.dtype = logits_NChw.dtype
        return loss.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (gradient_NChw,) = ctx.saved_tensors
        # Scaled before it is rounded to half precision: a loss scaler's factor keeps it from vanishing.
        return (gradient_NChw * gradient).to(ctx.dtype), None, None


def blocks_cross_entropy(
    logits_NChw: Tensor,
    labels_NHW: Tensor,
    labelled_NHW: Tensor,
    align_corners: bool,
    class_weight_C: Tensor | None,
    weight_NHW: Tensor | None,
    denominator: float | None,
) -> tuple[Tensor, Tensor]:
    """Compute ``label_resolution_cross_entropy`` block by block.

    Returns:
        The loss and the number of correct pixels (int64).
    """
    differentiable = logits_NChw.requires_grad and torch.is_grad_enabled()
    dtype = torch.promote_types(logits_NChw.dtype, torch.float32)
    device = logits_NChw.device
    _, num_classes, h, w = logits_NChw.shape
    _, height, width = labels_NHW.shape
    limits = limits_of(device)
    max_rows = limits.values // (num_classes * min(limits.columns, width))
    max_rows = min(max_rows, math.ceil(limits.taken_rows * height / h))
    max_columns = min(limits.columns, math.ceil(limits.taken_columns * width / w))
    with torch.no_grad(), full_precision_matmul():
        weigher = _PixelWeights(labels_NHW, labelled_NHW, class_weight_C, weight_NHW, denominator, dtype)
        gradient_NChw = logits_NChw.new_zeros(logits_NChw.shape, dtype=dtype) if differentiable else None
        row_blocks = split_axis(h, height, max_rows, align_corners, dtype, device)
        column_blocks = split_axis(w, width, max_columns, align_corners, dtype, device)
        losses = [logits_NChw.new_zeros((), dtype=dtype)]
        num_correct = torch.zeros((), dtype=torch.long, device=device)
        for n, logits_Chw in enumerate(logits_NChw):
            exponents_hCw = logits_Chw.to(dtype).movedim(1, 0).clone(memory_format=torch.contiguous_format)
            exponents_hCw -= exponents_hCw.amax(1, keepdim=True)
            exponents_hCw *= math.log2(math.e)
            for rows in row_blocks:
                for columns in column_blocks:
                    place = (n, slice(rows.start, rows.stop), slice(columns.start, columns.stop))
                    # On a GPU this check costs more than the computation.
                    if device.type == "cpu" and not labelled_NHW[place].any():
                        continue
                    values_RCT = _interpolate_block(exponents_hCw, rows, columns)
                    labels_R1T, labelled_R1T, weights_R1T = weigher.of(place)
                    loss, correct = _finish_block(values_RCT, labels_R1T, labelled_R1T, weights_R1T, differentiable)
                    losses.append(loss)
                    num_correct += correct
                    if gradient_NChw is not None:
                        _scatter_gradient(gradient_NChw[n], values_RCT, rows, columns)
    total = torch.stack(losses).sum()
    if gradient_NChw is not None:
        total = _BlocksCrossEntropy.apply(logits_NChw, total, gradient_NChw)
    return total, num_correct


def _interpolate_block(exponents_hCw: Tensor, rows: AxisBlock, columns: AxisBlock) -> Tensor:
    """Interpolate a block: (h, C, w) to (R, C, T)."""
    num_classes = exponents_hCw.shape[1]
    taken_kCl = exponents_hCw[rows.first : rows.last, :, columns.first : columns.last]
    wide_kCT = (taken_kCl.flatten(0, 1) @ columns.weights).view(len(taken_kCl), -1)
    return (rows.weights.t() @ wide_kCT).view(rows.stop - rows.start, num_classes, -1)


def _scatter_gradient(gradient_Chw: Tensor, gradient_RCT: Tensor, rows: AxisBlock, columns: AxisBlock) -> None:
    """Add the gradient of a block to the gradient of the logits: the transpose of `_interpolate_block`."""
    num_classes = gradient_RCT.shape[1]
    wide_kCT = rows.weights @ gradient_RCT.flatten(1)
    gradient_lkC = columns.weights @ wide_kCT.view(len(wide_kCT) * num_classes, -1).t()
    target_Ckl = gradient_Chw[:, rows.first : rows.last, columns.first : columns.last]
    target_Ckl += gradient_lkC.view(-1, len(wide_kCT), num_classes).permute(2, 1, 0)


class _PixelWeights:
    """Weight of each pixel in the averaged cross-entropy, 0 where there is no label."""

    def __init__(
        self,
        labels_NHW: Tensor,
        labelled_NHW: Tensor,
        class_weight_C: Tensor | None,
        weight_NHW: Tensor | None,
        denominator: float | None,
        dtype: torch.dtype,
    ) -> None:
        self.labels_NHW, self.labelled_NHW, self.weight_NHW, self.dtype = labels_NHW, labelled_NHW, weight_NHW, dtype
        self.class_weight_C = None if class_weight_C is None else class_weight_C.to(dtype)
        self.scale = labelled_NHW.new_ones((), dtype=dtype)
        if denominator is None:
            total = torch.stack([self.of((n,))[2].sum() for n in range(len(labels_NHW))]).sum()
        else:
            total = self.scale * denominator
        self.scale = torch.where(total > 0, 1 / total, 1)

    def of(self, place: tuple) -> tuple[Tensor, Tensor, Tensor]:
        """Return labels (int64, 0 without a label), the mask of labelled pixels, and weights, each (R, 1, T)."""
        labelled = self.labelled_NHW[place]
        labels = torch.where(labelled, self.labels_NHW[place], 0).long()
        weights = labelled.to(self.dtype) * self.scale
        if self.class_weight_C is not None:
            weights *= self.class_weight_C[labels]
        if self.weight_NHW is not None:
            weights *= torch.where(labelled, self.weight_NHW[place], 0)
        return labels.unsqueeze(1), labelled.unsqueeze(1), weights.unsqueeze(1)


def _finish_block(
    values_RCT: Tensor, labels_R1T: Tensor, labelled_R1T: Tensor, weights_R1T: Tensor, with_gradient: bool
) -> tuple[Tensor, Tensor]:
    """Replace exponents of 2 by the gradient, in place; return the weighted loss and the number of correct pixels."""
    own_R1T = values_RCT.gather(1, labels_R1T)
    values_RCT.scatter_(1, labels_R1T, -torch.inf)
    highest_R1T = values_RCT.amax(1, keepdim=True)
    num_correct = ((own_R1T > highest_R1T) & labelled_R1T).sum()
    values_RCT.scatter_(1, labels_R1T, own_R1T)
    highest_R1T = torch.maximum(highest_R1T, own_R1T)
    if values_RCT.device.type != "cpu" or not bool(highest_R1T.min() > _LOWEST_SHIFT):
        values_RCT -= highest_R1T
        own_R1T = own_R1T - highest_R1T
    values_RCT.exp2_()
    sums_R1T = values_RCT.sum(1, keepdim=True)
    loss = ((sums_R1T.log2() - own_R1T) * weights_R1T).sum() * math.log(2)
    if with_gradient:
        values_RCT.scatter_(1, labels_R1T, own_R1T.exp2() - sums_R1T)
        values_RCT *= weights_R1T / sums_R1T
    return loss, num_correct
