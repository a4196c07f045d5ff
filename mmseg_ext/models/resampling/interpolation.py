"""Weights of bilinear interpolation, and interpolation at single pixels.

Shape suffixes: N batch, C classes, h and w height and width of the logits, H and W of the labels, P pixels.
"""

import torch
from torch import Tensor


def axis_taps(
    input_size: int, output_size: int, align_corners: bool, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Compute the source pixels and weights of linear interpolation along one axis.

    The arithmetic is that of ``torch.nn.functional.interpolate(mode='bilinear', size=…)``, in the same precision.

    Args:
        input_size: Pixels of the small map.
        output_size: Pixels of the enlarged map.
        align_corners: As in ``torch.nn.functional.interpolate``.
        dtype: Floating-point type to compute in.
        device: Device of the results.

    Returns:
        For each pixel of the enlarged map the index of its lower source pixel, int64, and the weight in [0, 1) of the
        upper source pixel, whose index is lower + 1. At the last pixel of the small map the upper weight has no effect.
    """
    target = torch.arange(output_size, dtype=dtype, device=device)
    if align_corners:
        # Divided as tensors: a quotient in Python's double precision would differ from torch's float32.
        last = torch.tensor(max(output_size - 1, 1), dtype=dtype, device=device)
        source = target * (torch.tensor(input_size - 1, dtype=dtype, device=device) / last)
    else:
        ratio = torch.tensor(input_size, dtype=dtype, device=device) / output_size
        source = ((target + 0.5) * ratio - 0.5).clamp_min(0)
    lower = source.long().clamp_max(input_size - 1)
    return lower, (source - lower).clamp(0, 1)


def tap_matrix(lower: Tensor, upper_weight: Tensor, input_size: int, start: int, stop: int) -> tuple[int, Tensor]:
    """Write the interpolation of a range of pixels of an axis as a matrix of weights.

    Args:
        lower: From :func:`axis_taps`.
        upper_weight: From :func:`axis_taps`.
        input_size: Pixels of the small map.
        start: First pixel of the enlarged map.
        stop: The pixel after the last.

    Returns:
        The first source pixel, and the weights (source pixels, stop − start).
    """
    lower, upper_weight = lower[start:stop], upper_weight[start:stop]
    first = int(lower[0])
    last = min(int(lower[-1]) + 1, input_size - 1)
    weights = upper_weight.new_zeros(last - first + 1, stop - start)
    upper = (lower + 1).clamp_max(input_size - 1)
    weights.scatter_add_(0, (lower - first)[None], (1 - upper_weight)[None])
    weights.scatter_add_(0, (upper - first)[None], upper_weight[None])
    return first, weights


def taps_of_pixels(
    positions_P: Tensor,
    input_shape: tuple[int, int],
    output_shape: tuple[int, int],
    align_corners: bool,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute the four source pixels and weights of bilinear interpolation for some pixels.

    Args:
        positions_P: Flat indices into (N, H, W).
        input_shape: h and w.
        output_shape: H and W.
        align_corners: As in `axis_taps`.
        dtype: Floating-point type of the weights.

    Returns:
        Image, row and column, each int64 (4, P), and the weights (4, P).
    """
    (h, w), (height, width) = input_shape, output_shape
    device = positions_P.device
    y_P = positions_P // width
    x_P = positions_P - y_P * width
    image_P = y_P // height
    y_P = y_P - image_P * height
    y_lower, y_weight = (t[y_P] for t in axis_taps(h, height, align_corners, dtype, device))
    x_lower, x_weight = (t[x_P] for t in axis_taps(w, width, align_corners, dtype, device))
    y_upper, x_upper = (y_lower + 1).clamp_max(h - 1), (x_lower + 1).clamp_max(w - 1)
    rows_4P = torch.stack([y_lower, y_lower, y_upper, y_upper])
    columns_4P = torch.stack([x_lower, x_upper, x_lower, x_upper])
    top, left = 1 - y_weight, 1 - x_weight
    weights_4P = torch.stack([top * left, top * x_weight, y_weight * left, y_weight * x_weight])
    return image_P.expand(4, -1), rows_4P, columns_4P, weights_4P


def interpolate_at(
    logits_NChw: Tensor, positions_P: Tensor, output_shape: tuple[int, int], align_corners: bool
) -> Tensor:
    """Interpolate logits bilinearly at some pixels only.

    Computed in float32 at least, half precision and autocast included.

    Args:
        logits_NChw: Floating point.
        positions_P: Flat indices into (N, H, W).
        output_shape: H and W.
        align_corners: As in ``torch.nn.functional.interpolate``.

    Returns:
        (P, C), differentiable.
    """
    dtype = torch.promote_types(logits_NChw.dtype, torch.float32)
    shape = (logits_NChw.shape[2], logits_NChw.shape[3])
    image_4P, rows_4P, columns_4P, weights_4P = taps_of_pixels(positions_P, shape, output_shape, align_corners, dtype)
    taps_4PC = logits_NChw[image_4P, :, rows_4P, columns_4P].to(dtype)
    return (taps_4PC * weights_4P[..., None]).sum(0)
