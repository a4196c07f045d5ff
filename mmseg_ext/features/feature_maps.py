"""Feature maps of an image: computed, sampled at points, and mapped linearly to a grid.

A map of any stride covers the whole image: pixel x of W lies at (x + 0.5) / W · w − 0.5 in a map of w columns, as where
mmseg's heads enlarge maps without `align_corners`.

Shape suffixes: N batch, C channels of a map, F channels of all maps, H W height and width of the image, h w of a map, P
points, O outputs.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_ext.errors import UserError
from mmseg_ext.points.areas import describe_pixels

NUM_DESCRIPTORS = 9
DESCRIPTOR_STRIDE = 8


def network_maps(
    network: Callable[[Tensor], Sequence[Tensor]], images_NCHW: Tensor, scales: Sequence[float] = (1.0,)
) -> list[Tensor]:
    """Compute the feature maps of a network at one or several image scales.

    Args:
        network: Returns maps (N, C, h, w).
        images_NCHW: Normalised images.
        scales: Factors by which the images are resized.

    Returns:
        The maps (N, C, h, w) of all scales.
    """
    maps: list[Tensor] = []
    for scale in scales:
        images = images_NCHW
        if scale != 1:
            size = [max(1, round(length * scale)) for length in images_NCHW.shape[2:]]
            images = F.interpolate(images, size=size, mode="bilinear", antialias=True)
        maps += network(images)
    return maps


def describe_image(image_HWC: np.ndarray) -> np.ndarray:
    """Compute colour and texture, those of :func:`describe_pixels` without the place, on a grid of stride 8.

    Args:
        image_HWC: uint8, BGR.

    Returns:
        float32 (9, ceil(H / 8), ceil(W / 8)).
    """
    height, width = image_HWC.shape[:2]
    features_HWF = describe_pixels(image_HWC)[..., :NUM_DESCRIPTORS]
    size = (-(-width // DESCRIPTOR_STRIDE), -(-height // DESCRIPTOR_STRIDE))
    return cv2.resize(features_HWF, size, interpolation=cv2.INTER_LINEAR).reshape(*size[::-1], -1).transpose(2, 0, 1)


def sample_maps(maps: Sequence[Tensor], positions_P2: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Interpolate the maps of one image at points.

    Args:
        maps: (1, C, h, w) each, of any floating-point type.
        positions_P2: Row and column of each point in the image.
        image_size: H and W.

    Returns:
        float32 (P, F), the channels of all maps one after another.
    """
    size = torch.tensor(image_size, dtype=torch.float32)
    grid_P2 = ((2 * positions_P2.cpu() + 1) / size - 1).flip(1)
    columns = [
        F.grid_sample(
            values.float(),
            grid_P2[None, None].to(values.device),
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )[0, :, 0]
        for values in maps
    ]
    return torch.cat(columns).t().contiguous()


def project_maps(maps: Sequence[Tensor], weight_OF: Tensor, bias_O: Tensor, size: Sequence[int]) -> Tensor:
    """Map the channels of all maps linearly, on a grid: the maps are never enlarged themselves.

    Interpolation and a linear map commute, so each map is multiplied at its own resolution and the products are
    enlarged.

    Args:
        maps: (N, C, h, w) each.
        weight_OF: Weights of the channels of all maps one after another.
        bias_O: Added at the end.
        size: Height and width of the grid.

    Returns:
        float32 (N, O, *size).

    Raises:
        UserError: The maps have another number of channels than the weights.
    """
    num_channels = sum(values.shape[1] for values in maps)
    if num_channels != weight_OF.shape[1]:
        raise UserError(
            f"Expected the features that the head was fitted on: {weight_OF.shape[1]} channels, got {num_channels}. "
            "Set backbone, `out_indices` and `scales` to those of the fit, or fit anew."
        )
    total = bias_O[None, :, None, None]
    for values, weight_OC in zip(maps, weight_OF.split([m.shape[1] for m in maps], dim=1), strict=True):
        product = F.conv2d(values.float(), weight_OC[:, :, None, None])
        if tuple(product.shape[2:]) != tuple(size):
            product = F.interpolate(product, size=tuple(size), mode="bilinear", align_corners=False)
        total = total + product
    return total
