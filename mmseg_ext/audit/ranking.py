"""How much speaks for an error in each candidate.

Shape suffixes: P points, C classes.
"""

import math
from typing import NamedTuple

import numpy as np

from mmseg_ext.audit.candidates import Candidate, Kind
from mmseg_ext.audit.held_out_points import HeldOutPoints

SMALLEST_SHARE = 0.001
"""Share of the connected area of a label below which areas are not told apart."""
USUAL_ELSEWHERE = 0.01
"""Share of the other pixels of a label, predicted likewise, up to which an area stands alone."""
HALF_SHARE = 0.002
"""Share of an image from which on the size of a border's strip counts for half."""
UNEXPLAINED = 0.25
"""How much the part of such a strip counts that no shift of the label explains."""
PRIOR = 0.02
"""Share of points that are taken to be labelled wrongly."""


class Weights(NamedTuple):
    """A logistic regression of one kind of areas: what each number adds to the logit of the score.

    Attributes:
        bias: Added to all.
        loss: By the mean loss of the labels.
        size: By the logarithm of the share of the image.
        share: By that of the share of the connected area of the label.
        elsewhere: By that of the share of other pixels of the label that are predicted likewise.
        strip: By that of the width of a border's strip, counted by its size and by what a shift explains of it.
    """

    bias: float
    loss: float
    size: float = 0.0
    share: float = 0.0
    elsewhere: float = 0.0
    strip: float = 0.0


WRONG_CLASS = Weights(bias=-1.05, loss=0.47, size=0.74, elsewhere=-0.67)
WEIGHTS: dict[Kind, Weights] = {
    "missing object": Weights(bias=1.1, loss=0.63, size=0.68, share=0.53),
    "extra object": Weights(bias=-6.9, loss=1.32, elsewhere=-0.58),
    "wrong class": WRONG_CLASS,
    "swapped classes": WRONG_CLASS,
    "other image's mask": WRONG_CLASS,
    "border": Weights(bias=-1.8, loss=0.71, strip=1.6),
}
"""Fitted to errors put into the labels of 54 aerial images: ``benchmarks/audit.py --datasets dubai --seeds 0 --fit``.

Two biases are higher than fitted, that of missing objects by 1.0 and that of borders by 0.7: errors of these kinds are
the hardest to tell from what models miss, and came behind all others.
"""


class Ranking:
    """Scores candidates.

    Of a point, the margin is the probability of the prediction less that of the label. It says little of a class that
    the models miss often: on its labels large margins are usual. So it is compared with those of all points of the
    label.

    Args:
        points: Of all folds, as models see them that were not fitted to them.
    """

    def __init__(self, points: HeldOutPoints) -> None:
        self._probabilities_PC = points.probabilities_PC
        self._labels_P = points.labels_P
        self._margins: dict[tuple[int, int], np.ndarray] = {}

    def usual(self, label: int, predicted: int, margin: float) -> float:
        """Return the share of the points of a label whose margin for this prediction is as large, 0..1."""
        key = label, predicted
        if key not in self._margins:
            own_PC = self._probabilities_PC[self._labels_P == label]
            self._margins[key] = np.sort(own_PC[:, predicted] - own_PC[:, label])
        margins = self._margins[key]
        return float((len(margins) - np.searchsorted(margins, margin) + 1) / (len(margins) + 2))

    def score(self, candidate: Candidate, image_pixels: int) -> Candidate:
        """Return a candidate with its score, 0..1.

        Args:
            candidate: Without a score.
            image_pixels: Of its image.
        """
        if candidate.kind == "point":
            usual = self.usual(candidate.label, candidate.predicted, candidate.margin)
            return candidate._replace(score=candidate.margin * PRIOR / (PRIOR + usual))
        weights, measured = WEIGHTS[candidate.kind], measure_area(candidate, image_pixels)
        logit = sum(weight * value for weight, value in zip(weights, measured, strict=True))
        return candidate._replace(score=1 / (1 + math.exp(-logit)))


def measure_area(candidate: Candidate, image_pixels: int) -> tuple[float, ...]:
    """Return the numbers that the score of an area is made from, in the order of :class:`Weights`, 1 for the bias."""
    size = candidate.num_pixels / image_pixels
    strip = candidate.width * size / (size + HALF_SHARE) * (UNEXPLAINED + candidate.shift)
    return (
        1.0,
        candidate.loss,
        math.log(size),
        math.log(candidate.share + SMALLEST_SHARE),
        math.log(candidate.elsewhere + USUAL_ELSEWHERE),
        math.log(strip) if candidate.kind == "border" else 0.0,
    )
