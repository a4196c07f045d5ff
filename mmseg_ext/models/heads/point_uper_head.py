"""mmseg's UPerHead, trained at the labelled pixels."""

from mmseg.models.decode_heads import UPerHead

from mmseg_ext.models.heads.point_supervision import PointSupervision
from mmseg_ext.registry import MODELS


@MODELS.register_module()
class PointUPerHead(UPerHead, PointSupervision):
    """mmseg's UPerHead with the loss of :class:`PointSupervision`: the same arguments and the same state_dict keys."""
