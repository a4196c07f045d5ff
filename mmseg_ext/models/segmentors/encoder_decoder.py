"""mmseg's encoder-decoder, for images of any size."""

from mmseg_ext.models.segmentors.blockwise_prediction import BlockwisePrediction
from mmseg_ext.registry import MODELS


@MODELS.register_module()
class EncoderDecoder(BlockwisePrediction):
    """mmseg's EncoderDecoder with little memory for prediction; arguments, weights and predictions are the same.

    See :class:`BlockwisePrediction` for two additional arguments.
    """
