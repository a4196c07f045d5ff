"""Segmentors."""

from mmseg_ext.models.segmentors.blockwise_prediction import BlockwisePrediction
from mmseg_ext.models.segmentors.encoder_decoder import EncoderDecoder
from mmseg_ext.models.segmentors.seg_tta_model import SegTTAModel
from mmseg_ext.models.segmentors.sparse_encoder_decoder import SparseEncoderDecoder

__all__ = ["BlockwisePrediction", "EncoderDecoder", "SegTTAModel", "SparseEncoderDecoder"]
