"""A Potts model with Gaussian kernels over a window; a gate excludes the padding.

Shape suffixes: N batch, C classes, h and w height and width of the logits.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmseg_ext.arguments import LossName, NonNegativeInt, PositiveFloat, PositiveInt
from mmseg_ext.models.precision import at_least_float32
from mmseg_ext.models.regularizers.regularizer import Regularizer, TrainingBatch
from mmseg_ext.registry import MODELS


def _half_window(radius: int) -> Iterator[tuple[int, int]]:
    """List the offsets (down, right) of half a window; the other half has the opposite offsets."""
    for down in range(radius + 1):
        for right in range(-radius if down else 1, radius + 1):
            yield down, right


def _pair(map_NXhw: Tensor, down: int, right: int) -> tuple[Tensor, Tensor]:
    """Return all pixels that have a neighbour at an offset, and these neighbours."""
    h, w = map_NXhw.shape[-2:]
    own = map_NXhw[..., : h - down, max(-right, 0) : w - max(right, 0)]
    partner = map_NXhw[..., down:, max(right, 0) : w + min(right, 0)]
    return own, partner


class _GatedCRF(torch.autograd.Function):
    """Sums k · (1 − p·q) over all pairs; the energy is quadratic in p, so one pass computes value and gradient."""

    @staticmethod
    def forward(
        ctx: Any, p_NChw: Tensor, colors_N3hw: Tensor, image_Nhw: Tensor, xy: float, rgb: float, radius: int
    ) -> Tensor:
        gate_N1hw = image_Nhw[:, None].to(p_NChw.dtype)
        message_NChw = torch.zeros_like(p_NChw)
        kernels = p_NChw.new_zeros(())
        h, w = p_NChw.shape[2:]
        for down, right in _half_window(radius):
            if down >= h or abs(right) >= w:
                continue
            own_color, partner_color = _pair(colors_N3hw, down, right)
            own_gate, partner_gate = _pair(gate_N1hw, down, right)
            exponent = (own_color - partner_color).square_().sum(1, keepdim=True).mul_(-0.5 / rgb**2)
            kernel = exponent.sub_(0.5 * (down**2 + right**2) / xy**2).exp_().mul_(own_gate).mul_(partner_gate)
            kernels += kernel.sum()
            own_p, partner_p = _pair(p_NChw, down, right)
            own_message, partner_message = _pair(message_NChw, down, right)
            own_message.addcmul_(kernel, partner_p)
            partner_message.addcmul_(kernel, own_p)
        pixels = image_Nhw.sum().clamp_min(1)
        ctx.save_for_backward(message_NChw, pixels)
        return (2 * kernels - (p_NChw * message_NChw).sum()) / pixels

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        message_NChw, pixels = ctx.saved_tensors
        return message_NChw * (-2 * gradient / pixels), None, None, None, None, None


def gated_crf_loss(
    logits_NChw: Tensor,
    colors_N3hw: Tensor,
    image_Nhw: Tensor,
    xy: float = 6.0,
    rgb: float = 0.1,
    radius: int = 5,
) -> Tensor:
    """Compute the energy of all pairs of pixels within a window, per pixel.

    A pair of predictions p, q costs k · (1 − p·q), with the kernel k = exp(−|distance|² / (2 xy²) − |difference of
    colours|² / (2 rgb²)). Each pair is counted twice, once from each pixel. The memory does not depend on the window.

    Args:
        logits_NChw: Floating point.
        colors_N3hw: Colours in [0, 1], at the size of the logits.
        image_Nhw: bool, the gate; pairs with a False pixel are excluded.
        xy: Standard deviation of the distance, in pixels of the logits.
        rgb: Standard deviation of the colour.
        radius: The window has 2 · radius + 1 pixels along each side.

    Returns:
        The sum divided by the number of pixels of the gate; 0 if there are none.
    """
    p_NChw = at_least_float32(logits_NChw).softmax(1)
    return _GatedCRF.apply(p_NChw, colors_N3hw.to(p_NChw.dtype), image_Nhw, xy, rgb, radius)


@MODELS.register_module()
class GatedCRFLoss(Regularizer):
    """Near pixels of similar colour should have the same class: :func:`gated_crf_loss`.

    Args:
        xy: Standard deviation of the distance, in pixels of the logits.
        rgb: Standard deviation of the colour, in [0, 1].
        radius: The window has 2 · radius + 1 pixels of the logits along each side.
        loss_weight: Factor on the loss.
        loss_name: Key in the log.
        start: Training iterations before the loss is added.

    Reference:
        Obukhov et al., Gated CRF Loss for Weakly Supervised Semantic Image Segmentation, 2019 (arXiv 1906.04651):
        the kernel, its settings and the weight 0.1. The gate excludes padding.
    """

    def __init__(
        self,
        xy: PositiveFloat = 6.0,
        rgb: PositiveFloat = 0.1,
        radius: PositiveInt = 5,
        loss_weight: float = 0.1,
        loss_name: LossName = "loss_gated_crf",
        start: NonNegativeInt = 0,
    ) -> None:
        super().__init__(loss_weight, loss_name, start)
        self.xy, self.rgb, self.radius = xy, rgb, radius

    def compute(self, batch: TrainingBatch) -> Tensor:
        """Compute the energy per pixel of the logits."""
        h, w = batch.logits_NChw.shape[2:]
        colors, image = batch.colors_at((h, w)), batch.image_at((h, w))
        return gated_crf_loss(batch.logits_NChw, colors, image, self.xy, self.rgb, self.radius)
