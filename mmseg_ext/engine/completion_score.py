"""How good completed labels are, where the full labels are known.

Shape suffixes: H height, W width, C classes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from mmseg_ext.datasets.label_steps import loading_steps
from mmseg_ext.errors import UserError
from mmseg_ext.escaping import escape_markdown
from mmseg_ext.points.completed_labels import read_completed
from mmseg_ext.progress import ProgressDisplay
from mmseg_ext.scores.confusion_matrix import count_confusion, mean_scores, scores_of_classes

THRESHOLDS = (0.0, 0.55, 0.7, 0.9)


class CompletionScore(NamedTuple):
    """Completed labels beside the full ones.

    Attributes:
        classes: Their names.
        matrices: Confusion matrix (C, C) of the pixels at least as confident as each of `THRESHOLDS`.
    """

    classes: list[str]
    matrices: list[np.ndarray]

    def __str__(self) -> str:
        total = max(self.matrices[0].sum(), 1)
        names = " | ".join(map(escape_markdown, self.classes))
        lines = [
            f"| confidence at least | % of pixels | % right | mIoU | {names} |",
            "|---:" * (4 + len(self.classes)) + "|",
        ]
        for threshold, matrix_CC in zip(THRESHOLDS, self.matrices, strict=True):
            means, iou = mean_scores(matrix_CC), scores_of_classes(matrix_CC)["IoU"]
            cells = [100 * matrix_CC.sum() / total, means["aAcc"], means["mIoU"], *iou]
            lines.append(f"| {threshold:g} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
        return "\n".join(lines)


def score_completion(dataset: Mapping[str, Any], folder: str | Path) -> CompletionScore:
    """Compare the completed labels of a dataset's images with its masks.

    Args:
        dataset: Its config, with ``labels=dict(num_points=…, complete=…)``.
        folder: Of the completed labels.

    Raises:
        UserError: There are no masks, or the labels cannot be read.
    """
    if dataset["labels"].get("num_points") is None:
        raise UserError("Expected points sampled from masks for --score, got a file of points. Leave --score out.")
    with DefaultScope.overwrite_default_scope("mmseg"):
        full: Any = DATASETS.build({**dataset, "labels": None, "pipeline": loading_steps(dataset["pipeline"])})
    classes = list(full.metainfo["classes"])
    matrices = [np.zeros((len(classes), len(classes)), np.int64) for _ in THRESHOLDS]
    with ProgressDisplay("Scoring the labels") as progress:
        for index in range(len(full)):
            sample = full[index]
            labels_HW, confidence_HW = read_completed(folder, sample["img_name"])
            if confidence_HW is None:
                continue
            for matrix_CC, threshold in zip(matrices, THRESHOLDS, strict=True):
                truth_HW = np.where(confidence_HW >= 255 * threshold, sample["gt_seg_map"], 255)
                counts = count_confusion(torch.from_numpy(labels_HW), torch.from_numpy(truth_HW), len(classes))
                matrix_CC += counts.numpy()
            progress(index + 1, len(full))
    return CompletionScore(classes, matrices)
