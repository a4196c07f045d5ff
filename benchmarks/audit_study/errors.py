"""Errors of known kinds put into labels.

Shape suffixes: H W height and width.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from mmseg_ext.audit.connected_areas import find_connected
from mmseg_ext.evaluation.morphology import nearest_class

KINDS = ("dropped", "added", "swapped", "shifted", "coarse")
UNLABELLED = 255
SMALLEST, LARGEST = 0.001, 0.2
"""Shares of an image between which a connected area of one label is an area that may get an error."""
MIN_CHANGED = 16
SHIFTS = (3, 10)
BLOCK = 16
TRIES = 200


class Error(NamedTuple):
    """One error.

    Attributes:
        image: Index of its image.
        changed_HW: The pixels whose label it has changed, bool.
    """

    image: int
    changed_HW: np.ndarray


def put_errors(
    labels: Sequence[np.ndarray], num_classes: int, kind: str, share: float, seed: int
) -> tuple[list[np.ndarray], list[Error]]:
    """Put errors of one kind into a share of the areas of a dataset.

    Args:
        labels: uint8 (H, W) of each image; they stay as they are.
        num_classes: C.
        kind: One of :data:`KINDS`.
        share: Of the areas.
        seed: Of the random numbers.

    Returns:
        New labels, and the errors.
    """
    rng = np.random.default_rng(seed)
    areas = []
    for image, labels_HW in enumerate(labels):
        found = find_connected(labels_HW, UNLABELLED)
        is_area = (found.size_A >= SMALLEST * labels_HW.size) & (found.size_A <= LARGEST * labels_HW.size)
        for number in np.flatnonzero(is_area).tolist():
            box = found.boxes()[number]
            areas.append((image, box, found.number_HW[box] == number + 1))
    wanted = max(1, round(share * len(areas)))
    changed_labels = [labels_HW.copy() for labels_HW in labels]
    errors: list[Error] = []
    for index in rng.permutation(len(areas)).tolist():
        if len(errors) == wanted:
            break
        image, box, mask_hw = areas[index]
        before_HW = changed_labels[image]
        mask_HW = np.zeros(before_HW.shape, bool)
        mask_HW[box] = mask_hw
        if any(error.image == image and (error.changed_HW & _grown(mask_HW, 15)).any() for error in errors):
            continue  # errors stay apart
        after_HW = _put_one(labels[image], mask_HW, num_classes, kind, rng)
        if after_HW is None:
            continue
        changed_HW = after_HW != labels[image]
        if changed_HW.sum() < MIN_CHANGED or (before_HW != labels[image])[_grown(changed_HW, 15)].any():
            continue
        changed_labels[image] = np.where(changed_HW, after_HW, before_HW)
        errors.append(Error(image, changed_HW))
    return changed_labels, errors


def _grown(mask_HW: np.ndarray, size: int) -> np.ndarray:
    return cv2.dilate(mask_HW.astype(np.uint8), np.ones((size, size), np.uint8)) > 0


def _put_one(
    labels_HW: np.ndarray, mask_HW: np.ndarray, num_classes: int, kind: str, rng: np.random.Generator
) -> np.ndarray | None:
    """Put one error on an area; None where it cannot be done."""
    own = int(labels_HW[mask_HW][0])
    around = labels_HW[_grown(mask_HW, 5) & ~mask_HW]
    around = np.bincount(around[around != UNLABELLED], minlength=num_classes)
    if not around.any():
        return None
    after_HW = labels_HW.copy()
    if kind == "dropped":
        after_HW[mask_HW] = around.argmax()
    elif kind == "swapped":
        others = [c for c in range(num_classes) if c != own and around[c] == 0]
        if not others:
            return None
        after_HW[mask_HW] = rng.choice(others)
    elif kind == "added":
        return _added(labels_HW, mask_HW, own, rng)
    else:
        if kind == "shifted":
            angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(*SHIFTS)
            new_HW = _moved(mask_HW, round(distance * np.sin(angle)), round(distance * np.cos(angle)))
        else:
            new_HW = _blocks(mask_HW)
        after_HW = nearest_class(labels_HW, mask_HW)  # what lies under the area
        after_HW = np.where(new_HW & (labels_HW != UNLABELLED), np.uint8(own), after_HW)
    return after_HW


def _moved(mask_HW: np.ndarray, rows: int, columns: int) -> np.ndarray:
    matrix = np.array([[1, 0, columns], [0, 1, rows]], np.float32)
    return cv2.warpAffine(mask_HW.astype(np.uint8), matrix, mask_HW.shape[::-1], flags=cv2.INTER_NEAREST) > 0


def _blocks(mask_HW: np.ndarray) -> np.ndarray:
    """Draw an area in blocks: those that it covers by half or more."""
    height, width = (-(-length // BLOCK) * BLOCK for length in mask_HW.shape)
    padded = np.zeros((height, width), np.float32)
    padded[: mask_HW.shape[0], : mask_HW.shape[1]] = mask_HW
    covered = padded.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).mean((1, 3)) >= 0.5
    return np.kron(covered, np.ones((BLOCK, BLOCK), bool))[: mask_HW.shape[0], : mask_HW.shape[1]]


def _added(labels_HW: np.ndarray, mask_HW: np.ndarray, own: int, rng: np.random.Generator) -> np.ndarray | None:
    """Draw an area once more elsewhere in its image, where all labels are of one other class."""
    rows, columns = np.nonzero(mask_HW)
    for _ in range(TRIES):
        down = rng.integers(-rows.min(), labels_HW.shape[0] - rows.max())
        right = rng.integers(-columns.min(), labels_HW.shape[1] - columns.max())
        copy_HW = np.zeros_like(mask_HW)
        copy_HW[rows + down, columns + right] = True
        below = np.unique(labels_HW[_grown(copy_HW, 5)])
        if len(below) == 1 and below[0] not in (own, UNLABELLED):
            return np.where(copy_HW, np.uint8(own), labels_HW)
    return None
