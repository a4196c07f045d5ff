"""How much speaks for an error in each candidate.

Shape suffixes: P points, C classes.
"""

import math
from typing import NamedTuple

import numpy as np

from mmseg_ext.audit.candidates import Candidate, Kind
from mmseg_ext.audit.held_out_points import HeldOutPoints

HALF_SHARE = 0.002
"""Share of an image from which on the size of an area counts for half."""
PRIOR = 0.02
"""Share of labels that are taken to be wrong."""
HALF_WIDTH = 2.0
"""Width, in pixels, of the strip along a border from which on a border is doubted by half."""
UNEXPLAINED = 0.25
"""How much the part of such a strip counts that no shift of the label explains."""
USUAL_ELSEWHERE = 0.01
"""Share of the other pixels of a label, predicted likewise, up to which an area stands alone."""
SURE = 1e-6
"""Doubts are kept this far from 0 and 1 before their logarithm."""


class Weights(NamedTuple):
    """A logistic regression of one kind of areas: what each number adds to the logit of the score.

    Attributes:
        bias: Added to all.
        doubt: By the logit of :meth:`Ranking.doubt`.
        loss: By the mean loss of the labels.
        elsewhere: By the logarithm of the share of other pixels of the label that are predicted likewise.
    """

    bias: float
    doubt: float
    loss: float = 0.0
    elsewhere: float = 0.0


WRONG_CLASS = Weights(bias=0.9, doubt=1.2)
WEIGHTS: dict[Kind, Weights] = {
    "missing object": Weights(bias=-0.15, doubt=1.25),
    "extra object": Weights(bias=-5.0, doubt=0.45, loss=0.95, elsewhere=-0.5),
    "wrong class": WRONG_CLASS,
    "swapped classes": WRONG_CLASS,
    "other image's mask": WRONG_CLASS,
    "border": Weights(bias=1.0, doubt=1.9),
}
"""Rounded from a fit to errors put into labels of two datasets: ``benchmarks/audit.py --seeds 0 --fit``.

The biases of missing objects and of borders are 0.5 higher than fitted: errors of these kinds are the hardest to tell
from what models miss, and came behind all others.
"""


class Ranking:
    """Scores candidates, those of different kinds on one scale.

    A margin is the probability of the prediction less that of the label. It says little of a class that the models miss
    often: on its labels large margins are usual. So a margin is compared with those of all points of the label.

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

    def doubt(self, candidate: Candidate, image_pixels: int) -> float:
        """Return how doubtful a candidate is among those of its kind, 0..1.

        Args:
            candidate: Without a score.
            image_pixels: Of its image.
        """
        size = candidate.num_pixels / (candidate.num_pixels + HALF_SHARE * image_pixels)
        if candidate.kind == "border":
            width = candidate.width * size * (UNEXPLAINED + candidate.shift)
            return width / (width + HALF_WIDTH)
        usual = self.usual(candidate.label, candidate.predicted, candidate.margin)
        doubt = candidate.margin * PRIOR / (PRIOR + usual)
        return doubt if candidate.kind == "point" else doubt * size

    def measure(self, candidate: Candidate, image_pixels: int) -> tuple[float, ...]:
        """Return the numbers that the score of an area is made from, in the order of :class:`Weights`."""
        doubt = min(max(self.doubt(candidate, image_pixels), SURE), 1 - SURE)
        elsewhere = math.log(candidate.elsewhere + USUAL_ELSEWHERE)
        return 1.0, math.log(doubt / (1 - doubt)), candidate.loss, elsewhere

    def score(self, candidate: Candidate, image_pixels: int) -> Candidate:
        """Return a candidate with its score, 0..1.

        Args:
            candidate: Without a score.
            image_pixels: Of its image.
        """
        if candidate.kind == "point":
            return candidate._replace(score=self.doubt(candidate, image_pixels))
        weights, measured = WEIGHTS[candidate.kind], self.measure(candidate, image_pixels)
        logit = sum(weight * value for weight, value in zip(weights, measured, strict=True))
        return candidate._replace(score=1 / (1 + math.exp(-logit)))
