"""Metrics and the writers of predictions."""

from mmseg_ext.evaluation.clean_up import CleanUp
from mmseg_ext.evaluation.original_resolution_metric import OriginalResolutionMetric
from mmseg_ext.evaluation.prediction_writer import PredictionWriter
from mmseg_ext.evaluation.segmentation_metric import SegmentationMetric
from mmseg_ext.evaluation.submissions import ADE20KSubmission, LoveDASubmission, PolygonSubmission, RLESubmission
from mmseg_ext.evaluation.threshold_metric import ThresholdMetric

__all__ = [
    "ADE20KSubmission",
    "CleanUp",
    "LoveDASubmission",
    "OriginalResolutionMetric",
    "PolygonSubmission",
    "PredictionWriter",
    "RLESubmission",
    "SegmentationMetric",
    "ThresholdMetric",
]
