"""The layer against mmcv's, which runs on CPU in PyTorch."""

import copy

import pytest
import torch
from mmcv.ops import MultiScaleDeformableAttention as MMCVAttention
from mmseg.registry import MODELS

from mmseg_ext.models.layers import MultiScaleDeformableAttention

SHAPES = torch.tensor([[4, 6], [2, 3], [1, 2]])
SETTINGS = {"embed_dims": 16, "num_heads": 4, "num_levels": 3, "num_points": 2, "dropout": 0.0}


def make_inputs(batch_first=True, num_reference=2):
    generator = torch.Generator().manual_seed(1)
    shape = (2, 32, 16) if batch_first else (32, 2, 16)
    draw = {name: torch.randn(shape, generator=generator) for name in ("query", "value", "query_pos", "identity")}
    reference = torch.rand(2, 32, 3, num_reference, generator=generator)
    return draw, {
        "reference_points": reference,
        "spatial_shapes": SHAPES,
        "level_start_index": torch.tensor([0, 24, 30]),
    }


def pair(**settings):
    """Both layers with the same weights, all of them random."""
    torch.manual_seed(0)
    theirs = MMCVAttention(**{**SETTINGS, **settings})
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ours = MultiScaleDeformableAttention(**{**SETTINGS, **settings})
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@pytest.mark.parametrize("settings", [{}, {"embed_dims": 12, "num_heads": 3, "num_points": 4, "value_proj_ratio": 0.5}])
def test_arguments_parameters_and_initialisation_are_mmcvs(settings):
    torch.manual_seed(0)
    theirs = MMCVAttention(**{**SETTINGS, **settings})
    torch.manual_seed(0)
    ours = MODELS.build({"type": "mmseg_ext.MultiScaleDeformableAttention", **SETTINGS, **settings})
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, parameter in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], parameter, rtol=0, atol=1e-6)
    assert ours.sampling_offsets.bias.abs().max() == 4 if settings else 2
    weight = ours.value_proj.weight.clone()
    ours.init_weights()
    assert not torch.equal(weight, ours.value_proj.weight)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("num_reference", [2, 4])
@pytest.mark.parametrize("given", [(), ("value", "query_pos", "identity")])
def test_output_and_gradients_are_mmcvs(batch_first, num_reference, given):
    theirs, ours = pair(batch_first=batch_first)
    tensors, settings = make_inputs(batch_first, num_reference)
    padding = torch.zeros(2, 32, dtype=torch.bool)
    padding[1, 20:] = True
    results = []
    for layer in (theirs, ours):
        inputs = {name: tensors[name].clone().requires_grad_() for name in ("query", *given)}
        output = layer(**inputs, **settings, key_padding_mask=padding)
        output.square().sum().backward()
        results.append([output, *(t.grad for t in inputs.values()), *(p.grad for p in layer.parameters())])
    for expected, found in zip(*results, strict=True):
        assert expected.abs().max() > 0
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_mixed_precision_keeps_the_locations_exact():
    _, ours = pair(batch_first=True)
    tensors, settings = make_inputs()
    exact = copy.deepcopy(ours).double()
    expected = exact(
        tensors["query"].double(), **{**settings, "reference_points": settings["reference_points"].double()}
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        where = ours._sampling_points(tensors["query"], settings["reference_points"], SHAPES)
        output = ours(tensors["query"], **settings)
    output.float().sum().backward()
    exact_where = exact._sampling_points(tensors["query"].double(), settings["reference_points"].double(), SHAPES)
    for found, truth in zip(where, exact_where, strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), truth, rtol=1e-5, atol=1e-5)
    assert (output - expected).abs().max() < 0.03 * expected.abs().max()
    assert all(p.grad.isfinite().all() for p in ours.parameters())


def test_a_layer_in_half_precision_runs():
    _, ours = pair(batch_first=True)
    tensors, settings = make_inputs()
    output = ours.bfloat16()(tensors["query"].bfloat16(), **settings)
    assert output.dtype == torch.bfloat16
    assert output.isfinite().all()


def test_the_old_name_of_identity_is_understood():
    _, ours = pair(batch_first=True)
    tensors, settings = make_inputs()
    with pytest.warns(DeprecationWarning, match="identity"):
        old = ours(tensors["query"], residual=tensors["identity"], **settings)
    assert torch.equal(old, ours(tensors["query"], identity=tensors["identity"], **settings))


def test_bad_input_is_told_about():
    with pytest.raises(ValueError, match=r"`embed_dims` to be a multiple of num_heads=4, got 18"):
        MultiScaleDeformableAttention(embed_dims=18, num_heads=4)
    with pytest.raises(ValueError, match=r"`embed_dims \* value_proj_ratio` to be a multiple of num_heads=4, got 10"):
        MultiScaleDeformableAttention(embed_dims=20, num_heads=4, value_proj_ratio=0.5)
    _, ours = pair(batch_first=True)
    tensors, settings = make_inputs()
    with pytest.raises(ValueError, match=r"values of 32 positions, as the levels \[\(4, 6\), .* have, got 31"):
        ours(tensors["query"], value=tensors["value"][:, 1:], **settings)
    with pytest.raises(ValueError, match="2 or 4 numbers for each point, got 3"):
        ours(tensors["query"], **{**settings, "reference_points": torch.rand(2, 32, 3, 3)})
    with pytest.raises(ValueError, match="`reference_points` and `spatial_shapes`, got None"):
        ours(tensors["query"])
