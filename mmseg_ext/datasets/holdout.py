"""Images of a training set that are held out for validation: a fixed share, or one part of neighbours."""

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


def contiguous_fold(names: Sequence[str], num_folds: int, fold: int) -> set[str]:
    """Choose one of several parts of neighbours in the sorted names, of equal size but for one name.

    For images that follow one another: neighbours show the same place, and a random share would hold out images whose
    neighbours are trained on.

    Args:
        names: Distinct names, in any order.
        num_folds: Number of parts.
        fold: The part that is held out, counted from 0.

    Example:
        >>> sorted(contiguous_fold([f'{i}.png' for i in range(8)], 3, 1))
        ['3.png', '4.png', '5.png']
    """
    ranked = sorted(names)
    return {name for rank, name in enumerate(ranked) if rank * num_folds // len(ranked) == fold}
