"""A confusion matrix as files.

Shape suffixes: C classes (truth in rows, prediction in columns); 2 is intersection and union.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmseg_ext.evaluation.reports.confusion_matrix_picture import draw_confusion_matrix
from mmseg_ext.files import replace_file
from mmseg_ext.scores.confusion_matrix import mean_scores


def write_confusion_matrix(
    path: Path,
    confusion_CC: np.ndarray,
    classes: Sequence[str],
    iteration: int | None = None,
    boundary_2C: np.ndarray | None = None,
) -> None:
    """Write a confusion matrix as JSON {classes, iteration, matrix}, as .npz and as a picture, .png, beside it.

    Args:
        path: The JSON file.
        confusion_CC: Pixels, int64.
        classes: Their names.
        iteration: Iterations that were trained; None where that is not known.
        boundary_2C: Pixels of the boundaries, int64, for the .npz file.
    """
    record = {"classes": list(classes), "iteration": iteration, "matrix": confusion_CC.tolist()}
    replace_file(path, json.dumps(record))
    arrays = {"classes": np.array(classes), "matrix": confusion_CC}
    title = f"mIoU {mean_scores(confusion_CC)['mIoU']:.2f}"
    if iteration is not None:
        arrays["iteration"] = np.array(iteration)
        title += f" after {iteration:,} iterations"
    if boundary_2C is not None:
        arrays["boundary"] = boundary_2C
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    replace_file(path.with_suffix(".npz"), buffer.getvalue())
    replace_file(path.with_suffix(".png"), draw_confusion_matrix(confusion_CC, classes, title))
