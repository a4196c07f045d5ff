"""Two sides compared in all detail: in total, by class, by group of images, image by image.

Shape suffixes: U units, K runs; 3 is true positives, truth, found.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mmseg_ext.scores.class_scores import mean_over_classes, score_function
from mmseg_ext.scores.holm import holm
from mmseg_ext.scores.image_groups import Groups, group_images
from mmseg_ext.scores.image_matrices import ImageMatrices
from mmseg_ext.scores.intervals import class_intervals, collect_sample, score_interval
from mmseg_ext.scores.paired_difference import Difference, class_differences, paired_difference, smallest_difference


class Compared(NamedTuple):
    """One score of both sides; NaN where there is none.

    Attributes:
        name: Of the score, the class, the group or the image.
        first: Score of the first side, in percent.
        second: Of the second.
        low: Lower end of the interval of the difference.
        high: Upper end.
        p_value: Of the hypothesis that they are equal; of classes corrected for their number.
        num_images: Images that the score is of.
    """

    name: str
    first: float
    second: float
    low: float = float("nan")
    high: float = float("nan")
    p_value: float = float("nan")
    num_images: int = 0

    @property
    def difference(self) -> float:
        """The second score minus the first."""
        return self.second - self.first


class RunComparison(NamedTuple):
    """Two sides on the same images.

    Attributes:
        totals: Means over all images.
        classes: IoU of each class.
        groups: The score of each group of images; none where there is one group alone.
        images: The score of each image, those that gain most first; images without a score are left out.
        smallest: The smallest difference of the first of `totals` that these images show with 80 % power.
        units: What was resampled, in words.
        note: What a reader has to know of that; may be empty.
    """

    totals: list[Compared]
    classes: list[Compared]
    groups: list[Compared]
    images: list[Compared]
    smallest: float
    units: str
    note: str


def compare_runs(
    first: Sequence[ImageMatrices],
    second: Sequence[ImageMatrices],
    score: str = "mIoU",
    groups: Groups = "folder",
) -> RunComparison:
    """Compare two sides.

    Args:
        first: One run, or several that were trained with other seeds or on other folds.
        second: Likewise, on the same images.
        score: See :func:`~mmseg_ext.scores.class_scores.score_function`.
        groups: See :data:`~mmseg_ext.scores.image_groups.Groups`.

    Raises:
        UserError: As :func:`~mmseg_ext.scores.paired_difference.paired_difference`.
    """
    whole = paired_difference(first, second, score, groups)
    totals = [_of_total(first, second, score, groups, whole)]
    for name in ("mIoU", "mAcc", "aAcc"):
        if name != score:
            totals.append(_of_total(first, second, name, groups, paired_difference(first, second, name, groups)))
    found = class_differences(first, second, "IoU", groups)
    sides = [class_intervals(side, "IoU", groups, num_resamples=1).estimate for side in (first, second)]
    corrected = holm(found.p_value.tolist())
    rows = zip(first[0].classes, *(v.tolist() for v in (*sides, found.low, found.high)), corrected, strict=True)
    classes = [Compared(*row) for row in rows]
    # By folder also where there are too few to resample.
    names = list(dict.fromkeys(name for run in first for name in run.names))
    units = group_images(names, groups)
    if not units.is_grouped:
        groups = [name.rpartition("/")[0] for name in names]
    by_group = _of_units(first, second, score, groups)
    by_image = sorted(_of_units(first, second, score, "image"), key=lambda item: (-item.difference, item.name))
    smallest = smallest_difference(whole)
    return RunComparison(
        totals, classes, by_group if len(by_group) > 1 else [], by_image, smallest, whole.units.words, whole.units.note
    )


def _of_total(
    first: Sequence[ImageMatrices], second: Sequence[ImageMatrices], score: str, groups: Groups, found: Difference
) -> Compared:
    before, after = (score_interval(side, score, groups, num_resamples=1).estimate for side in (first, second))
    return Compared(score, float(before), float(after), float(found.low), float(found.high), float(found.p_value))


def _of_units(
    first: Sequence[ImageMatrices], second: Sequence[ImageMatrices], score: str, groups: Groups
) -> list[Compared]:
    sample = collect_sample([*first, *second], groups)
    scores_UK = score_function(score, first[0].classes)(sample.counts_UK3C)
    sides = scores_UK[:, : len(first)], scores_UK[:, len(first) :]
    first_U, second_U = (mean_over_classes(side) for side in sides)
    sizes = np.bincount(sample.units.index_N, minlength=len(sample.units))
    compared = [
        Compared(name, float(a), float(b), num_images=int(size))
        for name, a, b, size in zip(sample.units.names, first_U, second_U, sizes, strict=True)
    ]
    return [item for item in compared if np.isfinite(item.difference)]
