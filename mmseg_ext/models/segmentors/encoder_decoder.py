"""mmseg's encoder-decoder, for images of any size."""

from mmseg_ext.models.segmentors.blockwise_prediction import BlockwisePrediction
from mmseg_ext.registry import MODELS


@MODELS.register_module()
class EncoderDecoder(BlockwisePrediction):
    """mmseg's EncoderDecoder with the same arguments, weights and predictions, whose prediction takes little memory.

    See :class:`BlockwisePrediction` for its two further arguments.
    """
