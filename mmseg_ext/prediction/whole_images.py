"""Whole images predicted by a model that has nothing but `logits`.

Shape suffixes: C channels, H height, W width.
"""

import numpy as np
import torch
from torch import Tensor

from mmseg_ext.prediction.blending import blend_windows
from mmseg_ext.prediction.class_scores import classify, probabilities
from mmseg_ext.prediction.predictor import ImageInput, Prediction, Predictor, class_map_dtype


def whole_logits(predictor: Predictor, image_HWC: np.ndarray) -> Tensor:
    """Compute the logits of an image, (C, H, W): at once, or in windows where the network takes one size only."""
    if not predictor.window.is_fixed:
        return predictor.logits(image_HWC[None])[0]
    return blend_windows(predictor, image_HWC)


@torch.no_grad()
def predict_by_logits(
    predictor: Predictor, image: ImageInput, image_HWC: np.ndarray, with_probabilities: bool
) -> Prediction:
    """Predict one image; see :meth:`Predictor.predict_prepared`."""
    logits_CHW = whole_logits(predictor, image_HWC)
    classes_HW = classify(logits_CHW, predictor.threshold)
    kept = probabilities(logits_CHW, predictor.threshold).cpu().numpy() if with_probabilities else None
    dtype = class_map_dtype(len(predictor.names))
    return Prediction(classes_HW.cpu().numpy().astype(dtype), kept, predictor.names, predictor.palette, image)
