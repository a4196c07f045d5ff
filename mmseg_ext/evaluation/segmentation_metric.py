"""One confusion matrix a run, and every score from it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from mmengine.logging import MMLogger

from mmseg_ext.arguments import OpenFraction, PositiveFloat, StrPath
from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.boundary_iou import boundary_scores, count_boundary
from mmseg_ext.evaluation.current_run import is_validation, log_path, num_iterations
from mmseg_ext.evaluation.prediction_writer import PredictionWriter
from mmseg_ext.evaluation.reports.class_report import log_class_scores
from mmseg_ext.evaluation.reports.confusion_matrix_report import write_confusion_matrix
from mmseg_ext.evaluation.reports.image_matrices_report import ImageMatricesReport, names_of
from mmseg_ext.evaluation.summing_metric import SummingMetric
from mmseg_ext.masks.class_maps import as_array
from mmseg_ext.registry import METRICS
from mmseg_ext.scores.confusion_matrix import count_confusion, mean_scores, scores_of_classes
from mmseg_ext.scores.image_matrices import Cells, cells_of

MEANS = ("aAcc", "mIoU", "mAcc")
MeanName = Literal["aAcc", "mIoU", "mAcc", "mDice", "mFscore", "mPrecision", "mRecall", "mBIoU"]
StockMeanName = Literal["aAcc", "mIoU", "mAcc", "mDice", "mFscore"]
STOCK_MEANS: dict[str, list[MeanName]] = {"mDice": ["mDice"], "mFscore": ["mFscore", "mPrecision", "mRecall"]}
"""The means of mmseg's IoUMetric beside aAcc, mIoU and mAcc, by the name in `iou_metrics` that asks for them."""


@dataclass
class Counts:
    """The sums over some images.

    Attributes:
        confusion_CC: int64; truth in rows, prediction in columns.
        boundary_2C: int64; intersection and union of the boundaries.
        num_labelled_images: Images that have labels at all.
        num_loss_images: Images that came with a cross-entropy.
        loss: Sum of the cross-entropy over the labelled pixels of these images.
        num_loss_pixels: Labelled pixels of these images.
    """

    confusion_CC: np.ndarray
    boundary_2C: np.ndarray
    num_labelled_images: int = 0
    num_loss_images: int = 0
    loss: float = 0.0
    num_loss_pixels: int = 0

    def __iadd__(self, other: "Counts") -> "Counts":
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self


@METRICS.register_module()
class SegmentationMetric(SummingMetric):
    """Mean IoU and its relatives from one int64 confusion matrix.

    Scalars, in percent: aAcc, mIoU, mAcc, further means on request, and ``IoU.<class>``, ``Acc.<class>`` (so that
    ``save_best='IoU.water', rule='greater'`` works). A class absent from truth and prediction is left out of the means;
    a class present and never predicted counts 0. With mBIoU also ``BIoU.<class>``, the IoU of the boundaries; see
    :func:`count_boundary`. ``val_loss``, the mean cross-entropy of the labelled pixels in nats, where the segmentor
    computes it (``mmseg_ext.EncoderDecoder(validation_loss=True)``). Where no image has labels, a warning says so: the
    scalars of a validation are then NaN, which never counts as the best, and a test has none.

    Of each image the cells of its confusion matrix that are not 0 are kept and written, 1 kB or so
    (``image_matrices_file``); else memory does not grow with the number of images, in one process or in several.

    It takes the arguments of mmseg's IoUMetric as well, so that its configs need no change but the prefix.

    Args:
        metrics: Means beside aAcc, mIoU and mAcc: one or several of mDice, mFscore, mPrecision, mRecall, mBIoU.
        ignore_index: Marks pixels without a label.
        matrix_file: Where the matrix of the latest validation is kept, as JSON {classes, iteration, matrix}; beside it
            the same as .npz, and as .png a picture. A relative path lies in the run's log folder; None keeps it
            nowhere. Outside of validation, as in tools/test.py, the names get ``_test`` at their end.
        boundary_width: Of the boundaries of mBIoU, as a share of an image's diagonal.
        iou_metrics: As for mmseg's IoUMetric: adds its means. 'mFscore' brings mPrecision and mRecall.
        nan_to_num: Score of a class without one, as a share, which then counts in the means. None leaves it out.
        beta: Weight of recall against precision in mFscore.
        output_dir: Where each prediction is written as a PNG, named as its image, with the values of the dataset's
            mask files (see :func:`~mmseg_ext.evaluation.prediction_writer.mask_values`). None writes none.
        format_only: Write the predictions and score nothing; needs `output_dir`.
        image_matrices_file: Where the matrices of the single images are kept, as .npz; tables and intervals are made of
            them (:func:`~mmseg_ext.scores.image_matrices.read_image_matrices`). As for `matrix_file`; the file of the
            best validation gets ``_best`` at its end. With matrix_file=None it is not written either.
        best: The scalar by which a validation is the best.
        **kwargs: Passed to mmengine's BaseMetric (prefix, collect_device).

    Raises:
        UserError: An argument is out of range. A label or a prediction is out of range; names the file.
    """

    default_prefix: str | None = None

    def __init__(
        self,
        metrics: MeanName | Collection[MeanName] = (),
        ignore_index: int = 255,
        matrix_file: str | None = "confusion_matrix.json",
        boundary_width: OpenFraction = 0.02,
        iou_metrics: StockMeanName | Collection[StockMeanName] = (),
        nan_to_num: float | None = None,
        beta: PositiveFloat = 1.0,
        output_dir: StrPath | None = None,
        format_only: bool = False,
        image_matrices_file: str | None = "confusion_matrices.npz",
        best: str = "mIoU",
        **kwargs: Any,
    ) -> None:
        super().__init__(ignore_index, **kwargs)
        metrics = [metrics] if isinstance(metrics, str) else list(metrics)
        for name in [iou_metrics] if isinstance(iou_metrics, str) else iou_metrics:
            metrics += STOCK_MEANS.get(name, [])
        if format_only and output_dir is None:
            raise UserError("Expected `output_dir`, a folder for the predictions, with format_only=True, got none.")
        self.metrics = tuple(dict.fromkeys([*MEANS, *metrics]))
        self.matrix_file = matrix_file
        self.image_matrices = ImageMatricesReport(image_matrices_file if matrix_file is not None else None, best)
        self.boundary_width = boundary_width
        self.nan_to_num = nan_to_num
        self.beta = beta
        self.writer = None if output_dir is None else PredictionWriter(output_dir, mask_values=True)
        self.format_only = format_only
        self.confusion_CC: np.ndarray | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count one batch, and write its predictions where `output_dir` is set."""
        if self.writer is not None:
            self.writer.process(data_batch, data_samples)
        if not self.format_only:
            super().process(data_batch, data_samples)

    def evaluate(self, size: int) -> dict[str, float]:
        """Score all images of all processes; nothing with `format_only`."""
        if self.writer is not None:
            self.writer.evaluate(size)
        return {} if self.format_only else super().evaluate(size)

    def zero(self) -> Counts:
        """Return the counts of no image."""
        num_classes = len(self.dataset_meta["classes"])
        return Counts(np.zeros((num_classes, num_classes), np.int64), np.zeros((2, num_classes), np.int64))

    def count(self, sample: dict) -> Counts:
        """Count one image.

        Args:
            sample: With pred_sem_seg and gt_sem_seg, both (1, H, W), and ``cross_entropy`` {sum, num_pixels} where the
                segmentor computes it. Without gt_sem_seg there is nothing to count.
        """
        counts = self.zero()
        if "gt_sem_seg" not in sample:  # a test split without masks: its predictions may still be written
            return counts
        prediction = sample["pred_sem_seg"]["data"].squeeze(0)
        labels = sample["gt_sem_seg"]["data"].squeeze(0).to(prediction.device)
        num_classes = len(counts.confusion_CC)
        counts.confusion_CC = count_confusion(prediction, labels, num_classes, self.ignore_index).cpu().numpy()
        counts.num_labelled_images = 1
        if "mBIoU" in self.metrics:
            maps = as_array(prediction), as_array(labels)
            counts.boundary_2C = count_boundary(*maps, num_classes, self.boundary_width, self.ignore_index)
        cross_entropy = sample.get("cross_entropy")
        if cross_entropy is not None:
            counts.num_loss_images = 1
            counts.loss, counts.num_loss_pixels = cross_entropy["sum"], cross_entropy["num_pixels"]
        return counts

    def keep(self, sample: dict, counts: Counts) -> tuple[dict[str, Any], Cells] | None:
        """Return the name of a labelled image and the cells of its matrix, where they are written."""
        if not counts.num_labelled_images or not self.image_matrices.is_on:
            return None
        return names_of(sample), cells_of(counts.confusion_CC)

    def score(self, counts: Counts) -> dict[str, float]:
        """Score the sum over all images, and write the reports."""
        if counts.num_labelled_images:
            self.confusion_CC = counts.confusion_CC
            self._report(counts)
        else:
            MMLogger.get_current_instance().warning("No image has labels: nothing to score.")
            if not is_validation():
                return {}
        settings = counts.confusion_CC, self.beta, self.nan_to_num
        means, by_class = mean_scores(*settings), scores_of_classes(*settings)
        kinds = ["IoU", "Acc"]
        if "mBIoU" in self.metrics:
            kinds.append("BIoU")
            by_class["BIoU"] = boundary_scores(counts.boundary_2C)
            means["mBIoU"] = float(np.nanmean(by_class["BIoU"])) if counts.boundary_2C.any() else float("nan")
        scalars = {name: round(means[name], 2) for name in self.metrics}
        if counts.num_loss_pixels:
            scalars["val_loss"] = round(counts.loss / counts.num_loss_pixels, 6)
        elif is_validation() and (counts.num_loss_images or not counts.num_labelled_images):
            scalars["val_loss"] = float("nan")
        classes = self.dataset_meta["classes"]
        for kind in kinds:
            scalars |= {f"{kind}.{name}": round(float(v), 2) for name, v in zip(classes, by_class[kind], strict=True)}
        self.image_matrices.write(self.images, classes, scalars, self.prefix)
        return scalars

    def _report(self, counts: Counts) -> None:
        classes = self.dataset_meta["classes"]
        log_class_scores(counts.confusion_CC, classes)
        path = log_path(self.matrix_file)
        if path is not None:
            boundary_2C = counts.boundary_2C if "mBIoU" in self.metrics else None
            write_confusion_matrix(path, counts.confusion_CC, classes, num_iterations(), boundary_2C)
