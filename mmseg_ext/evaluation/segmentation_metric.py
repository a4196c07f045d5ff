"""One confusion matrix a run, and every score from it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import is_distributed
from mmengine.evaluator import BaseMetric
from mmengine.logging import MessageHub, MMLogger

from mmseg_ext.confusion_matrix import class_table, count_confusion, mean_scores, scores_of_classes
from mmseg_ext.errors import UserError
from mmseg_ext.files import replace_file
from mmseg_ext.registry import METRICS


@METRICS.register_module()
class SegmentationMetric(BaseMetric):
    """Mean IoU and its relatives from one int64 confusion matrix.

    Scalars, in percent: aAcc, mIoU, mAcc, further means on request, and ``IoU.<class>``, ``Acc.<class>`` (so that
    ``save_best='IoU.water', rule='greater'`` works). A class absent from truth and prediction is left out of the means;
    a class present and never predicted counts 0.

    Args:
        metrics: Means beside aAcc, mIoU and mAcc: any of mDice, mFscore, mPrecision, mRecall.
        ignore_index: Marks pixels without a label.
        matrix_file: Where the matrix of the latest evaluation is kept, as JSON {classes, iteration, matrix}. A relative
            path lies in the run's log folder; None keeps it nowhere.
        **kwargs: Passed to mmengine's BaseMetric (prefix, collect_device).

    Raises:
        UserError: A label or a prediction is out of range; names the file.
    """

    default_prefix = None

    def __init__(
        self,
        metrics: Sequence[str] = (),
        ignore_index: int = 255,
        matrix_file: str | None = "confusion_matrix.json",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        known = ("mDice", "mFscore", "mPrecision", "mRecall")
        if not set(metrics) <= set(known):
            raise UserError(f"Expected `metrics` among {', '.join(known)}, got {list(metrics)}.")
        self.metrics = ("aAcc", "mIoU", "mAcc", *metrics)
        self.ignore_index = ignore_index
        self.matrix_file = matrix_file
        self.confusion_CC: np.ndarray | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count one batch.

        Args:
            data_batch: Not used.
            data_samples: As dicts, with pred_sem_seg and gt_sem_seg, both (1, H, W).
        """
        num_classes = len(self.dataset_meta["classes"])
        for sample in data_samples:
            if "gt_sem_seg" not in sample:  # a test split without masks: its predictions may still be written
                continue
            prediction = sample["pred_sem_seg"]["data"].squeeze(0)
            labels = sample["gt_sem_seg"]["data"].squeeze(0).to(prediction.device)
            try:
                confusion = count_confusion(prediction, labels, num_classes, self.ignore_index)
            except ValueError as error:
                raise UserError(f"{sample.get('seg_map_path') or sample.get('img_path')}: {error}") from None
            # Several processes keep a matrix an image: mmengine drops the images that padded the last batches by their
            # place in the list. One process needs the sum alone, whatever the number of images.
            if self.results and not is_distributed():
                self.results[0] += confusion.cpu()
            else:
                self.results.append(confusion.cpu())

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Sum the matrices and score them."""
        classes = self.dataset_meta["classes"]
        if not results:
            MMLogger.get_current_instance().warning("No image has labels: nothing to score.")
            return {}
        confusion_CC = torch.stack(results).sum(0).numpy()
        self.confusion_CC = confusion_CC
        means, by_class = mean_scores(confusion_CC), scores_of_classes(confusion_CC)
        self._report(confusion_CC, classes)
        self._write(confusion_CC, classes)
        scalars = {name: round(means[name], 2) for name in self.metrics}
        for score in ("IoU", "Acc"):
            scalars |= {f"{score}.{name}": round(float(v), 2) for name, v in zip(classes, by_class[score], strict=True)}
        return scalars

    def _report(self, confusion_CC: np.ndarray, classes: Sequence[str]) -> None:
        logger = MMLogger.get_current_instance()
        width = max(len(name) for name in classes)
        lines = [f"{'class':<{width}}     IoU     Acc  labelled pixels"]
        table = class_table(confusion_CC, classes)
        for name, iou, acc, pixels in table:
            lines.append(f"{name:<{width}}  {iou:6.2f}  {acc:6.2f}  {pixels:>15,}")
        logger.info("per class:\n%s", "\n".join(lines))
        absent = [n for n, iou, _, _ in table if np.isnan(iou)]
        if absent:
            logger.info("Left out of the means, absent from truth and prediction: %s", ", ".join(absent))

    def _write(self, confusion_CC: np.ndarray, classes: Sequence[str]) -> None:
        if self.matrix_file is None:
            return
        log_file = MMLogger.get_current_instance().log_file
        path = Path(self.matrix_file)
        if not path.is_absolute():
            if log_file is None:
                return
            path = Path(log_file).parent / path
        # The train loop counts from 0; a process that has not trained has no counter.
        iteration = MessageHub.get_current_instance().get_info("iter")
        record = {
            "classes": list(classes),
            "iteration": None if iteration is None else iteration + 1,
            "matrix": confusion_CC.tolist(),
        }
        replace_file(path, json.dumps(record))
