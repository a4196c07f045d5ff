"""How much speaks for an error in each candidate.

Shape suffixes: P points, C classes.
"""

import numpy as np

from mmseg_ext.audit.candidates import Candidate
from mmseg_ext.audit.held_out_points import HeldOutPoints

HALF_SHARE = 0.002
"""Share of an image from which on the size of an area counts for half."""
PRIOR = 0.02
"""Share of labels that are taken to be wrong."""
HALF_WIDTH = 2.0
"""Width, in pixels, of the strip along a border from which on a border is doubted by half."""
UNEXPLAINED = 0.25
"""How much the part of such a strip counts that no shift of the label explains."""


class Ranking:
    """Scores candidates by what the models say of points that they have not seen.

    A margin is the probability of the prediction less that of the label. It says little of a class that the models miss
    often: on its labels large margins are usual. So a margin is compared with those of all points of the label.

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

    def score(self, candidate: Candidate, image_pixels: int) -> Candidate:
        """Return a candidate with its score, 0..1.

        Args:
            candidate: Without a score.
            image_pixels: Of its image.
        """
        margin = candidate.margin
        size = candidate.num_pixels / (candidate.num_pixels + HALF_SHARE * image_pixels)
        if candidate.kind == "border":
            width = margin * size * (UNEXPLAINED + candidate.shift)
            return candidate._replace(score=width / (width + HALF_WIDTH))
        score = margin * PRIOR / (PRIOR + self.usual(candidate.label, candidate.predicted, margin))
        return candidate._replace(score=score if candidate.kind == "point" else score * size)
