"""Layers that an exporter would write for the example's size alone, in a form that holds for images of any size.

torch's exporter turns ``int(…)`` of a length into a constant without a word, and so the bins of adaptive pooling.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.backbones.swin import ShiftWindowMSA
from mmseg.models.utils import Upsample
from torch import Tensor, nn

from mmseg_ext.features.light_head import LightHead


def average_bins(values_NCHW: Tensor, num_rows: int, num_columns: int) -> Tensor:
    """Average as ``adaptive_avg_pool2d`` does, by two matrix products, (N, C, num_rows, num_columns)."""
    rows, columns = (
        _bin_weights(length, bins, values_NCHW)
        for length, bins in zip(values_NCHW.shape[2:], (num_rows, num_columns), strict=True)
    )
    return rows @ values_NCHW @ columns.t()


def _bin_weights(length: int, bins: int, like: Tensor) -> Tensor:
    """Compute the weight of each pixel in each bin, (bins, length); bins may overlap by a pixel."""
    pixels = torch.arange(length, device=like.device)
    first = torch.arange(bins, device=like.device)[:, None] * length // bins
    last = (torch.arange(1, bins + 1, device=like.device)[:, None] * length + bins - 1) // bins
    inside = ((pixels >= first) & (pixels < last)).to(like.dtype)
    return inside / inside.sum(1, keepdim=True)


def _upsample(module: Upsample, x: Tensor) -> Tensor:
    size = [length * int(module.scale_factor) for length in x.shape[2:]]
    return F.interpolate(x, size, mode=module.mode, align_corners=module.align_corners)


def _join_windows(module: ShiftWindowMSA, windows: Tensor, height: int, width: int) -> Tensor:
    """Put the windows of Swin's attention together, (N, height, width, C)."""
    side = module.window_size
    rows_columns = windows.view(-1, height // side, width // side, side, side, windows.shape[-1])
    return rows_columns.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])


def _forms_of(module: nn.Module) -> dict[str, Callable[..., Any]]:
    """Return the methods of a layer to replace, by name."""
    if isinstance(module, Upsample) and not module.size and float(module.scale_factor).is_integer():
        return {"forward": partial(_upsample, module)}
    if isinstance(module, nn.AdaptiveAvgPool2d):
        size = module.output_size
        rows, columns = size if isinstance(size, tuple) else (size, size)
        if rows is not None and columns is not None:
            return {"forward": partial(average_bins, num_rows=rows, num_columns=columns)}
    if isinstance(module, ShiftWindowMSA):
        return {"window_reverse": partial(_join_windows, module)}
    if isinstance(module, LightHead):
        return {"forward": module.compute_logits}  # whether it is fitted is no part of a graph
    return {}


@contextmanager
def exportable_layers(network: nn.Module) -> Iterator[None]:
    """Give the layers of a network their exportable form in this block; what they compute stays the same."""
    with ExitStack() as undo:
        for module in network.modules():
            for name, form in _forms_of(module).items():
                setattr(module, name, form)
                undo.callback(delattr, module, name)
        yield
