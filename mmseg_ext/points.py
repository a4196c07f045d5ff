"""Point supervision in its barest form: a label map in which all but a few pixels are ignored.

Every pixel of a sample has a fixed pseudo-random rank, a hash of (seed, image name, pixel position). The pixels of
lowest rank are kept, so a set of points is the same in every epoch, worker, machine and NumPy version, and a smaller
budget is a subset of a larger one.

Shape suffixes: H height, W width, P labelled pixels.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmseg_ext.errors import UserError

Per = Literal["image", "class"]
Strategy = Literal["uniform", "class_balanced"]


def seed_of_sample(seed: int, name: str) -> int:
    """Hash (seed, image name) into 64 bits."""
    return int.from_bytes(hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=8).digest(), "little")


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


def resize_points(labels_HW: np.ndarray, shape: tuple[int, int], ignore_index: int = 255) -> tuple[np.ndarray, int]:
    """Resize a map of points so that each stays exactly one pixel.

    A point moves with the centre of its pixel. Of several points that fall on one pixel, the first in reading order
    stays.

    Args:
        labels_HW: Integer class indices, `ignore_index` where there is no point.
        shape: Height and width of the result.
        ignore_index: Marks pixels without a label.

    Returns:
        The resized map, and how many points were merged into another.
    """
    height, width = labels_HW.shape
    y_P, x_P = np.nonzero(labels_HW != ignore_index)
    # (2 y + 1) / (2 H) is the centre in units of the image; integers keep it exact at any size.
    new_y_P = (2 * y_P + 1) * shape[0] // (2 * height)
    new_x_P = (2 * x_P + 1) * shape[1] // (2 * width)
    resized_HW = np.full(shape, ignore_index, dtype=labels_HW.dtype)
    # Written last to first: the first point of a pixel is the one that stays.
    resized_HW[new_y_P[::-1], new_x_P[::-1]] = labels_HW[y_P[::-1], x_P[::-1]]
    return resized_HW, len(y_P) - int(np.count_nonzero(resized_HW != ignore_index))


def image_name(results: Mapping[str, Any], data_root: str | None, transform: str) -> str:
    """Name an image by its path relative to the data root, with forward slashes.

    Args:
        results: A sample with img_name (our datasets give it) or img_path.
        data_root: Where the data lies; None takes img_name.
        transform: Who asks, for messages.

    Raises:
        UserError: The name cannot be known, or the image does not lie below `data_root`.
    """
    if data_root is None:
        if "img_name" in results:
            return results["img_name"]
        raise UserError(
            f"Expected `img_name` in the sample of {results['img_path']}, which its dataset does not give. "
            f"Set {transform}(data_root=…): points are known by the image's path relative to it."
        )
    try:
        # Symbolic links are not followed: what they point to differs from machine to machine.
        image = Path(os.path.abspath(results["img_path"]))
        return image.relative_to(os.path.abspath(data_root)).as_posix()
    except ValueError:
        raise UserError(
            f"Expected images below {transform}(data_root={data_root!r}), got {results['img_path']}."
        ) from None
