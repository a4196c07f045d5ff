"""A segmentor with everything around it, from the pixels of an image to probabilities: what is exported.

Shape suffixes: N batch, C channels of the output, H W height and width of the image.
"""

import math
from typing import Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmseg_ext.errors import UserError
from mmseg_ext.prediction.class_scores import normalized
from mmseg_ext.prediction.model_loading import last_head

WHITE = 255.0
"""The pixel value that is 1 in an exported graph, whose input is that of QGIS's Deepness."""


def threshold_logit(threshold: float) -> float:
    """Return the logit of the threshold of one sigmoid channel, kept finite at 0 and 1.

    Example:
        >>> threshold_logit(0.5), round(threshold_logit(0.3), 4)
        (0.0, -0.8473)
    """
    limited = min(max(threshold, 2.0**-24), 1 - 2.0**-24)
    return math.log(limited) - math.log1p(-limited)


class ExportableNetwork(nn.Module):
    """Computes the probabilities of an image's pixels, at the size of the image.

    In this order: units of the training images, order of the channels, normalisation, padding, network, resizing of the
    logits, removal of the padding, softmax or sigmoid. Of one sigmoid channel the logits are shifted so that the
    threshold comes to a probability of 0.5.

    Args:
        segmentor: In evaluation mode. Where a mean teacher predicts, its modules replace the segmentor's.

    Attributes:
        has_plain_head: Whether the head predicts as mmseg's heads do; others are exported for one image at a time.

    Raises:
        UserError: A part of the segmentor's prediction is not computed by torch.
    """

    def __init__(self, segmentor: Any) -> None:
        super().__init__()
        head: Any = last_head(segmentor)
        if getattr(head, "uses_descriptors", False):
            raise UserError(
                "Expected a head that looks at the network's features alone, got a LightHead with ExtraTrees, which "
                "looks at colour and texture outside of the network. Fit without it: model.decode_head.classifiers="
                "[dict(type='mmseg_ext.LogisticRegression')]."
            )
        if "num_points" in dict(head.named_buffers()) and not head.num_points:
            raise UserError("Expected a fitted head, got one without a fit. Fit it: python tools/fit.py CONFIG.")
        teacher = getattr(segmentor, "teacher", None)
        for name, module in (teacher.modules_to_predict_with if teacher is not None else {}).items():
            setattr(segmentor, name, module)
        self.segmentor = segmentor
        self.offset = threshold_logit(head.threshold) if segmentor.out_channels == 1 else 0.0
        self.gives_logits = isinstance(head, BaseDecodeHead)
        self.has_plain_head = self.gives_logits and type(head).predict is BaseDecodeHead.predict
        self.pad_size, self.pad_divisor = _padding_of(segmentor.data_preprocessor)

    def forward(self, image: Tensor) -> Tensor:
        """Compute probabilities.

        Args:
            image: (N, 3, H, W), RGB; 0 is black and 1 is white, or the value 255 of images of more than eight bits.

        Returns:
            (N, C, H, W): the classes' probabilities, or that of class 1.
        """
        logits_NCHW = self.input_logits(self._normalized(image))[:, :, : image.shape[2], : image.shape[3]]
        if not self.gives_logits:
            return normalized(logits_NCHW, dim=1)
        if logits_NCHW.shape[1] > 1:
            return logits_NCHW.softmax(1)
        return (logits_NCHW - self.offset).sigmoid()

    def _normalized(self, image: Tensor) -> Tensor:
        """Do what the segmentor's data preprocessor does with images of a test."""
        preprocessor = self.segmentor.data_preprocessor
        pixels_N3HW = image * WHITE
        if not getattr(preprocessor, "_channel_conversion", False):  # the network takes them as they are loaded: BGR
            pixels_N3HW = pixels_N3HW.flip(1)
        if getattr(preprocessor, "_enable_normalize", False):
            pixels_N3HW = (pixels_N3HW - preprocessor.mean) / preprocessor.std
        lengths = [pixels_N3HW.shape[2], pixels_N3HW.shape[3]]
        if self.pad_size is not None:
            missing = [torch.sym_max(size - length, 0) for size, length in zip(self.pad_size, lengths, strict=True)]
        elif self.pad_divisor > 1:
            missing = [-length % self.pad_divisor for length in lengths]
        else:
            return pixels_N3HW
        below_and_right: Any = (0, missing[1], 0, missing[0])
        return nn.functional.pad(pixels_N3HW, below_and_right, value=preprocessor.pad_val)

    def input_logits(self, inputs: Tensor) -> Tensor:
        """Compute the logits of normalised images at their size, as mmseg's ``whole_inference`` does."""
        shape = inputs.shape[2:]
        metas = [{"ori_shape": shape, "img_shape": shape, "pad_shape": shape, "padding_size": [0, 0, 0, 0]}]
        return self.segmentor.encode_decode(inputs, metas * (1 if self.has_plain_head else inputs.shape[0]))


def _padding_of(preprocessor: Any) -> tuple[tuple[int, int] | None, int]:
    """Return the least size that images of a test are padded to, and what their sides are made a multiple of."""
    settings = getattr(preprocessor, "test_cfg", None) or {}
    size = settings.get("size")
    return (None if size is None else tuple(size)), settings.get("size_divisor") or 1
