"""The weights of the audit's scores, fitted to errors that were put into labels.

Shape suffixes: A areas, M numbers that the score of an area is made from.
"""

from collections.abc import Iterable

import numpy as np
from sklearn.linear_model import LogisticRegression

from mmseg_ext.audit.candidates import Kind
from mmseg_ext.audit.ranking import WEIGHTS, Weights


def fit_weights(areas: Iterable[tuple[Kind, tuple[float, ...], bool]]) -> dict[Kind, Weights]:
    """Fit one logistic regression a kind, to the numbers that count in it.

    Args:
        areas: Kind, numbers in the order of :class:`Weights`, and whether the area shows an error.
    """
    of_kind: dict[Kind, list[tuple[tuple[float, ...], bool]]] = {}
    for kind, measured, is_error in areas:
        of_kind.setdefault(kind, []).append((measured, is_error))
    found = {}
    for kind, some in of_kind.items():
        measured_AM, is_error_A = map(np.array, zip(*some, strict=True))
        if is_error_A.all() or not is_error_A.any():
            continue
        counts_M = np.array(WEIGHTS[kind]) != 0
        chosen_AM = measured_AM[:, counts_M]
        scale_M = np.maximum(chosen_AM.std(0), 1e-9)
        scale_M[0] = 1  # the bias
        regression = LogisticRegression(C=10, fit_intercept=False, max_iter=5000).fit(chosen_AM / scale_M, is_error_A)
        weights_M = np.zeros(len(counts_M))
        weights_M[counts_M] = regression.coef_[0] / scale_M
        found[kind] = Weights(*(round(float(weight), 2) for weight in weights_M))
    return found
