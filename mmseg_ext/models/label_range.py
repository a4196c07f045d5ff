"""Labels that no class has are refused before they reach a loss, where a GPU would stop without naming a file."""

from collections.abc import Sequence

from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_ext.errors import UserError
from mmseg_ext.scores.confusion_matrix import check_range


def check_labels(
    labels_NHW: Tensor, data_samples: Sequence[SegDataSample], out_channels: int, ignore_index: int
) -> None:
    """Refuse labels that the head has no channel for.

    Args:
        labels_NHW: Class indices.
        data_samples: The images' samples.
        out_channels: Channels of the head; one channel has the labels 0 and 1.
        ignore_index: Marks pixels without a label.

    Raises:
        UserError: A label is not in 0..C-1; names the file.
    """
    num_classes = max(out_channels, 2)
    wrong_NHW = ((labels_NHW < 0) | (labels_NHW >= num_classes)) & (labels_NHW != ignore_index)
    if not wrong_NHW.any():
        return
    for labels_HW, sample in zip(labels_NHW, data_samples, strict=True):
        try:
            check_range(labels_HW[labels_HW != ignore_index], num_classes, "labels", ignore_index)
        except ValueError as error:
            raise UserError(f"{sample.get('seg_map_path') or sample.get('img_path')}: {error}") from None
