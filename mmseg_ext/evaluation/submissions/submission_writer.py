"""What all writers of a submission file share.

Shape suffixes: H height, W width, C classes.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mmseg_ext.arguments import StrPath
from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.current_run import log_folder, report
from mmseg_ext.evaluation.submissions.compressed_map import CompressedMap
from mmseg_ext.evaluation.submissions.submitted_names import image_names
from mmseg_ext.scores.confusion_matrix import check_range, count_confusion


@dataclass(frozen=True)
class SubmissionRow:
    """An image's part of the file.

    Attributes:
        image: The image's path.
        content: What the file will hold of it.
        prediction: What was predicted, to compare the file with.
        labels: The truth, to score the file by; None where the image has no mask.
        is_empty: Whether it has no positive pixel.
    """

    image: str
    content: Any
    prediction: CompressedMap
    labels: CompressedMap | None
    is_empty: bool


def class_map_of(
    field: Mapping[str, torch.Tensor], num_classes: int, name: str, ignore_index: int | None = None
) -> np.ndarray:
    """Take a class map out of a sample.

    Args:
        field: ``pred_sem_seg`` or ``gt_sem_seg``, (1, H, W) or (H, W), of any number type.
        num_classes: C.
        name: What the values are, in the plural.
        ignore_index: Marks pixels without a label; None where every pixel has a class.

    Returns:
        uint8, or uint16 where there are more than 255 classes.

    Raises:
        ValueError: A value is no class.
    """
    data = field["data"]
    data = data.squeeze(0) if data.ndim == 3 else data
    values = data if ignore_index is None else data[data != ignore_index]
    if values.is_floating_point() and not torch.equal(values, values.round()):
        raise ValueError(f"Expected {name} that are whole numbers, got {data.dtype} with fractions.")
    check_range(values, num_classes, name, ignore_index)
    dtype = np.uint8 if max(num_classes - 1, ignore_index or 0) < 256 else np.uint16
    return data.to(torch.int32).cpu().numpy().astype(dtype)


class SubmissionWriter(BaseMetric):
    """Writes predictions into a submission file, reads it back, compares, and scores what it reads.

    The file does not depend on the batch size, the order of the images or the number of processes: one row an image,
    sorted by name. An image is named by its file name; images that share one by their path below the folder that holds
    all images. Class maps wait, compressed, until the last image; then the file is replaced whole.

    A subclass says how an image is encoded, and how the file is written and read.

    Args:
        output: The file. A relative path lies in the run's log folder, or in the current folder where there is none.
        ignore_index: Marks pixels of the truth without a label: they are not scored.
        keep_suffix: Whether images' names in the file end in .png, .jpg and so on.
        **kwargs: Passed to mmengine's BaseMetric.

    Raises:
        UserError: A prediction or a label is no class, or a prediction is not at the image's original size; names the
            file. Two images would have one name.
        RuntimeError: What is read back is not what was predicted.
    """

    separator = "/"
    """Between the folders of images that share a name."""

    def __init__(self, output: StrPath, ignore_index: int = 255, keep_suffix: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.output = output
        self.ignore_index = ignore_index
        self.keep_suffix = keep_suffix

    # --- for subclasses ---

    def check_classes(self, num_classes: int) -> None:
        """Refuse a dataset that the file cannot be written for."""

    def num_written_classes(self) -> int:
        """Return how many classes the file distinguishes."""
        return len(self.dataset_meta["classes"])

    def select(self, class_map_HW: np.ndarray) -> np.ndarray:
        """Turn a class map, of prediction or truth, into the classes that the file distinguishes."""
        return class_map_HW

    @abstractmethod
    def encode(self, prediction_HW: np.ndarray) -> Any:
        """Return what the file will hold of a prediction."""

    @abstractmethod
    def write(self, path: Path, contents: Mapping[str, Any]) -> None:
        """Write the file."""

    @abstractmethod
    def read(self, path: Path, shapes: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, np.ndarray]]:
        """Read the file: name and class map (H, W) of each image, as a server would."""

    def agreement(self, found_HW: np.ndarray, prediction_HW: np.ndarray) -> float:
        """Return how well what was read agrees with what was predicted, 0 to 1.

        Raises:
            RuntimeError: Not well enough.
        """
        if not np.array_equal(found_HW, prediction_HW):
            raise RuntimeError(f"{int((found_HW != prediction_HW).sum())} pixels differ")
        return 1.0

    @abstractmethod
    def scores(self, confusions_NCC: np.ndarray) -> dict[str, float]:
        """Score what was read back by the confusion matrices of the images that have labels."""

    # --- mmengine's ---

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Encode one batch.

        Args:
            data_batch: Not used.
            data_samples: As dicts, with pred_sem_seg (1, H, W) at original size, img_path, and gt_sem_seg where there
                are masks.
        """
        num_classes = len(self.dataset_meta["classes"])
        self.check_classes(num_classes)
        for sample in data_samples:
            try:
                self.results.append(self._row(sample, num_classes))
            except ValueError as error:
                raise UserError(f"{sample['img_path']}: {error}") from None

    def _row(self, sample: dict, num_classes: int) -> SubmissionRow:
        prediction_HW = class_map_of(sample["pred_sem_seg"], num_classes, "predictions")
        original = sample.get("ori_shape")
        if original is not None and tuple(original) != prediction_HW.shape:
            raise UserError(f"Expected a prediction at the original size {tuple(original)}, got {prediction_HW.shape}.")
        prediction_HW = self.select(prediction_HW)
        labels = None
        if "gt_sem_seg" in sample:
            labels_HW = class_map_of(sample["gt_sem_seg"], num_classes, "labels", self.ignore_index)
            if labels_HW.shape != prediction_HW.shape:
                raise UserError(
                    f"Expected a mask of the image's size {prediction_HW.shape}, got {labels_HW.shape}. "
                    "Load the labels after Resize in the test pipeline."
                )
            ignored_HW = labels_HW == self.ignore_index
            labels = CompressedMap.of(np.where(ignored_HW, labels_HW, self.select(labels_HW)))
        return SubmissionRow(
            str(sample["img_path"]),
            self.encode(prediction_HW),
            CompressedMap.of(prediction_HW),
            labels,
            not prediction_HW.any(),
        )

    def compute_metrics(self, results: list[SubmissionRow]) -> dict[str, float]:
        """Write the file, read it back, compare and score."""
        row_of = self._name(results)
        path = self._path()
        self.write(path, {name: row.content for name, row in row_of.items()})
        agreements, confusions = self._compare(path, row_of)
        num_empty = sum(row.is_empty for row in row_of.values())
        report(
            "%d images written to %s, %d of them without a positive pixel. Read back, %s",
            len(row_of),
            path,
            num_empty,
            f"the lowest agreement with the predictions is {100 * min(agreements.values()):.2f} % "
            f"({min(agreements, key=agreements.__getitem__)})"
            if agreements and min(agreements.values()) < 1
            else "all are as predicted.",
        )
        if not confusions:
            return {}
        scores = {name: round(value, 2) for name, value in self.scores(np.stack(confusions)).items()}
        report("%s scores %s", path.name, ", ".join(f"{name} {value:.2f}" for name, value in scores.items()))
        return scores

    def _compare(self, path: Path, row_of: Mapping[str, SubmissionRow]) -> tuple[dict[str, float], list[np.ndarray]]:
        agreements: dict[str, float] = {}
        confusions = []
        for name, found_HW in self.read(path, {name: row.prediction.shape for name, row in row_of.items()}):
            row = row_of.get(name)
            if row is None or name in agreements:
                raise RuntimeError(f"{path} holds {name!r}, which was not written, or was written once.")
            try:
                agreements[name] = self.agreement(found_HW, row.prediction.open())
            except RuntimeError as error:
                raise RuntimeError(f"{path} does not read back as {row.image} was predicted: {error}.") from None
            if row.labels is not None:
                found, labels = torch.from_numpy(found_HW), torch.from_numpy(row.labels.open().copy())
                confusions.append(count_confusion(found, labels, self.num_written_classes(), self.ignore_index).numpy())
        missing = row_of.keys() - agreements.keys()
        if missing:
            raise RuntimeError(f"{path} does not hold {sorted(missing)[0]!r}, which was written.")
        return agreements, confusions

    def _name(self, results: Sequence[SubmissionRow]) -> dict[str, SubmissionRow]:
        """Return the rows by name, in the order of the names."""
        row_of_image: dict[str, SubmissionRow] = {}
        for row in results:
            if row_of_image.setdefault(row.image, row).prediction != row.prediction:
                raise UserError(f"Expected one prediction for {row.image}, got two that differ.")
        rows = list(row_of_image.values())
        names = image_names([row.image for row in rows], self.keep_suffix, self.separator)
        longer = [
            name
            for name, row in zip(names, rows, strict=True)
            if name not in (Path(row.image).stem, Path(row.image).name)
        ]
        if longer:
            MMLogger.get_current_instance().warning(
                "%d images share their name with another; they are named by their path, such as %s",
                len(longer),
                longer[0],
            )
        return dict(sorted(zip(names, rows, strict=True)))

    def _path(self) -> Path:
        return (log_folder() or Path()) / self.output  # an absolute path stays as it is
