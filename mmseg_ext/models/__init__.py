"""Backbones, necks, layers, heads, losses and segmentors."""

from mmseg_ext.models.backbones import DINO, EfficientNetLite, SMPBackbone
from mmseg_ext.models.heads import (
    EoMT,
    LinearHead,
    Mask2FormerHead,
    PMTHead,
    PointFCNHead,
    PointFPNHead,
    PointLinearHead,
    PointSupervision,
    PointUPerHead,
)
from mmseg_ext.models.layers import MultiScaleDeformableAttention
from mmseg_ext.models.losses import (
    MaskLoss,
    PartialBinaryCrossEntropyLoss,
    PartialCrossEntropyLoss,
    PartialDiceLoss,
    PointMaskLoss,
)
from mmseg_ext.models.necks import UNetDecoder
from mmseg_ext.models.regularizers import FeatureAffinityLoss, GatedCRFLoss, PottsLoss
from mmseg_ext.models.segmentors import BlockwisePrediction, EncoderDecoder, SegTTAModel, SparseEncoderDecoder
from mmseg_ext.stack.inference_api import accept_own_pipelines

__all__ = [
    "DINO",
    "BlockwisePrediction",
    "EfficientNetLite",
    "EncoderDecoder",
    "EoMT",
    "FeatureAffinityLoss",
    "GatedCRFLoss",
    "LinearHead",
    "Mask2FormerHead",
    "MaskLoss",
    "MultiScaleDeformableAttention",
    "PMTHead",
    "PartialBinaryCrossEntropyLoss",
    "PartialCrossEntropyLoss",
    "PartialDiceLoss",
    "PointFCNHead",
    "PointFPNHead",
    "PointLinearHead",
    "PointMaskLoss",
    "PointSupervision",
    "PointUPerHead",
    "PottsLoss",
    "SMPBackbone",
    "SegTTAModel",
    "SparseEncoderDecoder",
    "UNetDecoder",
]

# Here, because mmengine imports this module when mmseg's `init_model` or `MMSegInferencer` builds a model of ours,
# before they look at the pipeline; a user of that API calls nothing else of this package.
accept_own_pipelines()
