"""One confusion matrix a run, and every score from it."""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import MessageHub, MMLogger

from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.boundary_iou import boundary_scores, count_boundary
from mmseg_ext.evaluation.confusion_matrix_picture import draw_confusion_matrix
from mmseg_ext.evaluation.sampler_padding import got_padding
from mmseg_ext.files import replace_file
from mmseg_ext.masks.class_maps import as_array
from mmseg_ext.registry import METRICS
from mmseg_ext.scores.confusion_matrix import class_table, count_confusion, mean_scores, scores_of_classes

FURTHER_MEANS = ("mDice", "mFscore", "mPrecision", "mRecall", "mBIoU")


@dataclass
class Counts:
    """All that is kept of some images; nothing in it grows with their number.

    Attributes:
        confusion_CC: int64; truth in rows, prediction in columns.
        boundary_2C: int64; intersection and union of the boundaries.
        num_labelled_images: Images that have labels at all.
        loss: Sum of the cross-entropy over the labelled pixels of the images that came with it.
        num_loss_pixels: Labelled pixels of these images.
    """

    confusion_CC: np.ndarray
    boundary_2C: np.ndarray
    num_labelled_images: int = 0
    loss: float = 0.0
    num_loss_pixels: int = 0

    @classmethod
    def zero(cls, num_classes: int) -> "Counts":
        """Count nothing."""
        return cls(np.zeros((num_classes, num_classes), np.int64), np.zeros((2, num_classes), np.int64))

    def __iadd__(self, other: "Counts") -> "Counts":
        self.confusion_CC += other.confusion_CC
        self.boundary_2C += other.boundary_2C
        self.num_labelled_images += other.num_labelled_images
        self.loss += other.loss
        self.num_loss_pixels += other.num_loss_pixels
        return self


@METRICS.register_module()
class SegmentationMetric(BaseMetric):
    """Mean IoU and its relatives from one int64 confusion matrix.

    Scalars, in percent: aAcc, mIoU, mAcc, further means on request, and ``IoU.<class>``, ``Acc.<class>`` (so that
    ``save_best='IoU.water', rule='greater'`` works). A class absent from truth and prediction is left out of the means;
    a class present and never predicted counts 0. With mBIoU also ``BIoU.<class>``, the IoU of the boundaries; see
    :func:`count_boundary`. ``val_loss``, the mean cross-entropy of the labelled pixels in nats, where the segmentor
    computes it (``mmseg_ext.EncoderDecoder(validation_loss=True)``).

    Memory does not grow with the number of images, in one process or in several.

    Args:
        metrics: Means beside aAcc, mIoU and mAcc: any of mDice, mFscore, mPrecision, mRecall, mBIoU.
        ignore_index: Marks pixels without a label.
        matrix_file: Where the matrix of the latest validation is kept, as JSON {classes, iteration, matrix}; beside it
            the same as .npz, and as .png a picture. A relative path lies in the run's log folder; None keeps it
            nowhere. Outside of validation, as in tools/test.py, the names get ``_test`` at their end.
        boundary_width: Of the boundaries of mBIoU, as a share of an image's diagonal.
        **kwargs: Passed to mmengine's BaseMetric (prefix, collect_device).

    Raises:
        UserError: A label or a prediction is out of range; names the file.
    """

    default_prefix: str | None = None

    def __init__(
        self,
        metrics: Sequence[str] = (),
        ignore_index: int = 255,
        matrix_file: str | None = "confusion_matrix.json",
        boundary_width: float = 0.02,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not set(metrics) <= set(FURTHER_MEANS):
            raise UserError(f"Expected `metrics` among {', '.join(FURTHER_MEANS)}, got {list(metrics)}.")
        if not 0 < boundary_width < 1:
            raise UserError(f"Expected `boundary_width` between 0 and 1, such as 0.02, got {boundary_width}.")
        self.metrics = ("aAcc", "mIoU", "mAcc", *metrics)
        self.ignore_index = ignore_index
        self.matrix_file = matrix_file
        self.boundary_width = boundary_width
        self.confusion_CC: np.ndarray | None = None
        self._total: Counts | None = None  # without the latest image
        self._latest: Counts | None = None
        self._num_images = 0

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count one batch.

        Args:
            data_batch: Not used.
            data_samples: As dicts, with pred_sem_seg and gt_sem_seg, both (1, H, W), and ``cross_entropy``
                {sum, num_pixels} where the segmentor computes it.
        """
        for sample in data_samples:
            counts = self._count(sample)
            total = self._total or Counts.zero(len(counts.confusion_CC))
            if self._latest is not None:
                total += self._latest
            self._total, self._latest = total, counts
            self._num_images += 1

    def _count(self, sample: dict) -> Counts:
        num_classes = len(self.dataset_meta["classes"])
        counts = Counts.zero(num_classes)
        if "gt_sem_seg" not in sample:  # a test split without masks: its predictions may still be written
            return counts
        prediction = sample["pred_sem_seg"]["data"].squeeze(0)
        labels = sample["gt_sem_seg"]["data"].squeeze(0).to(prediction.device)
        try:
            counts.confusion_CC = count_confusion(prediction, labels, num_classes, self.ignore_index).cpu().numpy()
        except ValueError as error:
            raise UserError(f"{sample.get('seg_map_path') or sample.get('img_path')}: {error}") from None
        counts.num_labelled_images = 1
        if "mBIoU" in self.metrics:
            maps = as_array(prediction), as_array(labels)
            counts.boundary_2C = count_boundary(*maps, num_classes, self.boundary_width, self.ignore_index)
        cross_entropy = sample.get("cross_entropy")
        if cross_entropy is not None:
            counts.loss, counts.num_loss_pixels = cross_entropy["sum"], cross_entropy["num_pixels"]
        return counts

    def evaluate(self, size: int) -> dict[str, float]:
        """Score all images; the processes put their counts together.

        Args:
            size: Images of the data set. A process that got one more than its share, so that all have as many, got
                its last one twice in all: mmengine's sampler deals out image i to process i modulo their number.
        """
        counts = self._total or Counts.zero(len(self.dataset_meta["classes"]))
        if self._latest is not None and not got_padding(self._num_images, size):
            counts += self._latest
        self._total, self._latest, self._num_images = None, None, 0
        self.results = [counts]
        return super().evaluate(get_world_size())

    def compute_metrics(self, results: list[Counts]) -> dict[str, float]:
        """Sum the counts of the processes and score them."""
        classes = self.dataset_meta["classes"]
        counts = Counts.zero(len(classes))
        for part in results:
            counts += part
        if not counts.num_labelled_images:
            MMLogger.get_current_instance().warning("No image has labels: nothing to score.")
            return {}
        self.confusion_CC = counts.confusion_CC
        means, by_class = mean_scores(counts.confusion_CC), scores_of_classes(counts.confusion_CC)
        kinds = ["IoU", "Acc"]
        if "mBIoU" in self.metrics:
            kinds.append("BIoU")
            by_class["BIoU"] = boundary_scores(counts.boundary_2C)
            means["mBIoU"] = float(np.nanmean(by_class["BIoU"])) if counts.boundary_2C.any() else float("nan")
        self._report(counts.confusion_CC, classes)
        self._write(counts, classes, means["mIoU"])
        scalars = {name: round(means[name], 2) for name in self.metrics}
        if counts.num_loss_pixels:
            scalars["val_loss"] = round(counts.loss / counts.num_loss_pixels, 6)
        for kind in kinds:
            scalars |= {f"{kind}.{name}": round(float(v), 2) for name, v in zip(classes, by_class[kind], strict=True)}
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

    def _matrix_path(self) -> Path | None:
        """Return where the matrix is kept, None for nowhere."""
        if self.matrix_file is None:
            return None
        path = Path(self.matrix_file)
        if not path.is_absolute():
            log_file = MMLogger.get_current_instance().log_file
            if log_file is None:
                return None
            path = Path(log_file).parent / path
        is_validation = MessageHub.get_current_instance().get_info("loop_stage") == "val"
        return path if is_validation else path.with_stem(f"{path.stem}_test")

    def _write(self, counts: Counts, classes: Sequence[str], mean_iou: float) -> None:
        path = self._matrix_path()
        if path is None:
            return
        # The train loop counts from 0; a process that has not trained has no counter.
        iteration = MessageHub.get_current_instance().get_info("iter")
        iteration = None if iteration is None else iteration + 1
        record = {"classes": list(classes), "iteration": iteration, "matrix": counts.confusion_CC.tolist()}
        replace_file(path, json.dumps(record))
        arrays = {"classes": np.array(classes), "matrix": counts.confusion_CC}
        if iteration is not None:
            arrays["iteration"] = np.array(iteration)
        if "mBIoU" in self.metrics:
            arrays["boundary"] = counts.boundary_2C
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        replace_file(path.with_suffix(".npz"), buffer.getvalue())
        title = f"mIoU {mean_iou:.2f}" + (f" after {iteration:,} iterations" if iteration is not None else "")
        replace_file(path.with_suffix(".png"), draw_confusion_matrix(counts.confusion_CC, classes, title))
