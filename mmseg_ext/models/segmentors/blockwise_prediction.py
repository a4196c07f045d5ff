"""Prediction for images of any size."""

from collections.abc import Sequence
from typing import Any

from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_ext.errors import UserError
from mmseg_ext.models.heads.mask_prediction import MaskPrediction, class_probabilities
from mmseg_ext.models.label_range import check_labels
from mmseg_ext.models.resampling.image_logits import ImageLogits
from mmseg_ext.models.resampling.image_scores import ClassMasks, ImageScores
from mmseg_ext.models.resampling.predicted_images import Placement, placement_of, predict_images
from mmseg_ext.models.segmentors.sample_without_logits import without_logits


def window_starts(size: int, window_size: int, stride: int) -> list[int]:
    """Compute the first pixels of the windows of ``slide_inference`` along an axis; the last one ends with the axis.

    Example:
        >>> window_starts(10, 4, 3)
        [0, 3, 6]
        >>> window_starts(9, 4, 3)
        [0, 3, 5]
        >>> window_starts(3, 4, 3)
        [0]
    """
    count = max(size - window_size + stride - 1, 0) // stride + 1
    return [max(min(index * stride, size - window_size), 0) for index in range(count)]


class BlockwisePrediction(EncoderDecoder):
    """A segmentor whose prediction never stores all logits at the size of the original image.

    mmseg's EncoderDecoder enlarges the logits of all classes to the original image before it takes the argmax: 150
    classes × 3000 × 4000 pixels are 7.2 GB. Here the logits are enlarged and classified block by block. The class map
    is mmseg's, except for pixels whose two highest logits differ by no more than the rounding of float32.

    - Whole images: only the head's own small logits are stored.
    - Sliding windows (``test_cfg=dict(mode='slide', …)``): the small logits of the rows of windows that overlap.
    - Mask heads (EoMT, PMTHead, ``mmseg_ext.Mask2FormerHead``; see `has_mask_head`): their small masks are stored.
    - Other heads with their own `predict` or `predict_by_feat` (EncHead, SAN, mmseg's Mask2FormerHead), and
      segmentors that override mmseg's methods of inference: the logits at the size of the network's input are stored,
      as in mmseg, and only the resizing to the original image is done block by block.

    To use it in your own segmentor, inherit from this class instead of mmseg's EncoderDecoder.

    Args:
        *args: Passed to EncoderDecoder.
        keep_logits: Predict exactly as mmseg does, and keep ``seg_logits`` at original size in the samples. Test-time
            augmentation (SegTTAModel) needs them.
        validation_loss: Compute the cross-entropy (softmax or, for one channel, sigmoid) of samples that have labels,
            at the size of the labels. Each sample then has ``cross_entropy = {'sum': float, 'num_pixels': int}``, and
            SegmentationMetric reports ``val_loss``.
        **kwargs: Passed to EncoderDecoder.

    Raises:
        UserError: `validation_loss` with a head that does not return logits, or labels of another size or range.
    """

    def __init__(self, *args: Any, keep_logits: bool = False, validation_loss: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.keep_logits = keep_logits
        self.validation_loss = validation_loss
        head = self._last_head()
        if validation_loss and not (
            isinstance(head, BaseDecodeHead) and type(head).predict_by_feat is BaseDecodeHead.predict_by_feat
        ):
            raise UserError(
                f"Expected a head that returns logits for `validation_loss`, got {type(head).__name__}, whose scores "
                "are none. Leave `validation_loss` out."
            )

    def _last_head(self) -> Any:
        return self.decode_head[-1] if isinstance(self.decode_head, nn.ModuleList) else self.decode_head

    @property
    def has_plain_head(self) -> bool:
        """Whether head and segmentor use mmseg's methods of prediction, so that the head's logits are sufficient."""
        head = self.decode_head
        return (
            isinstance(head, BaseDecodeHead)
            and type(head).predict is BaseDecodeHead.predict
            and type(head).predict_by_feat is BaseDecodeHead.predict_by_feat
            and self._has_plain_inference
        )

    @property
    def has_mask_head(self) -> bool:
        """Whether the head predicts as `MaskPrediction` and the segmentor as mmseg's."""
        head = self.decode_head
        return (
            isinstance(head, MaskPrediction)
            and type(head).predict is MaskPrediction.predict
            and not self.align_corners
            and self._has_plain_inference
        )

    @property
    def _has_plain_inference(self) -> bool:
        methods = ("inference", "whole_inference", "slide_inference", "encode_decode")
        return all(getattr(type(self), name) is getattr(EncoderDecoder, name) for name in methods)

    def predict(self, inputs: Tensor, data_samples: Sequence[SegDataSample] | None = None) -> list[SegDataSample]:
        """Predict a batch.

        Args:
            inputs: (N, 3, H, W), floating point, normalised and padded.
            data_samples: mmseg's SegDataSample, with the meta information of the images; None for results at the size
                of the inputs.

        Returns:
            The samples with ``pred_sem_seg`` (1, H, W) at original size; int64, or 0 and 1 in floating point for one
            channel. Without `keep_logits`, reading their ``seg_logits`` says what to set.
        """
        overridden = type(self).postprocess_result is not EncoderDecoder.postprocess_result
        if overridden or (self.keep_logits and not self.validation_loss):
            return super().predict(inputs, data_samples)
        if data_samples is None:
            shape = inputs.shape[2:]  # a torch.Size, as stock heads expect
            meta = {"ori_shape": shape, "img_shape": shape, "pad_shape": shape, "padding_size": [0, 0, 0, 0]}
            metas = [meta] * len(inputs)
        else:
            metas = [sample.metainfo for sample in data_samples]
        seg_logits = None
        if self.keep_logits or not (self.has_plain_head or self.has_mask_head):
            seg_logits = self.inference(inputs, metas)
            logits = ImageLogits.of_whole(seg_logits, tuple(seg_logits.shape[2:]), self.align_corners)
        else:
            logits = self._image_logits(inputs, metas)
        if data_samples is None:
            height, width = logits.shape
            placements = [Placement((0, height), (0, width), None, logits.shape)] * len(inputs)
            samples = [SegDataSample() for _ in metas]
        else:
            samples = list(data_samples)
            placements = [placement_of(meta, logits.shape) for meta in metas]
        labels = [self._labels(sample, placement) for sample, placement in zip(samples, placements, strict=True)]
        head = self._last_head()
        ignore_index = getattr(head, "ignore_index", 255)
        threshold = getattr(head, "threshold", None)  # of one channel; other heads have none
        found = predict_images(logits, placements, 0.5 if threshold is None else threshold, labels, ignore_index)
        if self.keep_logits:
            samples = self.postprocess_result(seg_logits, data_samples)
        for sample, prediction, labels_HW in zip(samples, found, labels, strict=True):
            if not self.keep_logits:
                without_logits(sample).pred_sem_seg = PixelData(data=prediction.prediction_HW[None])
            if labels_HW is not None:
                sample.cross_entropy = {"sum": prediction.cross_entropy, "num_pixels": prediction.num_labelled}
        return samples

    def input_logits(self, inputs: Tensor, metas: list[dict]) -> Tensor:
        """Compute the logits at the size of the inputs, as mmseg's `inference` does, with the weights that predict.

        Args:
            inputs: (N, 3, H, W), normalised and padded.
            metas: The meta information of the images.

        Returns:
            (N, C, H, W).
        """
        return self.inference(inputs, metas)

    def _image_logits(self, inputs: Tensor, metas: list[dict]) -> ImageLogits:
        """Prepare the logits that ``whole_inference`` or ``slide_inference`` would return."""
        head, has_masks = self.decode_head, self.has_mask_head
        kind = ImageScores if has_masks else ImageLogits

        def outputs(images: Tensor) -> Any:
            features = self.extract_feat(images)
            if not has_masks:
                return head.forward(features)
            class_logits_NQK, masks_NQhw = head.predict_masks(features, metas)
            return ClassMasks(class_probabilities(class_logits_NQK), masks_NQhw)

        mode = self.test_cfg.get("mode", "whole")
        if mode not in ("whole", "slide"):
            raise UserError(f"Expected `test_cfg.mode` to be 'whole' or 'slide', got {mode!r}.")
        if mode == "slide":
            shape = (inputs.shape[2], inputs.shape[3])
            window = tuple(min(size, limit) for size, limit in zip(self.test_cfg.crop_size, shape, strict=True))
            tops, lefts = (
                window_starts(*axis) for axis in zip(shape, self.test_cfg.crop_size, self.test_cfg.stride, strict=True)
            )

            def compute(top: int, left: int) -> Any:
                return outputs(inputs[:, :, top : top + window[0], left : left + window[1]])

            return kind(shape, window, tops, lefts, compute, self.align_corners)
        output = outputs(inputs)
        # The size that the head would enlarge its logits or masks to.
        if has_masks:
            enlarged = head.input_shape(metas[0])
        else:
            # One channel says it: torch takes milliseconds to enlarge a tensor of the meta device.
            enlarged = tuple(head.predict_by_feat(output[:1, :1], metas).shape[2:])
        return kind.of_whole(output, enlarged, self.align_corners)

    def _labels(self, sample: SegDataSample, placement: Placement) -> Tensor | None:
        """Return the labels for the cross-entropy, None without labels or without `validation_loss`."""
        if not self.validation_loss or "gt_sem_seg" not in sample:
            return None
        head = self._last_head()
        labels_HW = sample.gt_sem_seg.data.squeeze(0).to(next(self.parameters()).device)
        name = sample.get("seg_map_path") or sample.get("img_path")
        if tuple(labels_HW.shape) != tuple(placement.shape):
            raise UserError(
                f"{name}: Expected labels at the size of the original image {tuple(placement.shape)} for "
                f"`validation_loss`, got {tuple(labels_HW.shape)}. Load them after Resize in the test pipeline."
            )
        check_labels(labels_HW[None], [sample], self.out_channels, head.ignore_index)
        return labels_HW
