"""How much speaks for an error in each candidate.

Shape suffixes: P points, C classes.
"""

import numpy as np

from mmseg_ext.audit.candidates import Candidate
from mmseg_ext.audit.held_out_points import HeldOutPoints

HALF_PIXELS = 100.0
"""Pixels of an area from which on its size counts for half."""
HALF_WIDTH = 2.0
"""Width, in pixels, of the strip along a border from which on a border is doubted by half."""


class Ranking:
    """Scores candidates by what the models say of points that they have not seen.

    A margin is the probability of the prediction less that of the label. It says little of a class that the models often
    miss: on such labels margins as large are usual. So a margin is compared with those of all points of the label.

    Args:
        points: Of all folds.
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

    def score(self, candidate: Candidate) -> Candidate:
        """Return a candidate with its score, 0..1."""
        margin = candidate.margin
        if candidate.kind == "border":
            return candidate._replace(score=margin / (margin + HALF_WIDTH))
        score = margin * (1 - self.usual(candidate.label, candidate.predicted, margin))
        if candidate.kind != "point":
            score *= candidate.num_pixels / (candidate.num_pixels + HALF_PIXELS) * candidate.agreement
        return candidate._replace(score=score)
