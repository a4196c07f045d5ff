"""Maps sampled at points and projected on grids are those of torch's own interpolation."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmseg_ext.errors import UserError
from mmseg_ext.features.feature_maps import describe_image, network_maps, project_maps, sample_maps
from mmseg_ext.points.areas import describe_pixels

MAPS = [torch.randn(1, 2, 12, 17), torch.randn(1, 3, 6, 9), torch.randn(1, 4, 2, 3)]


def enlarged(size):
    return torch.cat([F.interpolate(m, size=size, mode="bilinear", align_corners=False) for m in MAPS], dim=1)


def test_samples_at_points_are_those_of_enlarged_maps():
    height, width = 24, 34
    positions_P2 = torch.tensor([[0, 0], [23, 33], [5, 30], [11, 16]])
    expected_FHW = enlarged((height, width))[0]
    expected_PF = expected_FHW[:, positions_P2[:, 0], positions_P2[:, 1]].t()
    torch.testing.assert_close(sample_maps(MAPS, positions_P2, (height, width)), expected_PF, rtol=1e-4, atol=1e-5)


def test_projected_maps_are_a_linear_map_of_enlarged_ones():
    weight_OF, bias_O = torch.randn(5, 9), torch.randn(5)
    expected = F.conv2d(enlarged((12, 17)), weight_OF[:, :, None, None], bias_O)
    torch.testing.assert_close(project_maps(MAPS, weight_OF, bias_O, (12, 17)), expected, rtol=1e-4, atol=1e-5)


def test_maps_of_other_channels_are_refused():
    with pytest.raises(UserError, match=r"fitted on: 8 channels, got 9.*`out_indices` and `scales`"):
        project_maps(MAPS, torch.randn(5, 8), torch.randn(5), (12, 17))


def test_each_scale_adds_its_maps():
    images = torch.randn(1, 3, 40, 50)
    maps = network_maps(lambda x: (x[:, :, ::2, ::2],), images, (1.0, 0.5))
    assert [tuple(m.shape[2:]) for m in maps] == [(20, 25), (10, 13)]
    smaller = F.interpolate(images, size=(20, 25), mode="bilinear", antialias=True)
    assert torch.equal(maps[1], smaller[:, :, ::2, ::2])


@pytest.mark.parametrize(("height", "width"), [(32, 40), (33, 41), (3, 5)])
def test_descriptors_are_those_of_the_areas_without_place(height, width):
    image_HWC = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = describe_image(image_HWC)
    assert found.shape == (9, -(-height // 8), -(-width // 8))
    if height == 32:
        own = torch.from_numpy(describe_pixels(image_HWC)[..., :9]).permute(2, 0, 1)[None]
        expected = F.interpolate(own, size=(4, 5), mode="bilinear", align_corners=False)[0]
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-4, atol=1e-3)
