"""Submission files of competitions, and their formats as functions."""

from mmseg_ext.evaluation.submissions.ade20k_submission import ADE20KSubmission
from mmseg_ext.evaluation.submissions.loveda_submission import LoveDASubmission
from mmseg_ext.evaluation.submissions.polygon_submission import PolygonSubmission
from mmseg_ext.evaluation.submissions.polygons import mask_to_polygons, polygons_to_mask
from mmseg_ext.evaluation.submissions.rle_submission import RLESubmission
from mmseg_ext.evaluation.submissions.run_length import decode_rle, encode_rle

__all__ = [
    "ADE20KSubmission",
    "LoveDASubmission",
    "PolygonSubmission",
    "RLESubmission",
    "decode_rle",
    "encode_rle",
    "mask_to_polygons",
    "polygons_to_mask",
]
