"""A run's config and checkpoint as a predictor.

Shape suffixes: N images, H height, W width, C channels of the output.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dataset import pseudo_collate
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor

from mmseg_ext.errors import UserError
from mmseg_ext.masks.class_maps import as_array
from mmseg_ext.prediction.class_scores import log_odds, normalized, probabilities
from mmseg_ext.prediction.image_pipelines import build_pipelines
from mmseg_ext.prediction.model_files import ModelFiles
from mmseg_ext.prediction.model_loading import build_model, last_head
from mmseg_ext.prediction.predictor import GPU_BATCH, ImageInput, Prediction, Predictor, WindowSettings, class_map_dtype

WINDOW, OVERLAP = 1024, 128
"""Window and overlap of networks that see whole images in tests."""


class CheckpointPredictor(Predictor):
    """A trained segmentor, with the test pipeline and the threshold that a test would use.

    Whole images go through the config's test pipeline and the segmentor's ``test_step``, as in tools/test.py: class
    maps are the same, bit for bit, where the batches are.

    Args:
        files: From :func:`~mmseg_ext.prediction.model_files.find_model`.
        device: Such as 'cpu' or 'cuda:0'; None takes the GPU where there is one.
        tta: Whether to predict with the config's test-time augmentation.
        cfg_options: Changes to the config.

    Raises:
        UserError: The model cannot be loaded, or its config has no test pipeline.
    """

    def __init__(
        self,
        files: ModelFiles,
        device: str | None = None,
        tta: bool = False,
        cfg_options: Mapping[str, Any] | None = None,
    ) -> None:
        loaded = build_model(files, device, cfg_options, tta)
        self.files, self.config, self.tta = files, loaded.config, tta
        segmentor: Any = loaded.segmentor
        self.segmentor = segmentor
        self._network = segmentor.module if tta else segmentor
        if getattr(self._network, "feature_cache", None) is not None:
            self._network.feature_cache = None  # it keeps the features of the images that are trained on
        head = last_head(self._network)
        self._gives_logits = isinstance(head, BaseDecodeHead)  # others give sums of the scores of masks
        self._from_file, self._from_array, self._from_window = build_pipelines(loaded.config)
        fill, is_byte = self._value_range()
        super().__init__(
            loaded.names,
            loaded.palette,
            head.threshold if head.out_channels == 1 else None,
            window_settings(getattr(self._network, "test_cfg", None) or {}),
            fill,
            batch_size=1 if self.device.type == "cpu" else GPU_BATCH,
            is_byte=is_byte,
        )

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self._network.parameters()).device

    def _value_range(self) -> tuple[np.ndarray, bool]:
        """Return the mean of the images, RGB, and whether they were of eight bits."""
        preprocessor = self._network.data_preprocessor
        if not hasattr(preprocessor, "mean"):
            return np.zeros(3), True
        mean, std = (values.flatten().cpu().numpy() for values in (preprocessor.mean, preprocessor.std))
        rgb = mean if preprocessor._channel_conversion else mean[::-1]
        return np.broadcast_to(rgb, 3), bool((mean + 2 * std).max() <= 512)

    @torch.no_grad()
    def logits(self, images_NHWC: np.ndarray) -> Tensor:
        """Predict images of one size; see :meth:`Predictor.logits`."""
        packed = [self._from_window(sample_of(image_HWC)) for image_HWC in images_NHWC]
        if self.tta:
            samples = self.segmentor.test_step(pseudo_collate(packed))
            return log_odds(torch.stack([sample.seg_logits.data for sample in samples]))
        data = self._network.data_preprocessor(pseudo_collate(packed), False)
        metas = [sample.metainfo for sample in data["data_samples"]]
        compute = getattr(self._network, "input_logits", self._network.inference)
        logits_NCHW = compute(data["inputs"], metas).float()
        left, right, top, bottom = metas[0].get("img_padding_size", metas[0].get("padding_size", (0, 0, 0, 0)))
        height, width = logits_NCHW.shape[2:]
        logits_NCHW = logits_NCHW[:, :, top : height - bottom, left : width - right]
        shape = images_NHWC.shape[1:3]
        if logits_NCHW.shape[2:] != shape:
            logits_NCHW = F.interpolate(
                logits_NCHW, shape, mode="bilinear", align_corners=bool(getattr(self._network, "align_corners", False))
            )
        return logits_NCHW if self._gives_logits else log_odds(normalized(logits_NCHW, dim=1))

    @torch.no_grad()
    def predict_prepared(
        self, images: Sequence[ImageInput], prepared: Sequence[Any], probabilities: bool = False
    ) -> list[Prediction]:
        """Predict whole images, those of one size together; see :meth:`Predictor.predict_prepared`."""
        packed = list(zip(images, prepared, strict=True))
        found: list[Prediction] = []
        kept = getattr(self._network, "keep_logits", None)
        if kept is not None:
            self._network.keep_logits = probabilities or kept
        try:
            for _, group in groupby(packed, key=lambda pair: _shapes(pair[1]["inputs"])):
                members = list(group)
                samples = self.segmentor.test_step(pseudo_collate([data for _, data in members]))
                found += [
                    self._prediction(sample, image, probabilities)
                    for sample, (image, _) in zip(samples, members, strict=True)
                ]
        finally:
            if kept is not None:
                self._network.keep_logits = kept
        return found

    def prepare(self, image: ImageInput) -> dict:
        """Run the test pipeline on an image."""
        if isinstance(image, np.ndarray):
            packed = self._from_array(sample_of(image))
        else:
            packed = self._from_file({"img_path": str(Path(image)), "seg_fields": []})
        if packed is None:
            raise UserError(f"Expected an image in {image}, got a file that the test pipeline leaves out.")
        return packed

    def _prediction(self, sample: Any, image: ImageInput, with_probabilities: bool) -> Prediction:
        probabilities_CHW = None
        if with_probabilities:
            values_CHW = sample.seg_logits.data.float()
            if len(values_CHW) > 1 and not self.tta:  # of one channel, and averaged, they are probabilities
                values_CHW = probabilities(values_CHW, None) if self._gives_logits else normalized(values_CHW, dim=0)
            probabilities_CHW = values_CHW.cpu().numpy()
        classes_HW = as_array(sample.pred_sem_seg.data).astype(class_map_dtype(len(self.names)))
        return Prediction(classes_HW, probabilities_CHW, self.names, self.palette, image)


def window_settings(test_cfg: Mapping[str, Any]) -> WindowSettings:
    """Return the windows for rasters: those of the config's sliding windows, else of 1024 pixels with 128 in common."""
    if test_cfg.get("mode") != "slide":
        return WindowSettings((WINDOW, WINDOW), (OVERLAP, OVERLAP))
    height, width = test_cfg["crop_size"]
    overlaps = [
        min(max(crop - step, crop // 8), crop // 2)
        for crop, step in zip((height, width), test_cfg["stride"], strict=True)
    ]
    return WindowSettings((height, width), (overlaps[0], overlaps[1]))


def sample_of(image_rgb: np.ndarray) -> dict:
    """Make the sample that a pipeline would load."""
    if image_rgb.dtype == np.uint8:
        image_HWC = cv2.cvtColor(np.ascontiguousarray(image_rgb), cv2.COLOR_RGB2BGR)
    else:
        image_HWC = np.ascontiguousarray(image_rgb[..., ::-1])
    if image_HWC.dtype == np.uint16:  # torch has few operations for it
        image_HWC = image_HWC.astype(np.float32)
    shape = image_HWC.shape[:2]
    return {"img": image_HWC, "img_path": None, "img_shape": shape, "ori_shape": shape, "seg_fields": []}


def _shapes(inputs: Any) -> tuple:
    return tuple(map(_shapes, inputs)) if isinstance(inputs, list) else tuple(inputs.shape)
