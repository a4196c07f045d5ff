"""Decode heads."""

from mmseg_ext.models.heads.eomt import EoMT
from mmseg_ext.models.heads.linear_head import LinearHead
from mmseg_ext.models.heads.mask2former_head import Mask2FormerHead
from mmseg_ext.models.heads.pmt_head import PMTHead
from mmseg_ext.models.heads.point_fcn_head import PointFCNHead
from mmseg_ext.models.heads.point_fpn_head import PointFPNHead
from mmseg_ext.models.heads.point_linear_head import PointLinearHead
from mmseg_ext.models.heads.point_supervision import PointSupervision
from mmseg_ext.models.heads.point_uper_head import PointUPerHead

__all__ = [
    "EoMT",
    "LinearHead",
    "Mask2FormerHead",
    "PMTHead",
    "PointFCNHead",
    "PointFPNHead",
    "PointLinearHead",
    "PointSupervision",
    "PointUPerHead",
]
