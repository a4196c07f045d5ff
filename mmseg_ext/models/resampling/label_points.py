"""Cross-entropy of interpolated logits at single labelled pixels, and its gradient.

Shape suffixes: N batch, C classes, h and w height and width of the logits, H and W of the labels, P labelled pixels.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmseg_ext.models.resampling.interpolation import taps_of_pixels

POINTS_AT_ONCE = 4096  # limits the memory to 12 MB with 150 classes


class PointGradients(NamedTuple):
    """The gradient at every point, and the source pixels that it is scattered to.

    Attributes:
        gradients_PC: Gradient with respect to the interpolated logits of each point.
        cells_4P: Flat indices of the source pixels in (N, h, w), int64.
        taps_4P: Interpolation weights of the source pixels.
    """

    gradients_PC: Tensor
    cells_4P: Tensor
    taps_4P: Tensor


class _PointsCrossEntropy(torch.autograd.Function):
    """Returns the loss; its backward pass scatters the gradient at the points to the logits."""

    @staticmethod
    def forward(ctx: Any, logits_NChw: Tensor, loss: Tensor, *gradients: Tensor) -> Tensor:
        ctx.save_for_backward(*gradients)
        ctx.shape, ctx.dtype = logits_NChw.shape, logits_NChw.dtype
        return loss.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        gradients_PC, cells_4P, taps_4P = ctx.saved_tensors
        num_images, num_classes, h, w = ctx.shape
        # One row of classes per pixel, so that each addition is contiguous in memory.
        gradient_XC = gradients_PC.new_zeros(num_images * h * w, num_classes)
        for part in range(0, len(gradients_PC), POINTS_AT_ONCE):
            chosen = slice(part, part + POINTS_AT_ONCE)
            # Scaled before it is rounded to half precision: a loss scaler's factor keeps it from vanishing.
            scaled_4PC = gradients_PC[chosen] * (taps_4P[:, chosen] * gradient)[..., None]
            gradient_XC.index_add_(0, cells_4P[:, chosen].flatten(), scaled_4PC.flatten(0, 1))
        gradient_NChw = gradient_XC.to(ctx.dtype).view(num_images, h, w, num_classes).permute(0, 3, 1, 2)
        return gradient_NChw, None, None, None, None


def points_cross_entropy(
    logits_NChw: Tensor,
    labels_NHW: Tensor,
    labelled_NHW: Tensor,
    align_corners: bool,
    class_weight_C: Tensor | None,
    weight_NHW: Tensor | None,
    denominator: float | None,
) -> tuple[Tensor, Tensor]:
    """Compute ``label_resolution_cross_entropy`` pixel by pixel.

    Returns:
        The loss and the number of correct pixels (int64).
    """
    differentiable = logits_NChw.requires_grad and torch.is_grad_enabled()
    with torch.no_grad():
        loss, num_correct, gradients = _compute(
            logits_NChw,
            labels_NHW,
            labelled_NHW.flatten().nonzero().squeeze(1),
            align_corners,
            class_weight_C,
            weight_NHW,
            denominator,
            differentiable,
        )
    if gradients is not None:
        loss = _PointsCrossEntropy.apply(logits_NChw, loss, *gradients)
    return loss, num_correct


def _compute(
    logits_NChw: Tensor,
    labels_NHW: Tensor,
    positions_P: Tensor,
    align_corners: bool,
    class_weight_C: Tensor | None,
    weight_NHW: Tensor | None,
    denominator: float | None,
    with_gradients: bool,
) -> tuple[Tensor, Tensor, PointGradients | None]:
    dtype = torch.promote_types(logits_NChw.dtype, torch.float32)
    h, w = logits_NChw.shape[2:]
    labels_P = labels_NHW.flatten()[positions_P].long()
    weights_P = torch.ones_like(positions_P, dtype=dtype)
    if class_weight_C is not None:
        weights_P = class_weight_C.to(dtype)[labels_P]
    if weight_NHW is not None:
        weights_P = weights_P * weight_NHW.flatten()[positions_P].to(dtype)
    total = weights_P.sum() if denominator is None else weights_P.new_tensor(denominator)
    weights_P = weights_P / torch.where(total > 0, total, torch.ones_like(total))

    image_4P, rows_4P, columns_4P, taps_4P = taps_of_pixels(
        positions_P, (h, w), (labels_NHW.shape[1], labels_NHW.shape[2]), align_corners, dtype
    )
    loss = logits_NChw.new_zeros((), dtype=dtype)
    num_correct = torch.zeros((), dtype=torch.long, device=loss.device)
    gradients = [logits_NChw.new_empty((0, logits_NChw.shape[1]), dtype=dtype)]
    for part in range(0, len(positions_P), POINTS_AT_ONCE):
        chosen = slice(part, part + POINTS_AT_ONCE)
        gathered_4PC = logits_NChw[image_4P[:, chosen], :, rows_4P[:, chosen], columns_4P[:, chosen]].to(dtype)
        logits_PC = (gathered_4PC * taps_4P[:, chosen, None]).sum(0)
        index_P1 = labels_P[chosen, None]
        own_P1 = logits_PC.gather(1, index_P1)
        others_PC = logits_PC.scatter(1, index_P1, -torch.inf)
        num_correct += (own_P1 > others_PC.amax(1, keepdim=True)).sum()
        log_PC = logits_PC.log_softmax(1)
        loss -= (log_PC.gather(1, index_P1).squeeze(1) * weights_P[chosen]).sum()
        if with_gradients:
            gradients_PC = log_PC.exp_().scatter_add_(1, index_P1, -torch.ones_like(own_P1))
            gradients.append(gradients_PC.mul_(weights_P[chosen, None]))
    if not with_gradients:
        return loss, num_correct, None
    return loss, num_correct, PointGradients(torch.cat(gradients), (image_4P * h + rows_4P) * w + columns_4P, taps_4P)
