"""mmseg's FPNHead, trained at the labelled pixels."""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads import FPNHead

from mmseg_ext.arguments import PositiveInt
from mmseg_ext.errors import UserError
from mmseg_ext.models.heads.head_arguments import as_list
from mmseg_ext.models.heads.point_supervision import PointSupervision
from mmseg_ext.registry import MODELS


@MODELS.register_module()
class PointFPNHead(FPNHead, PointSupervision):
    """mmseg's FPNHead with the loss of :class:`PointSupervision`: the same arguments and the same state_dict keys.

    Args:
        feature_strides: Strides of the features, the smallest first.
        **kwargs: As for any decode head of mmseg.

    Raises:
        UserError: There are not as many as `in_channels`, or the smallest is not the first.
    """

    def __init__(self, feature_strides: Sequence[PositiveInt], **kwargs: Any) -> None:
        in_channels = as_list(kwargs.get("in_channels", ()))
        if (
            not len(feature_strides)
            or len(feature_strides) != len(in_channels)
            or min(feature_strides) != feature_strides[0]
        ):
            raise UserError(
                f"PointFPNHead: expected as many feature_strides as in_channels, the smallest first, got "
                f"{feature_strides} for {in_channels}"
            )
        super().__init__(feature_strides, **kwargs)
