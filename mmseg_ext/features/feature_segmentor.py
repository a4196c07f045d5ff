"""A segmentor of a frozen network and a light head that is fitted in seconds.

Shape suffixes: N batch, C channels, H W height and width of the image.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor

from mmseg_ext.arguments import PositiveFloat, PositiveInt, Rule, StrPath
from mmseg_ext.errors import UserError, out_of_range
from mmseg_ext.features.feature_cache import CacheDtype, FeatureCache, digest_of_network
from mmseg_ext.features.feature_maps import NUM_DESCRIPTORS, describe_image, network_maps, sample_maps
from mmseg_ext.features.label_points import DENSE_SHARE, LabelledImage, sample_labels, weigh_points, weigh_sample
from mmseg_ext.features.light_head import FitReport, LightHead
from mmseg_ext.features.point_features import PointFeatures, join_points
from mmseg_ext.models import BlockwisePrediction
from mmseg_ext.points.areas import AreaEvidence, gather_evidence
from mmseg_ext.points.sampling import Strategy
from mmseg_ext.registry import MODELS

UNEVEN = 5
"""How many times the points of another class a class has where they were hardly drawn a number for each class."""

Scales = Annotated[Sequence[PositiveFloat], Rule("a list of positive numbers, such as [1.0, 0.5]", len)]


@MODELS.register_module()
class FeatureSegmentor(BlockwisePrediction):
    """A frozen backbone under a :class:`LightHead`, fitted on labelled pixels by ``mmseg_ext.FitLoop``.

    It predicts, is tested and is exported as any other segmentor of the package. Its checkpoint holds the fitted head;
    of backbones that were built with pretrained weights (EfficientNetLite, DINO) a digest, of others the weights.

    Args:
        *args: Passed to :class:`BlockwisePrediction`.
        scales: Factors by which the images are resized for the backbone; the features of all are used.
        max_labels: Most labelled pixels of an image that the head is fitted to; of more, a fixed sample is drawn.
        label_strategy: How that sample is drawn: 'class_balanced', the classes of the image take turns and count for
            what they cover, or 'uniform'.
        estimate_areas: Whether points count for the areas that they stand for, estimated from image and points, where
            the dataset gives no weights and the head does not balance the classes. It is meant for points that were
            drawn a number for each class; the counts of others tell the areas already.
        cache_dir: A folder for features, so that an image is seen once; None keeps nothing.
        cache_gb: Most that the folder may take, in GB.
        cache_dtype: 'float32' or 'float16'.
        **kwargs: Passed to :class:`BlockwisePrediction`.

    Raises:
        UserError: An argument is out of range, or the head is no LightHead.
    """

    def __init__(
        self,
        *args: Any,
        scales: Scales = (1.0,),
        max_labels: PositiveInt = 1000,
        label_strategy: Strategy = "class_balanced",
        estimate_areas: bool = True,
        cache_dir: StrPath | None = None,
        cache_gb: PositiveFloat = 10.0,
        cache_dtype: CacheDtype = "float32",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not isinstance(self.decode_head, LightHead):
            raise UserError(
                f"Expected decode_head=dict(type='mmseg_ext.LightHead', …), got {type(self.decode_head).__name__}."
            )
        self.scales, self.max_labels = tuple(scales), max_labels
        self.estimate_areas = estimate_areas and not self.decode_head.is_balanced
        self.label_strategy = label_strategy
        self.feature_cache = None if cache_dir is None else FeatureCache(cache_dir, cache_gb, cache_dtype)
        self._backbone_settings = repr((kwargs.get("backbone", args[0] if args else None), self.scales))
        self._network_digest: str | None = None
        self.backbone.requires_grad_(False)
        self.register_load_state_dict_post_hook(_forget_digest)

    def train(self, mode: bool = True) -> "FeatureSegmentor":
        """Set the mode; the backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    def loss(self, inputs: Tensor, data_samples: Any) -> dict:
        """Refuse to be trained step by step."""
        raise UserError(
            "Expected train_cfg=dict(type='mmseg_ext.FitLoop', max_iters=1), which fits a FeatureSegmentor, got "
            "a loop that trains step by step."
        )

    @torch.no_grad()
    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute all feature maps, through the cache.

        Args:
            inputs: Normalised images (N, C, H, W).

        Returns:
            The maps of the backbone at each scale, and behind them the descriptors where the head uses them.
        """
        if self.feature_cache is None:
            return tuple(self._compute_maps(inputs))
        images = [inputs[n : n + 1] for n in range(len(inputs))]
        found = [self._cached_maps(image, self._name_in_cache(image), keep=True) for image in images]
        return tuple(torch.cat(maps) if len(maps) > 1 else maps[0] for maps in zip(*found, strict=True))

    def _compute_maps(self, images_NCHW: Tensor) -> list[Tensor]:
        maps = network_maps(self.backbone, images_NCHW, self.scales)
        if self.decode_head.uses_descriptors:
            described = [torch.from_numpy(describe_image(image)) for image in self.original_images(images_NCHW)]
            maps.append(torch.stack(described).to(images_NCHW))
        return maps

    def _cached_maps(self, image_1CHW: Tensor, name: str, keep: bool) -> list[Tensor]:
        """Read the maps of one image, or compute them and, to `keep`, write them."""
        cache: Any = self.feature_cache
        found = cache.find_maps(name)
        if found is not None:
            return [values.to(image_1CHW.device) for values in found]
        maps = self._compute_maps(image_1CHW)
        # Trees split between values that differ by less than float16 tells apart.
        return cache.keep_maps(name, maps, num_exact=int(self.decode_head.uses_descriptors)) if keep else maps

    def _name_in_cache(self, image_1CHW: Tensor) -> str:
        """Name an image in the cache; without one, there is no name to compute."""
        if self.feature_cache is None:
            return ""
        if self._network_digest is None:
            settings = (self._backbone_settings, self.decode_head.uses_descriptors)
            self._network_digest = digest_of_network(self.backbone, settings)
        return self.feature_cache.name_of(self._network_digest, image_1CHW)

    def original_images(self, images_NCHW: Tensor) -> list[np.ndarray]:
        """Undo the normalisation of images: uint8 (H, W, 3), BGR."""
        preprocessor = self.data_preprocessor
        if hasattr(preprocessor, "mean"):
            images_NCHW = images_NCHW * preprocessor.std + preprocessor.mean
        if preprocessor._channel_conversion:
            images_NCHW = images_NCHW.flip(1)
        pixels = images_NCHW.round().clamp(0, 255).to(torch.uint8).movedim(1, -1)
        return list(pixels.contiguous().cpu().numpy())

    @torch.no_grad()
    def features_at(self, image_1CHW: Tensor, positions_P2: Tensor, name: str | None = None) -> Tensor:
        """Compute the features of one image at points, through the cache.

        Args:
            image_1CHW: Normalised.
            positions_P2: Row and column of each point.
            name: Of the image in the cache, where it is known.

        Returns:
            float32 (P, F): the channels of all maps that `extract_feat` returns.
        """
        size = (image_1CHW.shape[2], image_1CHW.shape[3])
        cache = self.feature_cache
        if cache is None:
            return sample_maps(self._compute_maps(image_1CHW), positions_P2, size)
        name = self._name_in_cache(image_1CHW) if name is None else name
        return cache.at_points(
            name,
            "points",
            positions_P2,
            lambda: sample_maps(self._cached_maps(image_1CHW, name, keep=False), positions_P2, size),
        ).to(image_1CHW.device)

    def _evidence_of_areas(self, image_1CHW: Tensor, labels_HW: np.ndarray, name: str) -> AreaEvidence:
        """Gather what the areas of the classes are estimated from, through the cache."""
        num_classes, ignore_index = self.decode_head.num_classes, self.decode_head.ignore_index
        height, width = labels_HW.shape

        def gather() -> Tensor:
            image_HWC = self.original_images(image_1CHW)[0][:height, :width]
            counts_C, confusion_CC, shares_C = gather_evidence(image_HWC, labels_HW, num_classes, ignore_index)
            return torch.from_numpy(np.vstack([counts_C, confusion_CC, shares_C]))

        cache = self.feature_cache
        if cache is None:
            table = gather().numpy()
        else:
            positions_P2 = np.argwhere(labels_HW != ignore_index)
            labelled_P3 = np.column_stack([positions_P2, labels_HW[labels_HW != ignore_index]]).astype(np.int64)
            kind = f"areas of {num_classes} classes"
            table = cache.at_points(name, kind, torch.from_numpy(labelled_P3), gather).numpy()
        return AreaEvidence(table[0], table[1:-1], table[-1])

    @torch.no_grad()
    def look_at(self, data_batch: dict) -> list[LabelledImage]:
        """Compute what the images of a batch give to a fit; images without a label give nothing.

        Args:
            data_batch: As the dataloader gives it.

        Raises:
            UserError: A label is out of range; names the file.
        """
        data = self.data_preprocessor(data_batch, False)
        inputs, ignore_index = data["inputs"], self.decode_head.ignore_index
        num_descriptors = NUM_DESCRIPTORS if self.decode_head.uses_descriptors else 0
        found = []
        for n, sample in enumerate(data["data_samples"]):
            path = sample.get("img_path") or ""
            labels_HW = sample.gt_sem_seg.data.squeeze(0).cpu().numpy()
            sampled_HW = sample_labels(labels_HW, self.max_labels, path, self.label_strategy, ignore_index)
            num_labelled = np.count_nonzero(labels_HW != ignore_index)
            if not num_labelled:
                continue
            positions_P2 = torch.from_numpy(np.argwhere(sampled_HW != ignore_index))
            labels_P = torch.from_numpy(sampled_HW[sampled_HW != ignore_index].astype(np.int64)).to(inputs.device)
            if int(labels_P.max()) >= self.decode_head.num_classes:
                wrong = out_of_range("labels", [int(labels_P.max())], self.decode_head.num_classes, ignore_index)
                raise UserError(f"{path}: {wrong}")
            weights_P = _given_weights(sample, positions_P2, labels_P)
            image_1CHW = inputs[n : n + 1]
            name = self._name_in_cache(image_1CHW)
            evidence = None
            if self.estimate_areas and weights_P is None and num_labelled < DENSE_SHARE * labels_HW.size:
                evidence = self._evidence_of_areas(image_1CHW, sampled_HW, name)
            elif self.label_strategy == "class_balanced" and len(labels_P) < num_labelled:
                sample_weights_P = weigh_sample(labels_HW, sampled_HW, ignore_index)
                weights_P = sample_weights_P if weights_P is None else weights_P * sample_weights_P
            features_PF = self.features_at(image_1CHW, positions_P2, name)
            num_channels = features_PF.shape[1] - num_descriptors
            network_PF, descriptors_PD = features_PF.split([num_channels, num_descriptors], dim=1)
            found.append(
                LabelledImage(positions_P2, network_PF, descriptors_PD, labels_P, num_labelled, weights_P, evidence)
            )
        return found

    def fit(self, images: Sequence[LabelledImage]) -> FitReport:
        """Fit the head to the labels of images.

        Args:
            images: From :meth:`look_at`.

        Raises:
            UserError: There is no label, or only of one class.
        """
        if not images:
            raise UserError("Expected labelled pixels in the training images, got none.")
        num_labelled, num_used = (
            sum(counts) for counts in zip(*((i.num_labelled, len(i.labels_P)) for i in images), strict=True)
        )
        if num_used < num_labelled:
            text = f"fitted to {num_used:,} of {num_labelled:,} labelled pixels, {self.max_labels} an image at most"
            print_log(f"FeatureSegmentor: {text}", "current")
        else:
            self._hint_at_balance(images)
        return self.decode_head.fit(self.join_images(images))

    def _hint_at_balance(self, images: Sequence[LabelledImage]) -> None:
        if self.decode_head.class_weight is not None or any(image.label_weights_P is not None for image in images):
            return
        counts_C = torch.bincount(torch.cat([image.labels_P for image in images]))
        counts_C = counts_C[counts_C > 0]
        if counts_C.max() >= UNEVEN * counts_C.min():
            text = f"a class has {int(counts_C.min()):,} points, another {int(counts_C.max()):,}"
            advice = "Where points lie anywhere, model.decode_head.class_weight='balanced' scores better"
            print_log(f"FeatureSegmentor: {text}. {advice}.", "current")

    def join_images(self, images: Sequence[LabelledImage]) -> PointFeatures:
        """Join the points of images, each weighed by the area that it stands for.

        Args:
            images: From :meth:`look_at`; a point's image is its index here.
        """
        weights = weigh_points(images, self.decode_head.num_classes)
        points = [
            PointFeatures(
                image.network_PF,
                image.descriptors_PD,
                image.labels_P,
                torch.from_numpy(weights_P).to(image.labels_P.device),
                torch.full_like(image.labels_P, index),
            )
            for index, (image, weights_P) in enumerate(zip(images, weights, strict=True))
        ]
        return join_points(points)


def _given_weights(sample: Any, positions_P2: Tensor, labels_P: Tensor) -> np.ndarray | None:
    """Look up the weights that the dataset gives the labels, by pixel or by class."""
    if "gt_label_weight" in sample:
        return sample.gt_label_weight.data[0].cpu().numpy()[tuple(positions_P2.numpy().T)].astype(np.float32)
    weights_C = sample.metainfo.get("label_weights")
    return None if weights_C is None else np.asarray(weights_C)[labels_P.cpu().numpy()]


def _forget_digest(module: Any, _keys: object) -> None:
    module._network_digest = None
