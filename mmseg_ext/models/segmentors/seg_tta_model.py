"""Test-time augmentation that averages probabilities.

Shape suffixes: C channels, H and W height and width of the original image.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseTTAModel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from mmseg_ext.arguments import ComponentConfig
from mmseg_ext.errors import UserError
from mmseg_ext.registry import MODELS


def mean_probabilities(outputs: Sequence[Tensor]) -> Tensor:
    """Average the probabilities of several predictions of one image.

    Args:
        outputs: The segmentor's ``seg_logits`` (C, H, W): logits of several channels, or, for one channel,
            probabilities.

    Returns:
        (C, H, W), at least float32.

    Raises:
        ValueError: The values of a single channel are no probabilities.
    """
    total = torch.zeros_like(outputs[0], dtype=torch.promote_types(outputs[0].dtype, torch.float32))
    for output_CHW in outputs:
        if len(output_CHW) > 1:
            total += output_CHW.to(total.dtype).softmax(dim=0)
            continue
        lowest, highest = output_CHW.aminmax()
        if not (lowest >= 0 and highest <= 1):
            raise ValueError(f"Expected probabilities in 0..1, got {float(lowest):g} to {float(highest):g}.")
        total += output_CHW
    return total / len(outputs)


@MODELS.register_module()
class SegTTAModel(BaseTTAModel):
    """mmseg's SegTTAModel, corrected for one sigmoid channel.

    With one channel, a segmentor returns probabilities as ``seg_logits``. mmseg's class applies the sigmoid again: a
    logit of −8, almost certainly background, becomes 0.5. Here the probabilities are averaged directly and compared
    with the threshold of the head. With several channels, predictions are mmseg's.

    A result is the first sample of the image, with ``pred_sem_seg`` (1, H, W) and the mean probabilities (C, H, W) in
    ``seg_logits``.

    Args:
        module: The segmentor. `keep_logits` of ``mmseg_ext.EncoderDecoder`` is set to True at each test step.
        **kwargs: Passed to mmengine's BaseTTAModel.
    """

    def __init__(self, module: ComponentConfig | nn.Module, **kwargs: Any) -> None:
        super().__init__(module, **kwargs)

    def test_step(self, data: Any) -> list[SegDataSample]:
        """Predict every augmentation of each image, and merge the predictions.

        Args:
            data: ``inputs`` and ``data_samples``, as mmengine's BaseTTAModel takes them.

        Returns:
            One sample per image.
        """
        # Here and not in the constructor: `module` may be another by now.
        if hasattr(self.module, "keep_logits"):
            self.module.keep_logits = True
        return super().test_step(data)

    def merge_preds(self, data_samples_list: Sequence[Sequence[SegDataSample]]) -> list[SegDataSample]:
        """Merge the predictions of each image.

        Args:
            data_samples_list: One sequence per image, one sample per augmentation.

        Returns:
            One sample per image.

        Raises:
            UserError: A sample has no logits.
        """
        head: Any = self.module.decode_head
        head = head[-1] if isinstance(head, nn.ModuleList) else head
        merged = []
        for samples in data_samples_list:
            if "seg_logits" not in samples[0]:
                raise UserError(
                    f"Expected a segmentor that leaves `seg_logits` in its samples, got {type(self.module).__name__}."
                )
            probability_CHW = mean_probabilities([sample.seg_logits.data for sample in samples])
            if len(probability_CHW) == 1:
                prediction_1HW = (probability_CHW > head.threshold).to(probability_CHW)
            else:
                prediction_1HW = probability_CHW.argmax(dim=0, keepdim=True)
            sample = samples[0]
            sample.set_data(
                {"seg_logits": PixelData(data=probability_CHW), "pred_sem_seg": PixelData(data=prediction_1HW)}
            )
            merged.append(sample)
        return merged
