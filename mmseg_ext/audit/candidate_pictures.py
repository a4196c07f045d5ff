"""A candidate beside its surroundings: image, labels, prediction, and where it is in the whole image.

Shape suffixes: H W height and width, C colour channels (RGB).
"""

import cv2
import numpy as np

from mmseg_ext.audit.candidates import Candidate
from mmseg_ext.pictures import Palette, colorize, draw_labels, panel

HEIGHT = 200
"""Of a picture, in pixels."""
CONTEXT = 0.6
"""What is shown around a box, as a share of its longer side."""
MIN_SIDE = 96
OUTLINES = (((20, 20, 20), 3), ((255, 255, 255), 1))


def draw_candidate(
    image_HWC: np.ndarray, labels_HW: np.ndarray, predicted_HW: np.ndarray, candidate: Candidate, palette: Palette
) -> np.ndarray:
    """Draw one candidate.

    Args:
        image_HWC: uint8 RGB.
        labels_HW: Class indices, 255 for none.
        predicted_HW: Class indices.
        candidate: Its area is outlined.
        palette: One RGB colour per class.

    Returns:
        The panel (H, W, 3), uint8 RGB.
    """
    box = crop_box(candidate, labels_HW.shape)
    crop_hw = np.zeros(labels_HW.shape, np.uint8)
    crop_hw[slice(*candidate.rows), slice(*candidate.columns)] = candidate.mask_hw
    crop_hw = crop_hw[box]
    crop_HWC = np.ascontiguousarray(image_HWC[box])
    columns = [
        ("image", crop_HWC),
        ("labels", draw_labels(crop_HWC, labels_HW[box], palette)),
        ("prediction", colorize(predicted_HW[box], palette)),
    ]
    pictures = [(title, _outlined(picture, crop_hw)) for title, picture in columns]
    pictures.append(("whole image", _with_box(image_HWC, box)))
    return panel(pictures, HEIGHT)


def crop_box(candidate: Candidate, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return rows and columns of a square around a candidate, as far as it lies in the image."""
    bounds = candidate.rows, candidate.columns
    side = max(MIN_SIDE, round((1 + CONTEXT) * max(stop - start for start, stop in bounds)))
    sides = []
    for (start, stop), length in zip(bounds, shape, strict=True):
        first = min(max(0, (start + stop - side) // 2), max(0, length - side))
        sides.append(slice(first, min(length, first + side)))
    return sides[0], sides[1]


def _outlined(picture_HWC: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
    """Enlarge a crop to the height of the panel and draw the outline of the area, one line wide whatever the scale."""
    scale = HEIGHT / picture_HWC.shape[0]
    size = max(1, round(picture_HWC.shape[1] * scale)), HEIGHT
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    large_HWC = cv2.resize(np.ascontiguousarray(picture_HWC), size, interpolation=method)
    mask_HW = cv2.resize(mask_hw, size, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(mask_HW, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    for color, thickness in OUTLINES:
        cv2.drawContours(large_HWC, contours, -1, color, thickness)
    return large_HWC


def _with_box(image_HWC: np.ndarray, box: tuple[slice, slice]) -> np.ndarray:
    scale = HEIGHT / image_HWC.shape[0]
    size = max(1, round(image_HWC.shape[1] * scale)), HEIGHT
    small_HWC = cv2.resize(np.ascontiguousarray(image_HWC), size, interpolation=cv2.INTER_AREA)
    corners = [(round(s.start * scale), round(s.stop * scale)) for s in box]
    for color, thickness in OUTLINES:
        first, last = ((corners[1][end], corners[0][end]) for end in (0, 1))
        cv2.rectangle(small_HWC, first, last, color, thickness)
    return small_HWC
