"""Metrics and the writers of predictions."""

from mmseg_ext.evaluation.prediction_writer import PredictionWriter
from mmseg_ext.evaluation.segmentation_metric import SegmentationMetric

__all__ = ["PredictionWriter", "SegmentationMetric"]
