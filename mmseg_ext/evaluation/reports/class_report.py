"""The scores of each class in the log.

Shape suffixes: C classes (truth in rows, prediction in columns).
"""

from collections.abc import Sequence

import numpy as np
from mmengine.logging import MMLogger

from mmseg_ext.scores.confusion_matrix import scores_of_classes


def log_class_scores(confusion_CC: np.ndarray, classes: Sequence[str]) -> None:
    """Log IoU and Acc of each class in percent and its labelled pixels, and the classes that the means leave out.

    Args:
        confusion_CC: Pixels, int64.
        classes: Their names.
    """
    logger = MMLogger.get_current_instance()
    scores, pixels_C = scores_of_classes(confusion_CC), confusion_CC.sum(1)
    width = max(len(name) for name in classes)
    lines = [f"{'class':<{width}}     IoU     Acc  labelled pixels"]
    for name, iou, acc, pixels in zip(classes, scores["IoU"], scores["Acc"], pixels_C, strict=True):
        lines.append(f"{name:<{width}}  {iou:6.2f}  {acc:6.2f}  {pixels:>15,}")
    logger.info("per class:\n%s", "\n".join(lines))
    absent = [name for name, iou in zip(classes, scores["IoU"], strict=True) if np.isnan(iou)]
    if absent:
        logger.info("Left out of the means, absent from truth and prediction: %s", ", ".join(absent))
