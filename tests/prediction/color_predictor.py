"""A predictor whose class maps can be computed by hand, and rasters to predict."""

import cv2
import numpy as np
import torch

from mmseg_ext.prediction.class_scores import classify
from mmseg_ext.prediction.class_scores import probabilities as probabilities_of
from mmseg_ext.prediction.predictor import Prediction, Predictor, WindowSettings

NAMES = ("red", "green", "blue")
PALETTE = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200]], np.uint8)
RADIUS = 5


class ColorPredictor(Predictor):
    """The logits of a pixel are the mean colours around it, 5 pixels far; beyond the edge the fill counts."""

    def __init__(self, size=40, overlap=16, batch_size=2, is_fixed=False, threshold=None):
        window = WindowSettings((size, size), (overlap, overlap), is_fixed)
        names = NAMES if threshold is None else NAMES[:2]
        super().__init__(names, PALETTE[: len(names)], threshold, window, np.array([100.0, 110, 120]), batch_size)
        self.shapes = []

    def logits(self, images_NHWC):
        self.shapes.append(images_NHWC.shape[:3])
        logits = np.stack([mean_colors(image, self.fill) for image in images_NHWC]).transpose(0, 3, 1, 2)
        if self.threshold is not None:
            logits = logits[:, :1] / 50 - 2
        return torch.from_numpy(np.ascontiguousarray(logits))

    def predict_prepared(self, images, prepared, probabilities=False):
        return [self._predict(*pair, probabilities) for pair in zip(images, prepared, strict=True)]

    def _predict(self, image, image_HWC, with_probabilities):
        logits_CHW = self.logits(image_HWC[None])[0]
        classes_HW = classify(logits_CHW, self.threshold).numpy().astype(np.uint8)
        kept_CHW = probabilities_of(logits_CHW, self.threshold).numpy() if with_probabilities else None
        return Prediction(classes_HW, kept_CHW, self.names, self.palette, image)


def mean_colors(image_HWC, fill):
    """Average float32 colours around each pixel, in whole numbers: the sums are exact."""
    centred = np.rint(image_HWC.astype(np.float64) - fill.astype(np.float64))
    sums = cv2.boxFilter(centred, -1, (2 * RADIUS + 1, 2 * RADIUS + 1), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return sums.astype(np.float32) / 16


def expected_classes(image_HWC, valid_HW, predictor):
    """Compute the class map of a whole image at once, and how clear each pixel is."""
    image_HWC = image_HWC.copy()
    image_HWC[~valid_HW] = np.rint(predictor.fill).astype(np.uint8)
    logits = mean_colors(image_HWC, predictor.fill)
    ordered = np.sort(logits, axis=2)
    classes = logits.argmax(axis=2).astype(np.uint8)
    classes[~valid_HW] = 255
    return classes, ordered[..., 2] - ordered[..., 1]


def smooth_colors(height, width, seed=0):
    """Draw smooth blobs of colour, uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 12 + 2, width // 12 + 2, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
