"""Decides whether mmcv's compiled op can replace the PyTorch version of multi-scale deformable attention.

An op that was compiled for another GPU prints "no kernel image is available for execution on the device" and returns
wrong values, and training continues with them. So the op is first compared with the PyTorch version on a small random
case.
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from mmengine.logging import print_log
from torch import Tensor

from mmseg_ext.models.layers.deformable_attention import multi_scale_deformable_attention
from mmseg_ext.stack import install_ops_stand_in

# value, spatial_shapes, level_start_index, sampling_locations, attention_weights, im2col_step
CompiledOp = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, int], Tensor]
# Maximum relative difference, with respect to the largest value: about 1000 rounding errors.
TOLERANCES = {torch.float32: 1e-4, torch.float64: 1e-9}


class AttentionSizes(NamedTuple):
    """Sizes that a kernel may be specialised for."""

    num_heads: int
    channels: int  # per head
    num_levels: int
    num_points: int


class Case(NamedTuple):
    """Inputs of a comparison."""

    value_NKMD: Tensor
    spatial_shapes: list[tuple[int, int]]
    locations_NQMLP2: Tensor
    weights_NQMLP: Tensor
    output_grad_NQC: Tensor


def installed_op() -> CompiledOp | None:
    """Return mmcv's compiled op, None if mmcv was installed without compiled ops."""
    if install_ops_stand_in():
        return None
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction

    return MultiScaleDeformableAttnFunction.apply


def level_starts(spatial_shapes: Tensor) -> Tensor:
    """Return the first position of each level (L,) from the spatial shapes (L, 2)."""
    return torch.cat([spatial_shapes.new_zeros(1), spatial_shapes.prod(1).cumsum(0)[:-1]])


def random_case(device: torch.device, dtype: torch.dtype, sizes: AttentionSizes) -> Case:
    """Draw the inputs of a comparison: two images, five queries, small levels, points inside and outside of them.

    The values are the same at every call, and torch's global random state is not changed. No point is near the centre
    line of a pixel, where the gradient is discontinuous.
    """
    generator = torch.Generator().manual_seed(0)
    num_heads, channels, num_levels, num_points = sizes
    spatial_shapes = [(4 + level, 7 - level % 4) for level in range(num_levels)]
    num_positions = sum(height * width for height, width in spatial_shapes)
    lead = (2, 5, num_heads, num_levels, num_points)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    width_height_L12 = torch.tensor([(width, height) for height, width in spatial_shapes])[:, None]
    whole = torch.rand((*lead, 2), generator=generator, dtype=torch.float64) * (width_height_L12 + 4) - 3
    part = torch.rand((*lead, 2), generator=generator, dtype=torch.float64) * 0.8 + 0.1
    locations = (whole.floor() + part + 0.5) / width_height_L12
    weights = normal(*lead).flatten(3).softmax(-1).view(lead)
    value = normal(2, num_positions, num_heads, channels)
    output_grad = normal(2, 5, num_heads * channels)
    value, locations, weights, output_grad = (t.to(device, dtype) for t in (value, locations, weights, output_grad))
    return Case(value, spatial_shapes, locations, weights, output_grad)


def _run(attend: Callable[[Tensor, Tensor, Tensor], Tensor], case: Case) -> dict[str, Tensor]:
    """Compute the output and the gradients, by name; copying them to the CPU raises asynchronous errors of a kernel."""
    value, locations, weights = inputs = [
        tensor.clone().requires_grad_() for tensor in (case.value_NKMD, case.locations_NQMLP2, case.weights_NQMLP)
    ]
    output = attend(value, locations, weights)
    gradients = torch.autograd.grad(output, inputs, case.output_grad_NQC)
    names = ("output", "gradient of the features", "gradient of the locations", "gradient of the weights")
    return {name: tensor.detach().cpu() for name, tensor in zip(names, (output, *gradients), strict=True)}


def reason_to_refuse(op: CompiledOp, device: torch.device, dtype: torch.dtype, sizes: AttentionSizes) -> str | None:
    """Compare output and gradients of an op with those of the PyTorch version on a small random case.

    Args:
        op: The op.
        device: Device of the comparison.
        dtype: float32 or float64.
        sizes: Sizes of the comparison.

    Returns:
        The reason not to use the op, None if it agrees.
    """
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device.type, enabled=False):
        case = random_case(device, dtype, sizes)
        shapes_L2 = torch.tensor(case.spatial_shapes, device=device)
        starts_L = level_starts(shapes_L2)
        expected = _run(lambda v, p, w: multi_scale_deformable_attention(v, case.spatial_shapes, p, w), case)
        try:
            found = _run(lambda v, p, w: op(v, shapes_L2, starts_L, p, w, len(v)), case)
        except Exception as error:  # a compiled op may raise any error
            return f"it raised {type(error).__name__}: {' '.join(str(error).split())[:200].rstrip('.')}"
    for name, truth in expected.items():
        difference = ((found[name] - truth).abs().max() / truth.abs().max()).item()
        if not difference <= TOLERANCES[dtype]:  # so that NaN is refused
            return f"its {name} differs from the PyTorch version's by {difference:.1g} of the largest number"
    return None


@cache
def trusted_op(device: torch.device, dtype: torch.dtype, sizes: AttentionSizes) -> CompiledOp | None:
    """Return the compiled op if it is installed and agrees with the PyTorch version; log once which is used, and why.

    Args:
        device: Device that it will be used on.
        dtype: float32 or float64.
        sizes: Sizes that it will be used with.

    Returns:
        The op, None if the PyTorch version is to be used.
    """
    where = f"Multi-scale deformable attention on {device} in {str(dtype).removeprefix('torch.')}"
    op = installed_op()
    if op is None:
        print_log(f"{where}: the PyTorch version, as mmcv has no compiled ops here.", logger="current")
        return None
    reason = reason_to_refuse(op, device, dtype, sizes)
    if reason is None:
        message = "mmcv's compiled op, which agrees with the PyTorch version on a random case in value and gradient."
        print_log(f"{where}: {message}", logger="current")
        return op
    print_log(
        f"{where}: the PyTorch version. mmcv's compiled op is refused: {reason}. It was built for another GPU, most "
        "often. Results are right without it; for its speed, build mmcv for this GPU and this torch.",
        logger="current",
        level=logging.WARNING,
    )
    return None
