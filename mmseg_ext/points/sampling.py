"""Points sampled from a label map: all but a few of its pixels are ignored.

Every pixel of a sample has a fixed pseudo-random rank, a hash of (seed, image name, pixel position). The pixels of
lowest rank are kept, so a set of points is the same in every epoch, worker, machine and NumPy version, and a smaller
budget is a subset of a larger one.

Shape suffixes: H height, W width, P labelled pixels.
"""

import hashlib
from typing import Literal

import numpy as np

from mmseg_ext.image_names import name_bytes

Per = Literal["image", "class"]
Strategy = Literal["uniform", "class_balanced"]


def seed_of_sample(seed: int, name: str) -> int:
    """Hash (seed, image name) into 64 bits."""
    return int.from_bytes(hashlib.blake2b(name_bytes(f"{seed}\0{name}"), digest_size=8).digest(), "little")


def pixel_ranks(positions_P: np.ndarray, sample_seed: int) -> np.ndarray:
    """Rank pixels pseudo-randomly.

    Args:
        positions_P: Flat pixel positions, y · W + x.
        sample_seed: From :func:`seed_of_sample`.

    Returns:
        uint64 (P,), without ties: a bijection of the position.

    Reference:
        The output function of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
    """
    ranks_P = positions_P.astype(np.uint64)
    ranks_P *= np.uint64(0x9E3779B97F4A7C15)
    ranks_P += np.uint64(sample_seed)
    ranks_P ^= ranks_P >> np.uint64(30)
    ranks_P *= np.uint64(0xBF58476D1CE4E5B9)
    ranks_P ^= ranks_P >> np.uint64(27)
    ranks_P *= np.uint64(0x94D049BB133111EB)
    ranks_P ^= ranks_P >> np.uint64(31)
    return ranks_P


def _lowest(ranks_P: np.ndarray, count: int) -> np.ndarray:
    """Return the indices of the `count` lowest ranks, lowest first."""
    if count < len(ranks_P):
        chosen = np.argpartition(ranks_P, count)[:count]
        return chosen[np.argsort(ranks_P[chosen])]
    return np.argsort(ranks_P)


def keep_points(
    labels_HW: np.ndarray,
    num_points: int,
    sample_seed: int,
    per: Per = "image",
    strategy: Strategy = "uniform",
    ignore_index: int = 255,
) -> np.ndarray:
    """Keep the labels of some labelled pixels and ignore all others.

    Args:
        labels_HW: Integer class indices.
        num_points: Points of the image (``per='image'``) or of each class in it (``per='class'``). Where fewer pixels
            are labelled, all of them are kept.
        sample_seed: From :func:`seed_of_sample`.
        per: What `num_points` counts.
        strategy: With ``per='image'``, 'uniform' draws among all labelled pixels; 'class_balanced' takes turns among
            the classes of the image, rare ones included, until the budget is spent. ``per='class'`` is always uniform
            within the class.
        ignore_index: Marks pixels without a label, before and after.

    Returns:
        A new array of the shape and dtype of `labels_HW`.
    """
    flat_labels = labels_HW.ravel()
    positions_P = np.flatnonzero(flat_labels != ignore_index)
    ranks_P = pixel_ranks(positions_P, sample_seed)
    if per == "image" and strategy == "uniform":
        kept_P = positions_P[_lowest(ranks_P, num_points)]
    else:
        classes_P = flat_labels[positions_P]
        turns, chosen = [], []
        for index in np.unique(classes_P):
            of_class = np.flatnonzero(classes_P == index)
            of_class = of_class[_lowest(ranks_P[of_class], num_points)]
            chosen.append(of_class)
            turns.append(np.arange(len(of_class)))
        members = np.concatenate(chosen) if chosen else np.empty(0, dtype=np.intp)
        if per == "image" and len(members) > num_points:
            # Turn first, rank second: an order that does not depend on the budget, so budgets stay nested.
            members = members[np.lexsort((ranks_P[members], np.concatenate(turns)))[:num_points]]
        kept_P = positions_P[members]
    # Row-major like the positions; full_like would keep the memory order of a transposed map, and ravel then copies.
    points_HW = np.full(labels_HW.shape, ignore_index, dtype=labels_HW.dtype)
    points_HW.ravel()[kept_P] = flat_labels[kept_P]
    return points_HW
