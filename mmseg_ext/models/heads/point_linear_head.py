"""LinearHead, trained at the labelled pixels."""

from mmseg_ext.models.heads.linear_head import LinearHead
from mmseg_ext.models.heads.point_supervision import PointSupervision
from mmseg_ext.registry import MODELS


@MODELS.register_module()
class PointLinearHead(LinearHead, PointSupervision):
    """LinearHead with the loss of :class:`PointSupervision`: the same arguments and the same state_dict keys."""
