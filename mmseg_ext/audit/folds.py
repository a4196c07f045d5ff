"""Folds of a training set: each image is judged by a model that has seen no image of its group.

Shape suffixes: N images.
"""

from collections.abc import Sequence

import numpy as np

from mmseg_ext.errors import UserError
from mmseg_ext.scores.image_groups import Groups, group_images


def assign_folds(names: Sequence[str], groups: Groups = "folder", num_folds: int = 5) -> np.ndarray:
    r"""Assign images to folds of about equal size; a group stays together.

    Args:
        names: The names of the images, with forward slashes.
        groups: See :data:`~mmseg_ext.scores.image_groups.Groups`.
        num_folds: Most folds; with fewer groups there are as many folds as groups.

    Returns:
        The fold of each image, int (N,).

    Raises:
        UserError: There is one group alone, or fewer than two folds, or `groups` does not fit the names.

    Example:
        >>> assign_folds(["a/1.png", "a/2.png", "b/1.png", "c/1.png"], r"^\w+", 2).tolist()
        [0, 0, 1, 1]
    """
    if num_folds < 2:
        raise UserError(f"Expected --folds of 2 or more, got {num_folds}.")
    units = group_images(names, groups)
    if len(units) < 2:
        what = "image" if len(names) < 2 else f"group, {units.names[0]!r}, of {len(names)} images"
        raise UserError(
            f"Expected two groups of images or more, so that each is judged by a model fitted to others, got one {what}"
            f". {'Add images.' if len(names) < 2 else 'Group them otherwise: --groups image.'}"
        )
    sizes_U = np.bincount(units.index_N)
    load = np.zeros(min(num_folds, len(units)), dtype=np.int64)
    fold_U = np.zeros(len(units), dtype=np.int64)
    for unit in np.argsort(-sizes_U, kind="stable"):  # the largest first, each into the fold with the fewest images
        fold_U[unit] = load.argmin()
        load[fold_U[unit]] += sizes_U[unit]
    return fold_U[units.index_N]
