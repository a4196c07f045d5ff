"""Features of images on disk, so that a network sees each image once.

An entry is named by digests of the network, of the image as the network gets it (resized, cropped, normalised) and, for
features at points, of the points: what has changed is never read.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import timm
import torch
from torch import Tensor, nn

from mmseg_ext.masks.array_store import ArrayStore

FORMAT = "features2"
CacheDtype = Literal["float32", "float16"]
DTYPES = {"float32": np.float32, "float16": np.float16}


class FeatureStore(ArrayStore):
    """A bounded folder of features."""

    without = "features that it lacks are computed each time"


def digest_of_network(network: nn.Module, settings: object) -> str:
    """Compute a digest of all weights of a network, its settings, and the versions of what computes it."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{FORMAT} torch {torch.__version__} timm {timm.__version__} {settings!r}".encode())
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        digest.update(name.encode())
        digest.update(_bytes_of(tensor))
    return digest.hexdigest()


def _bytes_of(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data


def _as_array(values: Tensor) -> np.ndarray:
    return values.detach().float().cpu().numpy()


class FeatureCache:
    """Feature maps of whole images, and features at points, which are small.

    Args:
        folder: As for :class:`~mmseg_ext.masks.array_store.ArrayStore`.
        limit_gb: Likewise.
        dtype: Of the maps: 'float32', which changes nothing, or 'float16', which takes half the space.

    Raises:
        UserError: The folder cannot be made, or `limit_gb` is not positive.
    """

    def __init__(self, folder: str | Path, limit_gb: float = 10.0, dtype: CacheDtype = "float32") -> None:
        self.dtype = DTYPES[dtype]
        self.store = FeatureStore(folder, limit_gb)

    def name_of(self, network_digest: str, image_1CHW: Tensor) -> str:
        """Name the entries of an image."""
        digest = hashlib.sha256(_bytes_of(image_1CHW)).hexdigest()  # processors compute it two to three times as fast
        return f"{network_digest}\0{tuple(image_1CHW.shape)}\0{digest}\0{np.dtype(self.dtype)}"

    def find_maps(self, name: str) -> list[Tensor] | None:
        """Map the feature maps of an image from disk; None where one is missing."""
        num_maps = self.store.load(f"{name}\0number of maps")
        found = (
            [] if num_maps is None else [self.store.load(f"{name}\0map {index}") for index in range(num_maps.item())]
        )
        maps = [torch.from_numpy(array) for array in found if array is not None]
        return maps if maps and len(maps) == len(found) else None

    def keep_maps(self, name: str, maps: Sequence[Tensor], num_exact: int = 0) -> list[Tensor]:
        """Write the feature maps of an image; return them as they will be read.

        Args:
            name: Of the image.
            maps: (1, C, h, w) each.
            num_exact: How many maps at the end are not rounded.
        """
        last = len(maps) - num_exact
        arrays = [self._rounded(values) if i < last else _as_array(values) for i, values in enumerate(maps)]
        for index, array in enumerate(arrays):
            self.store.save(f"{name}\0map {index}", array)
        self.store.save(f"{name}\0number of maps", np.array(len(arrays)))
        return [torch.from_numpy(array).to(values.device) for array, values in zip(arrays, maps, strict=True)]

    def at_points(self, name: str, kind: str, points_PK: Tensor, make: Callable[[], Tensor]) -> Tensor:
        """Read what was computed at points of an image, or compute and keep it, unrounded.

        Args:
            name: Of the image.
            kind: What is computed.
            points_PK: What it depends on: rows and columns of the points, for areas their labels too.
            make: Computes it.
        """
        digest = hashlib.blake2b(_bytes_of(points_PK), digest_size=16).hexdigest()
        entry = f"{name}\0{kind} {digest}"
        array = self.store.load(entry)
        if array is None:
            array = make().detach().cpu().numpy()
            self.store.save(entry, array)
        return torch.from_numpy(array)

    def _rounded(self, values: Tensor) -> np.ndarray:
        array = _as_array(values)
        rounded = array.astype(self.dtype, copy=False)
        return rounded if np.isfinite(rounded).all() else array  # float16 ends at 65,504
