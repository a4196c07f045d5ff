"""The threshold of one sigmoid channel."""

from typing import Annotated, Any

import numpy as np
from mmengine.logging import MMLogger

from mmseg_ext.arguments import Rule
from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.current_run import is_validation
from mmseg_ext.evaluation.reports.image_matrices_report import ImageMatricesReport, names_of
from mmseg_ext.evaluation.summing_metric import SummingMetric
from mmseg_ext.registry import METRICS
from mmseg_ext.scores.binary_threshold import Criterion, ThresholdCurve, count_probabilities
from mmseg_ext.scores.image_matrices import Cells, cells_of

NumBins = Annotated[int, Rule("a power of two, such as 1024", lambda value: value >= 2 and not value & (value - 1))]


@METRICS.register_module()
class ThresholdMetric(SummingMetric):
    """Score one sigmoid channel at every threshold, and choose the best in validation.

    ``mmseg_ext.BinaryThresholdHook`` (in ``default_runtime.py``) gives the chosen threshold to the network and to its
    checkpoints, and draws the curve. The predictions of the validation that chooses it are still those of the one
    before: the scores here, not those of ``SegmentationMetric``, are what the checkpoint reaches. Keep the best by
    ``save_best='binary/IoU', rule='greater'``.

    Scalars, in percent but for the first: ``binary/threshold``; at it ``binary/IoU``, ``binary/F1``,
    ``binary/precision``, ``binary/recall`` of the foreground over all pixels and ``binary/mIoU``, the mean over both
    classes; ``binary/AP``, the average precision. Outside of validation nothing is chosen, which would be fitting to
    the test images: ``binary/AP`` is the only scalar. Where no label is foreground no threshold is chosen, the
    scores of a validation are NaN, and a test has none.

    The curve of the latest evaluation is kept in ``curve``. Of each image the counts that are not 0 are kept, at most
    16 kB for 1024 thresholds: at the chosen one they become the confusion matrices of the images
    (``image_matrices_file``), which a test, where nothing is chosen, does not write.

    Args:
        criterion: What the chosen threshold is best in: 'IoU' or 'F1' of the foreground over all pixels (the same
            threshold, as F1 = 2 IoU / (1 + IoU)), or 'mIoU'.
        num_bins: Thresholds to try, a power of two: multiples of its inverse.
        ignore_index: Marks pixels without a label.
        image_matrices_file: Where the matrices of the single images at the chosen threshold are kept, as for
            `SegmentationMetric`; the best validation is that with the best `criterion`.
        **kwargs: Passed to mmengine's BaseMetric (prefix, collect_device).

    Raises:
        UserError: There are no probabilities of one channel, or a label is neither 0 nor 1; names the file.
    """

    default_prefix = "binary"

    def __init__(
        self,
        criterion: Criterion = "IoU",
        num_bins: NumBins = 1024,
        ignore_index: int = 255,
        image_matrices_file: str | None = "confusion_matrices_binary.npz",
        **kwargs: Any,
    ) -> None:
        super().__init__(ignore_index, **kwargs)
        self.criterion = criterion
        self.num_bins = num_bins
        self.image_matrices = ImageMatricesReport(image_matrices_file, criterion)
        self.curve: ThresholdCurve | None = None
        self.chosen: int | None = None

    def zero(self) -> np.ndarray:
        """Return the counts of no image."""
        return np.zeros((2, self.num_bins + 1), np.int64)

    def count(self, sample: dict) -> np.ndarray:
        """Count one image.

        Args:
            sample: With seg_logits, the probabilities (1, H, W), and gt_sem_seg (1, H, W). Without gt_sem_seg there is
                nothing to count.
        """
        if "gt_sem_seg" not in sample:
            return self.zero()
        if "seg_logits" not in sample:
            raise UserError(
                "Expected the probabilities for ThresholdMetric, got the prediction alone. "
                "Set `keep_logits=True` in the model (mmseg_ext.EncoderDecoder)."
            )
        probability_HW = sample["seg_logits"]["data"]
        if len(probability_HW) != 1:
            raise UserError(
                f"Expected a head of one channel for ThresholdMetric, got {len(probability_HW)} channels. "
                "Set `num_classes=2, out_channels=1` in the decode head."
            )
        labels_HW = sample["gt_sem_seg"]["data"].to(probability_HW.device)
        return count_probabilities(probability_HW, labels_HW, self.num_bins, self.ignore_index)

    def keep(self, sample: dict, counts: np.ndarray) -> tuple[dict[str, Any], Cells] | None:
        """Return the name of a labelled image and its counts, where its matrix will be written."""
        if "gt_sem_seg" not in sample or not is_validation() or not self.image_matrices.is_on:
            return None
        return names_of(sample), cells_of(counts)

    def score(self, counts: np.ndarray) -> dict[str, float]:
        """Score the sum over all images, and choose a threshold in validation."""
        logger = MMLogger.get_current_instance()
        self.curve, self.chosen = ThresholdCurve.of(counts), None
        curves = self.curve.scores()
        best = self.curve.best(self.criterion)
        if best is None:
            logger.warning("No label is foreground: nothing to score, and no threshold is chosen.")
            # What a hook of the training watches is there, and never the best.
            return dict.fromkeys([*curves, "AP"], float("nan")) if is_validation() else {}
        scalars = {"AP": round(self.curve.average_precision(), 2)}
        if not is_validation():
            return scalars
        self.chosen = best
        scores = {name: round(float(curve[best]), 2) for name, curve in curves.items()}
        threshold = float(self.curve.threshold_T[best])
        logger.info(
            "Best %s at the threshold %g: IoU %.2f, F1 %.2f", self.criterion, threshold, scores["IoU"], scores["F1"]
        )
        classes = (self.dataset_meta or {}).get("classes") or ("background", "foreground")
        images = [(names, self._cells_at(best, cells)) for names, cells in self.images]
        self.image_matrices.write(images, classes, scores, self.prefix)
        return {"threshold": threshold, **scores, **scalars}

    def _cells_at(self, threshold: int, cells: Cells) -> Cells:
        """Return the cells of an image's confusion matrix at a threshold, given by its index."""
        truth, bins = np.divmod(cells[0].astype(np.int64), self.num_bins + 1)
        return cells_of(np.bincount(2 * truth + (bins > threshold), cells[1], minlength=4).astype(np.int64))
