"""What LoveDA's server takes."""

from typing import Any

from mmseg_ext.arguments import StrPath
from mmseg_ext.evaluation.submissions.label_map_submission import LabelMapSubmission
from mmseg_ext.registry import METRICS


@METRICS.register_module()
class LoveDASubmission(LabelMapSubmission):
    """Write LoveDA's zip file: one PNG an image, flat, of the values 0 (background) to 6 (agriculture).

    mmseg's ``format_only`` writes 1 to 7.

    Scalars, where there are masks, of the file as it was read back, in percent: ``loveda/mIoU`` and ``loveda/aAcc``.

    Args:
        output: The zip file; see :class:`LabelMapSubmission`.
        **kwargs: Passed to :class:`LabelMapSubmission`.
    """

    default_prefix = "loveda"
    num_classes = 7

    def __init__(self, output: StrPath = "loveda.zip", **kwargs: Any) -> None:
        super().__init__(output, **kwargs)
