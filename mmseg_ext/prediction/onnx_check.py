"""Does an exported graph give the classes that its checkpoint gives?

Shape suffixes: H height, W width, C channels of the output.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from mmseg_ext.errors import UserError
from mmseg_ext.prediction.blending import pad_window
from mmseg_ext.prediction.class_scores import classify, probabilities
from mmseg_ext.prediction.image_reading import read_rgb
from mmseg_ext.prediction.onnx_predictor import GraphError, OnnxPredictor
from mmseg_ext.prediction.predictor import Predictor
from mmseg_ext.progress import ProgressDisplay

MIN_EQUAL = 0.9999
NEAR_TIE = 1e-3


class Agreement(NamedTuple):
    """How many pixels two predictors give the same class.

    Attributes:
        num_pixels: Pixels that were compared.
        num_equal: Those of the same class in both.
        num_near_ties: Those of different classes between which the checkpoint hardly decides: their probabilities (or
            the probability and the threshold) differ by less than :data:`NEAR_TIE`.
    """

    num_pixels: int = 0
    num_equal: int = 0
    num_near_ties: int = 0

    @property
    def share(self) -> float:
        """Share of pixels of equal classes."""
        return self.num_equal / max(self.num_pixels, 1)

    @property
    def is_enough(self) -> bool:
        """Whether the share is at least :data:`MIN_EQUAL`."""
        return self.num_pixels > 0 and self.share >= MIN_EQUAL

    def plus(self, other: "Agreement") -> "Agreement":
        """Add the pixels of another image."""
        return Agreement(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def describe(self) -> str:
        """Say it in one line."""
        differing = self.num_pixels - self.num_equal
        text = f"{100 * self.share:.4f} % of {self.num_pixels:,} pixels have the checkpoint's class"
        if not differing:
            return text
        ties = f"{self.num_near_ties:,} are near-ties (within {NEAR_TIE} in probability)"
        return f"{text}; of the {differing:,} others {ties}"


def compare_classes(
    expected_HW: np.ndarray, found_HW: np.ndarray, probabilities_CHW: np.ndarray, threshold: float | None
) -> Agreement:
    """Compare two class maps.

    Args:
        expected_HW: The checkpoint's.
        found_HW: The graph's.
        probabilities_CHW: The checkpoint's.
        threshold: Of one sigmoid channel; None for several channels.
    """
    rows, columns = np.nonzero(expected_HW != found_HW)
    if threshold is None:
        differing = probabilities_CHW[:, rows, columns]
        indices = np.arange(len(rows))
        margins = differing[expected_HW[rows, columns], indices] - differing[found_HW[rows, columns], indices]
    else:
        margins = probabilities_CHW[0, rows, columns] - threshold
    num_near_ties = int((np.abs(margins) < NEAR_TIE).sum())
    return Agreement(expected_HW.size, expected_HW.size - len(rows), num_near_ties)


def windows_of(image_HWC: np.ndarray, size: tuple[int, int], fill: np.ndarray) -> Iterator[np.ndarray]:
    """Cut an image into windows side by side; the last of a row and a column are filled up."""
    for top in range(0, image_HWC.shape[0], size[0]):
        for left in range(0, image_HWC.shape[1], size[1]):
            yield pad_window(image_HWC[top : top + size[0], left : left + size[1]], (0, 0), size, fill)


def _compare_whole(expected: Predictor, found: OnnxPredictor, image: str | Path) -> Agreement:
    truth, other = expected.predict_images([image], True)[0], found.predict_images([image], False)[0]
    return compare_classes(truth.classes_HW, other.classes_HW, np.asarray(truth.probabilities_CHW), found.threshold)


@torch.no_grad()
def _compare_windows(expected: Predictor, found: OnnxPredictor, image: str | Path) -> Agreement:
    agreement = Agreement()
    for window_HWC in windows_of(found.resized(read_rgb(image)), found.window.size, found.fill):
        truth_CHW, other_CHW = (predictor.logits(window_HWC[None])[0].cpu() for predictor in (expected, found))
        classes, others = (classify(logits, found.threshold).numpy() for logits in (truth_CHW, other_CHW))
        likely = probabilities(truth_CHW, found.threshold).numpy()
        agreement = agreement.plus(compare_classes(classes, others, likely, found.threshold))
    return agreement


def check_graph(expected: Predictor, found: OnnxPredictor, images: Sequence[str | Path]) -> Agreement:
    """Compare the classes that a checkpoint and its exported graph give to images.

    Whole images, as tools/predict.py predicts them; with a graph of one size windows of the images, at the scale of the
    test.

    Args:
        expected: The checkpoint's predictor.
        found: The graph's.
        images: Paths.

    Raises:
        UserError: There is no image, or one cannot be read.
    """
    if not images:
        raise UserError("Expected images to check the exported graph on, got none. Name some with --images.")
    compare = _compare_windows if found.window.is_fixed else _compare_whole
    agreement = Agreement()
    with ProgressDisplay("Checking the exported graph") as progress:
        for done, image in enumerate(images, 1):
            try:
                agreement = agreement.plus(compare(expected, found, image))
            except GraphError:  # it was written for other sizes
                height, width = read_rgb(image).shape[:2]
                agreement = agreement.plus(Agreement(height * width))
            progress(done, len(images))
    return agreement
