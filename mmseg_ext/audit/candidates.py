"""Areas of one image where its labels and a model disagree, each with its kind.

Shape suffixes: H W height and width, A areas, C classes.
"""

import math
from typing import Literal, NamedTuple

import cv2
import numpy as np

from mmseg_ext.audit.connected_areas import ConnectedAreas, find_connected
from mmseg_ext.audit.pixel_evidence import UNLABELLED, PixelEvidence

Kind = Literal[
    "missing object", "extra object", "wrong class", "border", "swapped classes", "other image's mask", "point"
]

MIN_SHARE = 5e-5
"""Areas of a smaller share of the image are no candidates."""
MIN_PIXELS = 16
NEAR_SHARE = 0.6
"""Of a thin area, how much must lie near labels of the predicted class for it to be a border's, not an object."""
MIN_WIDTH = 0.5
"""Mean width of the strip along a border that both disagree on, in pixels, from which on it is a candidate."""
MAX_SHIFT = 12
"""Pixels that a label may be shifted by."""
BORDER_REACH = 0.012
"""How far, as a share of the diagonal, an error of a border may lie from the label that it is of."""


class Candidate(NamedTuple):
    """An area whose label may be wrong.

    Attributes:
        kind: What seems to be wrong.
        label: Class index of the label.
        predicted: Class index that the model has found.
        rows: First row, and the row behind the last one.
        columns: Likewise.
        mask_hw: The pixels inside of this box, bool.
        margin: Mean probability of the prediction less that of the label, over the area.
        loss: Of an object: mean cross-entropy of the labels of the area, in nats.
        elsewhere: Of an object: the share of all other pixels of the label in the image that are predicted likewise.
        width: Of a border: mean width of the strip that both disagree on, in pixels, each counted by its margin.
        shift: Of a border: the share of the strip that goes away where the label is shifted, 0..1.
        score: How much speaks for an error, 0..1.
    """

    kind: Kind
    label: int
    predicted: int
    rows: tuple[int, int]
    columns: tuple[int, int]
    mask_hw: np.ndarray
    margin: float
    loss: float = 0.0
    elsewhere: float = 0.0
    width: float = 0.0
    shift: float = 0.0
    score: float = 0.0

    @property
    def num_pixels(self) -> int:
        """Pixels of the area."""
        return int(np.count_nonzero(self.mask_hw))


def border_reach(shape: tuple[int, int]) -> int:
    """Return how many pixels an error of a border may lie from the label."""
    return max(3, round(BORDER_REACH * math.hypot(*shape)))


def find_candidates(evidence: PixelEvidence, confusion_CC: np.ndarray) -> list[Candidate]:
    """Find all areas of an image that may be labelled wrongly, in no order and without scores.

    Args:
        evidence: Of the image.
        confusion_CC: Pixels by label and prediction.
    """
    labels_HW, predicted_HW, margin_HW, _ = evidence
    differs_HW = margin_HW > 0
    if not differs_HW.any():
        return []
    segments = find_connected(labels_HW, UNLABELLED)
    near_HW, nearest_HW = _near_labels(evidence, segments)
    pair_HW = np.where(differs_HW, labels_HW.astype(np.int64) * len(confusion_CC) + predicted_HW, -1)
    differing = find_connected(pair_HW, -1)
    found = _objects(evidence, segments, differing, near_HW, confusion_CC)
    for candidate in found:  # what an object is wrong by is no error of borders
        near_HW[slice(*candidate.rows), slice(*candidate.columns)][candidate.mask_hw] = False
    return found + _borders(evidence, segments, differing, near_HW, nearest_HW)


def _min_pixels(shape: tuple[int, ...]) -> int:
    return max(MIN_PIXELS, round(MIN_SHARE * math.prod(shape)))


def _near_labels(evidence: PixelEvidence, segments: ConnectedAreas) -> tuple[np.ndarray, np.ndarray]:
    """Find which pixels have a label of their predicted class nearby, and the segment of the nearest one."""
    labels_HW, predicted_HW, margin_HW, _ = evidence
    reach = border_reach(labels_HW.shape)
    near_HW = np.zeros(labels_HW.shape, bool)
    nearest_HW = np.zeros(labels_HW.shape, np.int32)
    differs_HW = margin_HW > 0
    for index in np.unique(predicted_HW[differs_HW]).tolist():
        is_label_HW = labels_HW == index
        if not is_label_HW.any():
            continue
        distance_HW, place_HW = cv2.distanceTransformWithLabels(
            (~is_label_HW).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
        )
        segment_of = np.zeros(int(place_HW.max()) + 1, np.int32)
        segment_of[place_HW[is_label_HW]] = segments.number_HW[is_label_HW]
        some_HW = differs_HW & (predicted_HW == index) & (distance_HW <= reach)
        near_HW |= some_HW
        nearest_HW[some_HW] = segment_of[place_HW[some_HW]]
    return near_HW, nearest_HW


def _objects(
    evidence: PixelEvidence,
    segments: ConnectedAreas,
    differing: ConnectedAreas,
    near_HW: np.ndarray,
    confusion_CC: np.ndarray,
) -> list[Candidate]:
    """Find missing and extra objects and wrong classes."""
    least = _min_pixels(near_HW.shape)
    near_A = differing.sum_of(near_HW) / np.maximum(differing.size_A, 1)
    is_strip_A = (near_A >= NEAR_SHARE) & (differing.thickness() <= border_reach(near_HW.shape))
    chosen = np.flatnonzero((differing.size_A >= least) & ~is_strip_A)
    boxes, segment_boxes = differing.boxes(), segments.boxes()
    found: dict[tuple[int, int], Candidate] = {}
    for area in chosen.tolist():
        box = boxes[area]
        mask_hw = differing.number_HW[box] == area + 1
        label, predicted = divmod(int(differing.value_A[area]), len(confusion_CC))
        number = int(segments.number_HW[box][mask_hw][0])
        kind: Kind = "missing object"
        if differing.size_A[area] >= 0.5 * segments.size_A[number - 1]:
            box = segment_boxes[number - 1]
            mask_hw = segments.number_HW[box] == number
            kind = _kind_of_segment(evidence.labels_HW, box, mask_hw, predicted)
        is_predicted_hw = evidence.predicted_HW[box] == predicted
        margin = float(np.where(is_predicted_hw, evidence.margin_HW[box], 0)[mask_hw].mean())
        loss = float(evidence.loss_HW[box][mask_hw].mean())
        alike = confusion_CC[label, predicted] - np.count_nonzero(is_predicted_hw & mask_hw)
        others = confusion_CC[label].sum() - np.count_nonzero(mask_hw)
        rows, columns = ((side.start, side.stop) for side in box)
        key = (number if kind != "missing object" else -area - 1, predicted)
        found[key] = Candidate(
            kind, label, predicted, rows, columns, mask_hw, margin, loss, float(alike / max(others, 1))
        )
    return list(found.values())


def _kind_of_segment(labels_HW: np.ndarray, box: tuple[slice, slice], mask_hw: np.ndarray, predicted: int) -> Kind:
    """Tell an object that is not there from one of another class: by what surrounds it."""
    larger = tuple(slice(max(0, s.start - 2), s.stop + 2) for s in box)
    padded = np.zeros(labels_HW[larger].shape, np.uint8)
    rows, columns = box[0].start - larger[0].start, box[1].start - larger[1].start
    padded[rows : rows + mask_hw.shape[0], columns : columns + mask_hw.shape[1]] = mask_hw
    ring = (cv2.dilate(padded, np.ones((5, 5), np.uint8)) > 0) & (padded == 0)
    around = labels_HW[larger][ring]
    around = around[around != UNLABELLED]
    return "extra object" if around.size and (around == predicted).mean() > 0.5 else "wrong class"


def _borders(
    evidence: PixelEvidence,
    segments: ConnectedAreas,
    differing: ConnectedAreas,
    near_HW: np.ndarray,
    nearest_HW: np.ndarray,
) -> list[Candidate]:
    """Find segments whose border lies elsewhere: shifted, or drawn coarsely."""
    labels_HW, predicted_HW, margin_HW, _ = evidence
    num_segments = len(segments.value_A)
    least = _min_pixels(labels_HW.shape)
    outside = np.bincount(nearest_HW[near_HW], margin_HW[near_HW], minlength=num_segments + 1)[1:]
    inside = segments.sum_of(np.where(near_HW, margin_HW, 0))
    edge_HW = cv2.morphologyEx(segments.number_HW.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    perimeter = segments.sum_of(edge_HW) + 1
    width = (inside + outside) / perimeter
    reach, boxes = border_reach(labels_HW.shape), segments.boxes()
    found = []
    for index in np.flatnonzero((segments.size_A >= least) & (width > MIN_WIDTH)).tolist():
        box = tuple(slice(max(0, side.start - reach - 1), side.stop + reach + 1) for side in boxes[index])
        is_inside_hw = segments.number_HW[box] == index + 1
        mask_hw = near_HW[box] & (is_inside_hw | (nearest_HW[box] == index + 1))
        others = np.where(is_inside_hw, predicted_HW[box], labels_HW[box])[mask_hw]
        other = int(np.bincount(others, margin_HW[box][mask_hw]).argmax())
        explained = _explained_by_shift(is_inside_hw, predicted_HW[box] == segments.value_A[index], mask_hw)
        rows, columns = ((side.start, side.start + size) for side, size in zip(box, mask_hw.shape, strict=True))
        label = int(segments.value_A[index])
        margin = float(margin_HW[box][mask_hw].mean())
        about = {"width": float(width[index]), "shift": explained}
        found.append(Candidate("border", label, other, rows, columns, mask_hw, margin, **about))
    return found


def _explained_by_shift(label_hw: np.ndarray, predicted_hw: np.ndarray, strip_hw: np.ndarray) -> float:
    """Find the share of a strip that goes away under the best shift of a label by up to :data:`MAX_SHIFT` pixels.

    Args:
        label_hw: The pixels of the label, bool, with a margin around it.
        predicted_hw: Where the model sees its class, bool.
        strip_hw: Where both disagree along the border, bool.
    """
    # A pixel that the label shares with the prediction counts 1, one that it does not share -1: what is gained under a
    # shift is the correlation with the shifted label less that with the label as it is.
    signed_hw = np.where(predicted_hw, np.float32(1), np.float32(-1))
    padded = np.pad(signed_hw, MAX_SHIFT, mode="edge")
    correlation = cv2.matchTemplate(padded, label_hw.astype(np.float32), cv2.TM_CCORR)
    gained = float(correlation.max() - correlation[MAX_SHIFT, MAX_SHIFT])
    return min(1.0, gained / max(1, np.count_nonzero(strip_hw)))
