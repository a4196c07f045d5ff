"""How much of each image every class covers, estimated from its labelled points.

So many points a class say nothing about areas. But the points of an image tell apart most of its other pixels, by
colour, texture and place: each pixel is taken for the class of the point that is most like it. How often that errs, and
for which class, is known from the points themselves, each compared with the others of its image; it is taken out of the
shares again.

Pure functions on arrays and on the JSON file of tools/estimate_areas.py.

Shape suffixes: H and W height and width, F features, P points, X pixels, C classes, S classes shown, N images.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from scipy.optimize import nnls
from scipy.spatial import cKDTree

from mmseg_ext.errors import UserError

SIGMAS_OF_COLOR = (2.0, 6.0)
SIGMAS_OF_TEXTURE = (2.0, 6.0, 12.0)
WIDTH_IN_COLORS = 80.0  # the longer side of an image, in units of 8-bit Lab
PIXELS_TO_CLASSIFY = 20_000
POOLED_POINTS = 20.0
"""How many points of each class the errors in all images stand for, beside those in the image itself."""
RAW_SHARE = 0.1
"""How much of the shares as they are remains in an estimate, so that a class with a point never has no area at all."""


class AreaEvidence(NamedTuple):
    """What the points of one image say about its areas.

    Attributes:
        num_points_C: Labelled points of each class.
        taken_for_CC: Points by the class of the most similar other point of the image (row) and by their own (column).
        shares_C: Shares of the image's pixels by the class of the most similar point.
    """

    num_points_C: np.ndarray
    taken_for_CC: np.ndarray
    shares_C: np.ndarray


def describe_pixels(image_HWC: np.ndarray) -> np.ndarray:
    """Describe colour, texture and place of every pixel.

    Args:
        image_HWC: uint8, BGR.

    Returns:
        float32 (H, W, F): smoothed Lab colours, standard deviations of the grey values around, row and column; all in
        units of 8-bit Lab.
    """
    height, width = image_HWC.shape[:2]
    features = [
        cv2.cvtColor(cv2.GaussianBlur(image_HWC, (0, 0), sigma), cv2.COLOR_BGR2LAB).astype(np.float32)
        for sigma in SIGMAS_OF_COLOR
    ]
    gray_HW = cv2.cvtColor(image_HWC, cv2.COLOR_BGR2GRAY).astype(np.float32)
    for sigma in SIGMAS_OF_TEXTURE:
        mean_HW = cv2.GaussianBlur(gray_HW, (0, 0), sigma)
        variance_HW = cv2.GaussianBlur(gray_HW * gray_HW, (0, 0), sigma) - mean_HW * mean_HW
        features.append(np.sqrt(np.maximum(variance_HW, 0))[..., None])
    place_2HW = np.indices((height, width), dtype=np.float32)
    features.append(place_2HW.transpose(1, 2, 0) * np.float32(WIDTH_IN_COLORS / max(height, width)))
    return np.concatenate(features, axis=-1)


def gather_evidence(
    image_HWC: np.ndarray, labels_HW: np.ndarray, num_classes: int, ignore_index: int = 255
) -> AreaEvidence:
    """Compare the pixels of one image with its points.

    Args:
        image_HWC: uint8, BGR.
        labels_HW: Class indices at the points, `ignore_index` elsewhere.
        num_classes: C.
        ignore_index: Marks pixels without a label.

    Returns:
        The evidence; all zeros for an image without a point.

    Raises:
        UserError: The image is not BGR of 8 bits, or a label is not below `num_classes`.
    """
    if image_HWC.dtype != np.uint8 or image_HWC.ndim != 3 or image_HWC.shape[2] != 3:
        raise UserError(f"Expected a uint8 image (H, W, 3), got {image_HWC.dtype} {image_HWC.shape}.")
    labelled_HW = labels_HW != ignore_index
    labels_P = labels_HW[labelled_HW].astype(np.int64)
    if not len(labels_P):
        return AreaEvidence(np.zeros(num_classes), np.zeros((num_classes, num_classes)), np.zeros(num_classes))
    if labels_P.max() >= num_classes:
        raise UserError(f"Expected class indices in 0..{num_classes - 1}, got {labels_P.max()}.")
    features_HWF = describe_pixels(image_HWC)
    points_PF = features_HWF[labelled_HW]
    tree = cKDTree(points_PF)
    taken_for_CC = np.zeros((num_classes, num_classes))
    if len(labels_P) > 1:
        nearest_P2 = tree.query(points_PF, k=2)[1]
        own_P = np.arange(len(labels_P))
        other_P = np.where(nearest_P2[:, 0] == own_P, nearest_P2[:, 1], nearest_P2[:, 0])
        np.add.at(taken_for_CC, (labels_P[other_P], labels_P), 1)
    step = max(1, round((labels_HW.size / PIXELS_TO_CLASSIFY) ** 0.5))
    pixels_XF = features_HWF[step // 2 :: step, step // 2 :: step].reshape(-1, features_HWF.shape[2])
    classes_X = labels_P[tree.query(pixels_XF)[1]]
    shares_C = np.bincount(classes_X, minlength=num_classes) / len(classes_X)
    return AreaEvidence(np.bincount(labels_P, minlength=num_classes).astype(float), taken_for_CC, shares_C)


def estimate_areas(evidence: Sequence[AreaEvidence]) -> np.ndarray:
    """Estimate the share of the area that each class covers in each image.

    The shares by the most similar point are mixed up: share of class i = Σⱼ P(taken for i | j) · area of j. The rates
    are those among the points of the image, together with those of all images, which stand for `POOLED_POINTS` points a
    class. They are inverted by least squares with areas that are not negative and sum to one. A class without a point
    in an image has no area in it. A class that is alone in every image, with one point, is taken to be recognised.

    Args:
        evidence: Of every image.

    Returns:
        float64 (N, C); a row sums to 1, or to 0 for an image without a point.

    Reference:
        Lipton, Wang and Smola, Detecting and Correcting for Label Shift with Black Box Predictors, ICML 2018
        (arXiv 1802.03916), for the inversion; here an image at a time, by a classifier of its own points.
    """
    num_classes = len(evidence[0].shares_C)
    # A single point of its class can only be taken for another one: it says nothing of how often that happens.
    several_NC = np.array([e.num_points_C > 1 for e in evidence])
    counted = [e.taken_for_CC * several_C for e, several_C in zip(evidence, several_NC, strict=True)]
    pooled_CC = np.sum(counted, axis=0)
    pooled_CC[:, pooled_CC.sum(0) == 0] = np.eye(num_classes)[:, pooled_CC.sum(0) == 0]
    pooled_CC /= pooled_CC.sum(0)
    areas_NC = np.zeros((len(evidence), num_classes))
    for area_C, e, own_CC in zip(areas_NC, evidence, counted, strict=True):
        shown_C = e.num_points_C > 0
        if shown_C.any():
            rates_SS = (own_CC + POOLED_POINTS * pooled_CC)[np.ix_(shown_C, shown_C)]
            area_C[shown_C] = _unmix(rates_SS, e.shares_C[shown_C])
    return areas_NC


def _unmix(rates_SS: np.ndarray, shares_S: np.ndarray) -> np.ndarray:
    """Find the areas whose mixture comes closest to the shares."""
    weight_of_sum = 10.0
    rates_SS = rates_SS + 1e-6 * np.eye(len(rates_SS))  # a class only ever taken for classes that are not shown here
    rates_SS /= rates_SS.sum(0)
    system = np.vstack([rates_SS, np.full(len(shares_S), weight_of_sum)])
    areas_S = nnls(system, np.append(shares_S, weight_of_sum))[0]
    return (1 - RAW_SHARE) * areas_S / areas_S.sum() + RAW_SHARE * shares_S


def format_areas(areas_of: Mapping[str, Sequence[float]], classes: Sequence[str], about: Mapping[str, Any]) -> str:
    """Write the estimates as the text of a JSON file.

    Args:
        areas_of: Share of each class, by the image's name.
        classes: Their names.
        about: What else the file says.
    """
    images = {name: [round(float(share), 6) for share in areas] for name, areas in areas_of.items()}
    return json.dumps({**about, "classes": list(classes), "images": images}, indent=1)


def read_areas(path: str | Path) -> dict[str, np.ndarray]:
    """Read the share of each class in each image, float32 (C,), by the image's name.

    Raises:
        UserError: The file is missing or is not one of tools/estimate_areas.py.
    """
    hint = "Write it with tools/estimate_areas.py."
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"No areas at {path}. {hint}") from None
    except ValueError as error:
        raise UserError(f"{path}: Expected JSON, got {error}. {hint}") from error
    try:
        num_classes = len(record["classes"])
        areas_of = {name: np.array(areas, dtype=np.float32) for name, areas in record["images"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UserError(f"{path}: Expected `classes` and `images`, a list of shares each. {hint}") from None
    for name, areas_C in areas_of.items():
        if areas_C.shape != (num_classes,) or not np.isfinite(areas_C).all() or (areas_C < 0).any():
            raise UserError(f"{path}: Expected {num_classes} shares of at least 0 for {name}, got {areas_C.tolist()}.")
    return areas_of
