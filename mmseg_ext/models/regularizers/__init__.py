"""Losses on the unlabelled pixels."""

from mmseg_ext.models.regularizers.feature_affinity_loss import FeatureAffinityLoss
from mmseg_ext.models.regularizers.gated_crf_loss import GatedCRFLoss
from mmseg_ext.models.regularizers.potts_loss import PottsLoss
from mmseg_ext.models.regularizers.regularizer import Regularizer, TrainingBatch

__all__ = ["FeatureAffinityLoss", "GatedCRFLoss", "PottsLoss", "Regularizer", "TrainingBatch"]
