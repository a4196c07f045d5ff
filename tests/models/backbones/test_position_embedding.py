import pytest
import torch
import torch.nn.functional as F

from mmseg_ext.models.backbones.position_embedding import (
    OFFICIAL_RULES,
    TIMM_RULE,
    InterpolationRule,
    interpolate_position_embedding,
)


def test_the_same_grid_is_left_alone():
    embedding = torch.randn(1, 1 + 6, 4)
    assert interpolate_position_embedding(embedding, (2, 3), (2, 3), 1, TIMM_RULE) is embedding


@pytest.mark.parametrize("num_prefix", [0, 1, 5])
@pytest.mark.parametrize("new", [(3, 5), (7, 4), (8, 2)])
def test_patches_are_resized_as_an_image_and_prefix_tokens_stay(num_prefix, new):
    embedding = torch.randn(1, num_prefix + 16, 6)
    result = interpolate_position_embedding(embedding, (4, 4), new, num_prefix, TIMM_RULE)
    image = embedding[:, num_prefix:].reshape(1, 4, 4, 6).permute(0, 3, 1, 2)
    expected = F.interpolate(image, size=new, mode="bicubic", antialias=True)
    assert torch.equal(result[:, :num_prefix], embedding[:, :num_prefix])
    torch.testing.assert_close(result[:, num_prefix:].reshape(1, *new, 6).permute(0, 3, 1, 2), expected)


def test_the_offset_moves_the_samples_but_not_the_size():
    embedding = torch.randn(1, 16, 3)
    plain = interpolate_position_embedding(embedding, (4, 4), (9, 5), 0, InterpolationRule(0.0, False))
    moved = interpolate_position_embedding(embedding, (4, 4), (9, 5), 0, InterpolationRule(0.1, False))
    assert moved.shape == plain.shape == (1, 45, 3)
    assert 1e-4 < (moved - plain).abs().max() < 0.5
    assert OFFICIAL_RULES["dinov2"] == OFFICIAL_RULES["dino"] == (0.1, False)
    assert OFFICIAL_RULES["dinov2_reg"] == (0.0, True)


def test_half_precision_is_interpolated_in_float32_and_gradients_pass():
    embedding = torch.randn(1, 16, 3, dtype=torch.bfloat16, requires_grad=True)
    result = interpolate_position_embedding(embedding, (4, 4), (6, 6), 0, TIMM_RULE)
    assert result.dtype == torch.bfloat16
    result.float().sum().backward()
    assert embedding.grad.abs().sum() > 0


@pytest.mark.parametrize("rule", [*OFFICIAL_RULES.values(), TIMM_RULE])
@pytest.mark.parametrize(
    "grids", [((5, 5), (7, 9)), ((16, 12), (5, 3)), ((6, 4), (4, 6)), ((4, 4), (4, 4)), ((9, 9), (1, 9))]
)
def test_an_export_interpolates_alike(rule, grids, monkeypatch):
    embedding = torch.randn(1, 2 + grids[0][0] * grids[0][1], 6)
    expected = interpolate_position_embedding(embedding, *grids, 2, rule)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    found = interpolate_position_embedding(embedding, *grids, 2, rule)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    if grids[0] == grids[1]:
        assert torch.equal(found, embedding)
