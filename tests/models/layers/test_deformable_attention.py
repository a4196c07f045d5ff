"""The PyTorch version against the definition, written as loops."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from mmseg_ext.models.layers.deformable_attention import compute_dtype, multi_scale_deformable_attention

SHAPES = [(3, 5), (2, 1), (4, 4)]


def by_hand(value_NKMD, spatial_shapes, locations_NQMLP2, weights_NQMLP):
    """The definition: loops over everything but the channels."""
    num_images, _, num_heads, num_channels = value_NKMD.shape
    num_queries, _, num_levels, num_points = weights_NQMLP.shape[1:]
    output = value_NKMD.new_zeros(num_images, num_queries, num_heads, num_channels)
    starts = [sum(h * w for h, w in spatial_shapes[:level]) for level in range(num_levels)]
    ranges = map(range, (num_images, num_queries, num_heads, num_levels, num_points))
    for n, q, m, level, p in itertools.product(*ranges):
        height, width = spatial_shapes[level]
        # The centre of the first position is at half a position from the corner (0, 0).
        x = locations_NQMLP2[n, q, m, level, p, 0].item() * width - 0.5
        y = locations_NQMLP2[n, q, m, level, p, 1].item() * height - 0.5
        for row, column in itertools.product((math.floor(y), math.floor(y) + 1), (math.floor(x), math.floor(x) + 1)):
            if 0 <= row < height and 0 <= column < width:
                share = (1 - abs(y - row)) * (1 - abs(x - column))
                place = starts[level] + row * width + column
                output[n, q, m] += weights_NQMLP[n, q, m, level, p] * share * value_NKMD[n, place, m]
    return output.flatten(2)


def make_inputs(spatial_shapes=SHAPES, images=2, queries=3, heads=2, channels=4, points=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    num_positions = sum(h * w for h, w in spatial_shapes)
    lead = (images, queries, heads, len(spatial_shapes), points)
    value = torch.randn(images, num_positions, heads, channels, generator=generator, dtype=dtype)
    locations = torch.rand(*lead, 2, generator=generator, dtype=dtype) * 1.6 - 0.3  # some lie outside
    weights = torch.rand(lead, generator=generator, dtype=dtype)
    return value, locations, weights


@pytest.mark.parametrize(
    "settings",
    [{}, {"images": 1, "points": 1}, {"heads": 1, "spatial_shapes": [(1, 1)]}, {"channels": 71, "images": 1}],
)
def test_the_output_is_the_definitions(settings):
    value, locations, weights = make_inputs(**settings)
    shapes = settings.get("spatial_shapes", SHAPES)
    output = multi_scale_deformable_attention(value, shapes, locations, weights)
    expected = by_hand(value, shapes, locations, weights)
    assert output.shape == expected.shape
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("channels", [2, 13])
def test_gradients_are_those_of_finite_differences(channels):
    inputs = [t.requires_grad_() for t in make_inputs([(3, 2), (2, 3)], queries=2, channels=channels, points=2)]

    def attend(value, locations, weights):
        return multi_scale_deformable_attention(value, [(3, 2), (2, 3)], locations, weights)

    assert torch.autograd.gradcheck(attend, inputs)


@pytest.mark.parametrize("wanted", range(3))
def test_a_gradient_that_stands_alone_is_the_same(wanted):
    inputs = make_inputs(images=1)

    def gradient(tracked):
        tensors = [t.clone().requires_grad_(i in tracked) for i, t in enumerate(inputs)]
        output = multi_scale_deformable_attention(tensors[0], SHAPES, *tensors[1:])
        return torch.autograd.grad(output.square().sum(), tensors[wanted])[0]

    alone, beside_others = gradient({wanted}), gradient({0, 1, 2})
    assert alone.abs().max() > 0
    torch.testing.assert_close(alone, beside_others, rtol=1e-12, atol=1e-12)


def test_points_outside_every_level_see_zeros():
    value, locations, weights = make_inputs()
    locations = torch.full_like(locations, 3.0).requires_grad_()
    output = multi_scale_deformable_attention(value, SHAPES, locations, weights)
    output.sum().backward()
    assert not output.any()
    assert not locations.grad.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_rounds_the_features_and_the_output_alone(dtype):
    shapes = [(48, 64)]  # so many columns that a rounded location would be another one
    value, locations, weights = make_inputs(shapes, queries=16, dtype=torch.float32)
    value = value.to(dtype)
    tensors = [t.requires_grad_() for t in (value, locations, weights)]
    output = multi_scale_deformable_attention(value, shapes, locations, weights)
    gradients = torch.autograd.grad(output.float().sum(), tensors)
    exact_tensors = [t.detach().double().requires_grad_() for t in tensors]
    exact = multi_scale_deformable_attention(exact_tensors[0], shapes, *exact_tensors[1:])
    exact_gradients = torch.autograd.grad(exact.sum(), exact_tensors)
    assert (output.dtype, *(g.dtype for g in gradients)) == (dtype, dtype, torch.float32, torch.float32)
    assert (
        torch.equal(output, exact.to(dtype))
        or (output - exact).abs().max() <= torch.finfo(dtype).eps * exact.abs().max()
    )
    for found, expected, rounding in zip(gradients, exact_gradients, (torch.finfo(dtype).eps, 1e-5, 1e-5), strict=True):
        assert (found - expected).abs().max() <= rounding * expected.abs().max()
    rounded = multi_scale_deformable_attention(exact_tensors[0], shapes, locations.to(dtype).double(), weights.double())
    assert (rounded - exact).abs().max() > 10 * (output - exact).abs().max(), "the locations were not rounded"


def test_under_autocast_the_result_is_the_same():
    value, locations, weights = make_inputs(dtype=torch.float32)
    tensors = [t.requires_grad_() for t in (value, locations, weights)]
    outside = multi_scale_deformable_attention(value, SHAPES, locations, weights)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = multi_scale_deformable_attention(value, SHAPES, locations, weights)
        gradients_inside = torch.autograd.grad(inside.sum(), tensors)
    torch.testing.assert_close(inside, outside)
    for a, b in zip(gradients_inside, torch.autograd.grad(outside.sum(), tensors), strict=True):
        torch.testing.assert_close(a, b)


def test_nothing_but_the_inputs_is_kept_for_the_gradient():
    kept = []
    tensors = [t.requires_grad_() for t in make_inputs()]
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        multi_scale_deformable_attention(tensors[0], SHAPES, *tensors[1:])
    assert {t.data_ptr() for t in kept} == {t.data_ptr() for t in tensors}


def test_one_level_of_one_point_is_grid_sample():
    value, locations, _ = make_inputs([(4, 6)], heads=1, points=1)
    output = multi_scale_deformable_attention(value, [(4, 6)], locations, value.new_ones(2, 3, 1, 1, 1))
    image_NDhw = value[:, :, 0].transpose(1, 2).unflatten(-1, (4, 6))
    expected = F.grid_sample(image_NDhw, locations[:, :, 0, 0] * 2 - 1, align_corners=False)
    torch.testing.assert_close(output, expected[..., 0].transpose(1, 2))


def test_the_dtype_to_compute_in():
    half, single, double = (torch.zeros(1, dtype=d) for d in (torch.float16, torch.float32, torch.float64))
    assert compute_dtype(half, half) == compute_dtype(half.bfloat16(), half) == torch.float32
    assert compute_dtype(single, half) == torch.float32
    assert compute_dtype(half, double) == torch.float64
