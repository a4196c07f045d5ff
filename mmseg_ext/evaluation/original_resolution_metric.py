"""Scores of a downsampled copy against the original labels.

Shape suffixes: C classes, h, w pixels of the copy, H, W pixels of the original.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from mmengine.logging import MMLogger
from torch import Tensor

from mmseg_ext.arguments import ComponentConfig
from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.segmentation_metric import Counts, SegmentationMetric
from mmseg_ext.registry import METRICS, TRANSFORMS

_VALUES_AT_ONCE = 1 << 24  # enlarged logits: 64 MB in float32


def enlarge_prediction(logits_Chw: Tensor, size: tuple[int, int], values_at_once: int = _VALUES_AT_ONCE) -> Tensor:
    """Enlarge logits bilinearly and choose the class of each pixel, a few classes at a time.

    The result is that of enlarging all of them, ``F.interpolate(…).argmax()``; but 150 classes at 4000 × 3000 would
    take 7.2 GB at once.

    Args:
        logits_Chw: Logits, any floating dtype.
        size: (H, W).
        values_at_once: How many enlarged logits to hold at a time; at least those of one class are held.

    Returns:
        Class indices (H, W), int64.
    """
    height, width = size
    step = max(1, values_at_once // (height * width))
    best_HW = logits_Chw.new_full(size, -torch.inf, dtype=torch.float32)
    found_HW = torch.zeros(size, dtype=torch.long, device=logits_Chw.device)
    for first in range(0, len(logits_Chw), step):
        some_1chw = logits_Chw[None, first : first + step].float()
        some_CHW = F.interpolate(some_1chw, size=size, mode="bilinear", align_corners=False)[0]
        value_HW, class_HW = some_CHW.max(dim=0)
        is_better_HW = value_HW > best_HW
        best_HW = torch.where(is_better_HW, value_HW, best_HW)
        found_HW = torch.where(is_better_HW, class_HW + first, found_HW)
    return found_HW


@METRICS.register_module()
class OriginalResolutionMetric(SegmentationMetric):
    """`SegmentationMetric` against the original labels of a downsampled copy: the score that compares factors fairly.

    A copy's own labels lose detail as its images do, so every factor is scored on another ground truth. Here the
    prediction is enlarged to the original's size and scored on the original's labels. The dataset names their folder
    (``original_labels=True``); without that nothing is scored.

    The logits are enlarged and the class chosen afterwards: a border then runs between the copy's pixels, where
    enlarged classes would show steps as large as the factor. Memory is bounded: see :func:`enlarge_prediction`. Where
    the prediction is not the greatest logit (one sigmoid channel, test-time augmentation), its classes are enlarged
    instead, and a warning says so.

    Scalars, in percent: ``original/aAcc``, ``original/mIoU``, ``original/mAcc`` and
    further means on request; ``save_best='original/mIoU'`` works. Scores by class stand in the log and in the file.

    Args:
        load_labels: The transform that loads the labels in the dataset's pipeline.
        upsample: 'logits', or 'labels' to enlarge the classes.
        matrix_file: Where the matrix of the latest evaluation is kept; see `SegmentationMetric`.
        prefix: Stands before the names of the scalars.
        image_matrices_file: Where those of the single images are kept; likewise.
        **kwargs: Passed to `SegmentationMetric`.

    Raises:
        UserError: A label or a prediction is out of range, an original label file cannot be read, or it is smaller than
            the copy's; names the file.
    """

    def __init__(
        self,
        load_labels: ComponentConfig,
        upsample: Literal["logits", "labels"] = "logits",
        matrix_file: str | None = "confusion_matrix_original.json",
        prefix: str = "original",
        image_matrices_file: str | None = "confusion_matrices_original.npz",
        **kwargs: Any,
    ) -> None:
        super().__init__(matrix_file=matrix_file, prefix=prefix, image_matrices_file=image_matrices_file, **kwargs)
        self.load_labels = TRANSFORMS.build(load_labels)
        self.upsample = upsample
        self._warned: set[str] = set()

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count one batch.

        Args:
            data_batch: Not used.
            data_samples: As dicts, with pred_sem_seg (1, h, w), seg_logits (C, h, w) and seg_map_path.
        """
        roots = self.dataset_meta.get("original_labels")
        if roots is None:
            self._warn_once("Not scored against original labels: the dataset has original_labels=False.")
            return
        super().process(data_batch, [self._at_original_size(sample, roots) for sample in data_samples])

    def score(self, counts: Counts) -> dict[str, float]:
        """Score the sum over all images: only the means become scalars."""
        if self.dataset_meta.get("original_labels") is None:
            return {}
        MMLogger.get_current_instance().info("Against the original labels:")
        scalars = super().score(counts)
        return {name: scalars[name] for name in self.metrics if name in scalars}

    def _at_original_size(self, sample: dict, roots: dict[str, str]) -> dict:
        """Put the original labels and the enlarged prediction in the place of the copy's."""
        if "gt_sem_seg" not in sample or roots["copy"] == roots["original"]:
            return sample
        path = Path(roots["original"]) / Path(sample["seg_map_path"]).relative_to(roots["copy"])
        prediction_hw = sample["pred_sem_seg"]["data"].squeeze(0)
        labels_HW = self._load(path).to(prediction_hw.device)
        size = (labels_HW.shape[0], labels_HW.shape[1])
        if size[0] < prediction_hw.shape[0] or size[1] < prediction_hw.shape[1]:
            raise UserError(
                f"Expected {path} to be as large as {sample['seg_map_path']} or larger, got {tuple(size)} and "
                f"{tuple(prediction_hw.shape)} (height, width). Set `original_root` to the original dataset."
            )
        logits_Chw = self._logits(sample, prediction_hw)
        if logits_Chw is not None:
            prediction_HW = enlarge_prediction(logits_Chw, size)
        else:
            # "nearest-exact" takes the pixel in the middle, "nearest" the one above and to the left of it.
            as_float = prediction_hw[None, None].float()
            prediction_HW = F.interpolate(as_float, size=size, mode="nearest-exact")[0, 0].long()
        return {
            **sample,
            "seg_map_path": str(path),
            "pred_sem_seg": {"data": prediction_HW[None]},
            "gt_sem_seg": {"data": labels_HW[None]},
        }

    def _logits(self, sample: dict, prediction_hw: Tensor) -> Tensor | None:
        """Return the logits that the prediction was chosen by; None where its classes are to be enlarged."""
        if self.upsample == "labels":
            return None
        logits_Chw = sample["seg_logits"]["data"] if "seg_logits" in sample else None
        if logits_Chw is not None and len(logits_Chw) > 1 and torch.equal(logits_Chw.argmax(0), prediction_hw.long()):
            return logits_Chw
        self._warn_once(
            "The prediction is not the class with the greatest logit: its classes are enlarged to the original labels, "
            "not its logits. With upsample='labels' this is so for every run that is compared."
        )
        return None

    def _load(self, path: Path) -> Tensor:
        results = {
            "seg_map_path": str(path),
            "seg_fields": [],
            "reduce_zero_label": self.dataset_meta.get("reduce_zero_label"),
            "label_map": self.dataset_meta.get("label_map"),
        }
        return torch.from_numpy(self.load_labels(results)["gt_seg_map"].astype("int64"))

    def _warn_once(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            MMLogger.get_current_instance().warning(message)
