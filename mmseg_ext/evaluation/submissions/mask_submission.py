"""What the writers of one class against the rest share.

Shape suffixes: H height, W width, N images, C classes.
"""

from typing import Any

import numpy as np

from mmseg_ext.arguments import NonNegativeInt, StrPath
from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.submissions.submission_writer import SubmissionWriter
from mmseg_ext.scores.percentages import percent


def foreground_scores(confusions_N22: np.ndarray) -> dict[str, float]:
    """Score the foreground over all pixels, and as a mean over the images.

    Args:
        confusions_N22: One matrix an image, truth in rows.

    Returns:
        IoU and Dice over all pixels, and ImageDice, the mean of the images' Dice, in percent; an image that has no
        foreground in truth and file counts 100 in ImageDice. NaN where there is nothing to score.
    """
    intersection_N = confusions_N22[:, 1, 1]
    union_N = confusions_N22[:, 1, 0] + confusions_N22[:, 0, 1] + intersection_N
    dice_N = np.where(union_N == 0, 100.0, percent(2 * intersection_N, union_N + intersection_N))
    intersection, union = intersection_N.sum(), union_N.sum()
    dice = percent(2 * intersection, union + intersection)
    return {"IoU": float(percent(intersection, union)), "Dice": float(dice), "ImageDice": float(dice_N.mean())}


class MaskSubmission(SubmissionWriter):
    """A writer of one class against the rest.

    Args:
        output: See :class:`SubmissionWriter`.
        class_index: The class to write.
        **kwargs: Passed to :class:`SubmissionWriter`.

    Raises:
        UserError: The dataset has no such class.
    """

    def __init__(self, output: StrPath, class_index: NonNegativeInt = 1, **kwargs: Any) -> None:
        super().__init__(output, **kwargs)
        self.class_index = class_index

    def check_classes(self, num_classes: int) -> None:
        """Refuse a class that the dataset does not have."""
        if not 0 <= self.class_index < num_classes:
            raise UserError(
                f"Expected `class_index` of {type(self).__name__} in 0..{num_classes - 1}, got {self.class_index}."
            )

    def num_written_classes(self) -> int:
        """Return 2: the class, and all others."""
        return 2

    def select(self, class_map_HW: np.ndarray) -> np.ndarray:
        """Return 1 where the class is."""
        return (class_map_HW == self.class_index).astype(np.uint8)

    def scores(self, confusions_NCC: np.ndarray) -> dict[str, float]:
        """Score the foreground; see :func:`foreground_scores`."""
        return foreground_scores(confusions_NCC)
