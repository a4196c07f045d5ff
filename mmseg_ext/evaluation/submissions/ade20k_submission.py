"""What ADE20K's server takes."""

from typing import Any

from mmseg_ext.arguments import StrPath
from mmseg_ext.evaluation.submissions.label_map_submission import LabelMapSubmission
from mmseg_ext.registry import METRICS


@METRICS.register_module()
class ADE20KSubmission(LabelMapSubmission):
    """Write ADE20K's class maps: one PNG an image, of the values 1 (wall) to 150 (flag).

    Scalars, where there are masks, of the files as they were read back, in percent: ``ade20k/mIoU``, ``ade20k/aAcc``.

    Args:
        output: A folder, or a zip file; see :class:`LabelMapSubmission`.
        **kwargs: Passed to :class:`LabelMapSubmission`.
    """

    default_prefix = "ade20k"
    num_classes = 150
    first_value = 1

    def __init__(self, output: StrPath = "ade20k", **kwargs: Any) -> None:
        super().__init__(output, **kwargs)
