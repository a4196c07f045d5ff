"""How much of each image every class covers, estimated from its labelled points.

A fixed number of points per class contains no information about areas. So each pixel is classified by its nearest point
in colour, texture and position, and the pixels of each class are counted. The error rates of this classifier are
measured at the points themselves, each classified by the other points of its image, and the counts are corrected by
them.

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

from mmseg_ext.errors import UserError, out_of_range
from mmseg_ext.files import read_json

SIGMAS_OF_COLOR = (2.0, 6.0)
SIGMAS_OF_TEXTURE = (2.0, 6.0, 12.0)
WIDTH_IN_COLORS = 80.0  # the longer side of an image, in units of 8-bit Lab
PIXELS_TO_CLASSIFY = 20_000
POOLED_POINTS = 20.0
"""Weight of the error rates of all images in those of one image, as a number of points of each class."""
RAW_SHARE = 0.1
"""Weight of the uncorrected shares in an estimate. It keeps the area of each class with a point above zero."""


class AreaEvidence(NamedTuple):
    """Class counts of one image by nearest point, and the error rates of this classification.

    Attributes:
        num_points_C: Labelled points of each class.
        confusion_CC: Number of points by the class of their nearest other point in the image (row) and by their own
            class (column).
        shares_C: Share of the image's pixels by the class of their nearest point.
    """

    num_points_C: np.ndarray
    confusion_CC: np.ndarray
    shares_C: np.ndarray


def describe_pixels(image_HWC: np.ndarray) -> np.ndarray:
    """Compute features of colour, texture and position of every pixel.

    Args:
        image_HWC: uint8, BGR.

    Returns:
        float32 (H, W, F): smoothed Lab colours, local standard deviations of the grey values, row and column; all in
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
    """Classify the pixels of one image, and its points, by their nearest point.

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
        raise UserError(out_of_range("class indices", [int(labels_P.max())], num_classes, ignore_index))
    features_HWF = describe_pixels(image_HWC)
    points_PF = features_HWF[labelled_HW]
    tree = cKDTree(points_PF)
    confusion_CC = np.zeros((num_classes, num_classes))
    if len(labels_P) > 1:
        nearest_P2 = tree.query(points_PF, k=2)[1]
        own_P = np.arange(len(labels_P))
        other_P = np.where(nearest_P2[:, 0] == own_P, nearest_P2[:, 1], nearest_P2[:, 0])
        np.add.at(confusion_CC, (labels_P[other_P], labels_P), 1)
    step = max(1, round((labels_HW.size / PIXELS_TO_CLASSIFY) ** 0.5))
    pixels_XF = features_HWF[step // 2 :: step, step // 2 :: step].reshape(-1, features_HWF.shape[2])
    classes_X = labels_P[tree.query(pixels_XF)[1]]
    shares_C = np.bincount(classes_X, minlength=num_classes) / len(classes_X)
    return AreaEvidence(np.bincount(labels_P, minlength=num_classes).astype(float), confusion_CC, shares_C)


def estimate_areas(evidence: Sequence[AreaEvidence]) -> np.ndarray:
    """Estimate the share of the area that each class covers in each image.

    Share of class i = Σⱼ P(classified as i | j) · area of j. The rates P are measured at the points of the image, and
    at those of all images with the weight of `POOLED_POINTS` points per class. The system is solved by least squares
    for areas that are not negative and sum to one. A class without a point in an image has no area in it. A class that
    never has a second point in an image is assumed to be classified without errors.

    Args:
        evidence: Of every image.

    Returns:
        float64 (N, C); a row sums to 1, or to 0 for an image without a point.

    Reference:
        Lipton, Wang and Smola, Detecting and Correcting for Label Shift with Black Box Predictors, ICML 2018
        (arXiv 1802.03916), for the inversion; here an image at a time, by a classifier of its own points.
    """
    num_classes = len(evidence[0].shares_C)
    # A single point of its class is always classified as another one: it is no measurement of an error rate.
    several_NC = np.array([e.num_points_C > 1 for e in evidence])
    counted = [e.confusion_CC * several_C for e, several_C in zip(evidence, several_NC, strict=True)]
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
    """Solve rates · areas = shares by least squares, for areas that are not negative and sum to one."""
    weight_of_sum = 10.0
    rates_SS = rates_SS + 1e-6 * np.eye(
        len(rates_SS)
    )  # for a class that is never classified as one that this image has
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


def is_written_by(path: str | Path, command: str) -> bool:
    """Whether a file holds areas that a command wrote."""
    try:
        read_areas(path)
        return command in str(read_json(path).get("written by"))
    except UserError:
        return False


def read_areas(path: str | Path) -> dict[str, np.ndarray]:
    """Read the share of each class in each image, float32 (C,), by the image's name.

    Raises:
        UserError: The file is missing or is not one of tools/estimate_areas.py.
    """
    hint = "Write it with tools/estimate_areas.py."
    try:
        record = read_json(path)
    except FileNotFoundError:
        raise UserError(f"No areas at {path}. {hint}") from None
    except OSError as error:
        raise UserError(f"Cannot read the areas {path}: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"{path}: Expected JSON, got {error}. {hint}") from error
    try:
        num_classes = len(record["classes"])
        areas_of = {name: np.array(areas, dtype=np.float32) for name, areas in record["images"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise UserError(f"{path}: Expected `classes` and `images`, a list of shares each. {hint}") from None
    for name, areas_C in areas_of.items():
        if areas_C.shape != (num_classes,) or not np.isfinite(areas_C).all() or (areas_C < 0).any():
            raise UserError(f"{path}: Expected {num_classes} shares of at least 0 for {name}, got {areas_C.tolist()}.")
    return areas_of
