"""A compiled op is used only where it agrees with the PyTorch version. The fakes stand where mmcv's real one would."""

import logging
import sys
import types

import mmcv.ops.multi_scale_deform_attn as mmcv_attention
import pytest
import torch
from mmengine.logging import MMLogger

from mmseg_ext.models.layers import MultiScaleDeformableAttention
from mmseg_ext.models.layers.compiled_deformable_attention import (
    AttentionSizes,
    installed_op,
    random_case,
    trusted_op,
)
from mmseg_ext.models.layers.deformable_attention import multi_scale_deformable_attention

CPU = torch.device("cpu")
SIZES = AttentionSizes(num_heads=2, channels=4, num_levels=3, num_points=2)


class RightOps(types.ModuleType):
    """`mmcv._ext` with the two ops of deformable attention, computed by mmcv's own PyTorch version."""

    def __init__(self):
        super().__init__("mmcv._ext")
        self.calls = []

    def ms_deform_attn_forward(self, value, shapes, starts, locations, weights, im2col_step):
        self.calls.append((tuple(value.shape), value.dtype))
        return mmcv_attention.multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)

    def ms_deform_attn_backward(
        self, value, shapes, starts, locations, weights, grad, grad_value, grad_locations, grad_weights, im2col_step
    ):
        inputs = [t.detach().requires_grad_() for t in (value, locations, weights)]
        with torch.enable_grad():
            output = mmcv_attention.multi_scale_deformable_attn_pytorch(inputs[0], shapes, *inputs[1:])
        for place, gradient in zip(
            (grad_value, grad_locations, grad_weights), torch.autograd.grad(output, inputs, grad), strict=True
        ):
            place.copy_(gradient)


class SilentOps(RightOps):
    """What a kernel for another GPU does: it prints, and leaves the output as it was."""

    def ms_deform_attn_forward(self, *args, **kwargs):
        print("error in ms_deformable_im2col_cuda: no kernel image is available for execution on the device")
        return torch.zeros_like(super().ms_deform_attn_forward(*args, **kwargs))

    def ms_deform_attn_backward(self, *args, **kwargs):
        print("error in ms_deformable_col2im_cuda: no kernel image is available for execution on the device")


class RaisingOps(RightOps):
    def ms_deform_attn_forward(self, *args, **kwargs):
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")


class RaisingBackwardOps(RightOps):
    def ms_deform_attn_backward(self, *args, **kwargs):
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")


class WrongGradientOps(RightOps):
    """Right values, and a gradient of the locations that is 1 % off."""

    def ms_deform_attn_backward(self, *args, **kwargs):
        super().ms_deform_attn_backward(*args, **kwargs)
        args[7].mul_(1.01)


class NotANumberOps(RightOps):
    def ms_deform_attn_forward(self, *args, **kwargs):
        return super().ms_deform_attn_forward(*args, **kwargs) * float("nan")


class MisshapenOps(RightOps):
    def ms_deform_attn_forward(self, *args, **kwargs):
        return super().ms_deform_attn_forward(*args, **kwargs).unflatten(-1, (2, -1)).transpose(1, 2).flatten(2)


@pytest.fixture
def log():
    """What this package logs: pairs of level and text."""
    records = []

    class Keep(logging.Handler):
        def emit(self, record):
            records.append((record.levelname, record.getMessage()))

    logger = MMLogger.get_instance("deformable")
    logger.addHandler(Keep())
    return records


@pytest.fixture
def install(monkeypatch):
    """install(ops): mmcv has these compiled ops. Choices made before are forgotten, and these afterwards."""

    def put(ops):
        monkeypatch.setitem(sys.modules, "mmcv._ext", ops)
        monkeypatch.setattr(mmcv_attention, "ext_module", ops)
        return ops

    trusted_op.cache_clear()
    yield put
    trusted_op.cache_clear()


def make_layer_and_inputs():
    torch.manual_seed(0)
    layer = MultiScaleDeformableAttention(8, num_heads=2, num_levels=2, num_points=2, batch_first=True, dropout=0.0)
    query = torch.randn(2, 10, 8)
    return layer, (
        query,
        {
            "reference_points": torch.rand(2, 10, 2, 2),
            "spatial_shapes": torch.tensor([[2, 3], [2, 2]]),
        },
    )


def test_without_compiled_ops_the_log_says_so_once(log, install):
    assert installed_op() is None, "mmcv has no compiled ops on machines that run these tests"
    layer, (query, settings) = make_layer_and_inputs()
    layer(query, **settings)
    layer(query, **settings)
    assert log == [
        (
            "INFO",
            "Multi-scale deformable attention on cpu in float32: the PyTorch version, as mmcv has no compiled ops "
            "here.",
        )
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_op_that_agrees_is_used(dtype, log, install):
    ops = install(RightOps())
    layer, (query, settings) = make_layer_and_inputs()
    layer = layer.to(dtype)
    query = query.to(dtype).requires_grad_()
    settings["reference_points"] = settings["reference_points"].to(dtype)
    output = layer(query, **settings)
    (gradient,) = torch.autograd.grad(output.square().sum(), query)
    ((level, text),) = log
    assert level == "INFO"
    assert text.endswith(
        "mmcv's compiled op, which agrees with the PyTorch version on a random case in value and gradient."
    )
    assert ops.calls == [((2, sum(case_positions(2)), 2, 4), dtype), ((2, 10, 2, 4), dtype)]
    layer(query, **settings)
    assert len(ops.calls) == 3, "it is tried once"

    trusted_op.cache_clear()
    install(SilentOps())
    expected = layer(query, **settings)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(gradient, torch.autograd.grad(expected.square().sum(), query)[0])


def case_positions(num_levels):
    sizes = SIZES._replace(num_levels=num_levels)
    return [height * width for height, width in random_case(CPU, torch.float32, sizes).spatial_shapes]


@pytest.mark.parametrize(
    ("ops", "reason"),
    [
        (SilentOps, "its output differs from the PyTorch version's by 1 of the largest number"),
        (RaisingOps, "it raised RuntimeError: CUDA error: no kernel image is available for execution on the device"),
        (RaisingBackwardOps, "it raised RuntimeError: CUDA error: no kernel image is available"),
        (WrongGradientOps, "its gradient of the locations differs from the PyTorch version's by 0.01 of"),
        (NotANumberOps, "its output differs from the PyTorch version's by nan"),
        (MisshapenOps, "it raised RuntimeError: Mismatch in shape"),
    ],
)
@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_an_op_that_does_not_is_refused(ops, reason, mode, log, install):
    install(ops())
    with mode():
        assert trusted_op(CPU, torch.float32, SIZES) is None
        assert trusted_op(CPU, torch.float32, SIZES) is None
    ((level, text),) = log
    assert level == "WARNING"
    start = "Multi-scale deformable attention on cpu in float32: the PyTorch version. mmcv's compiled op is refused: "
    assert text.startswith(start + reason)


def test_a_refused_op_leaves_the_results_right(log, install):
    layer, (query, settings) = make_layer_and_inputs()
    expected = layer(query, **settings)
    trusted_op.cache_clear()
    install(SilentOps())
    assert torch.equal(layer(query, **settings), expected)
    assert "is refused" in log[-1][1]


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_under_mixed_precision_the_op_computes_in_float32(half, log, install):
    ops = install(RightOps())
    layer, (query, settings) = make_layer_and_inputs()
    with torch.autocast("cpu", dtype=half):
        output = layer(query, **settings)
        layer(query, **settings)
    output.sum().backward()
    assert {dtype for _, dtype in ops.calls} == {torch.float32}
    assert len(log) == 1


def test_the_trial_disturbs_no_random_state(install):
    install(RightOps())
    before = torch.get_rng_state()
    assert trusted_op(CPU, torch.float32, SIZES) is not None
    assert torch.equal(torch.get_rng_state(), before)


def test_the_trial_looks_inside_and_outside_and_at_no_jump():
    case = random_case(CPU, torch.float64, SIZES)
    width_height_L12 = torch.tensor([(w, h) for h, w in case.spatial_shapes])[:, None]
    pixels = case.locations_NQMLP2 * width_height_L12 - 0.5
    inside = ((pixels > -1) & (pixels < width_height_L12)).all(-1)
    assert 0.3 < inside.double().mean() < 0.9
    part = pixels - pixels.floor()
    assert part.min() > 0.09
    assert part.max() < 0.91
    output = multi_scale_deformable_attention(case.value_NKMD, case.spatial_shapes, *case[2:4])
    assert output.abs().max() > 0.1
