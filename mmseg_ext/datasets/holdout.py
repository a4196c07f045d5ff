"""A fixed share of a training set, held out for validation."""

import hashlib
from collections.abc import Sequence

from mmseg_ext.image_names import name_bytes


def hold_out(names: Sequence[str], fraction: float) -> set[str]:
    """Choose the held-out share of a list of names.

    The choice depends on the names alone: it is the same on every machine and in every run, and a larger fraction holds
    all of a smaller one.

    Args:
        names: Distinct names, in any order.
        fraction: Share to hold out, in [0, 1]; rounded to whole names.

    Example:
        >>> len(hold_out([f'{i}.png' for i in range(50)], 0.1))
        5
    """
    ranked = sorted(names, key=lambda name: hashlib.sha256(name_bytes(name)).digest())
    return set(ranked[: round(len(ranked) * fraction)])
