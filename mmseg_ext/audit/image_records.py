"""What is known of each image of an audit, as files: an interrupted audit goes on where it stopped.

Shape suffixes: H W height and width, M cells of a confusion matrix that are not zero.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mmseg_ext.audit.candidates import Candidate
from mmseg_ext.evaluation.submissions.run_length import decode_rle, encode_rle
from mmseg_ext.files import join_below, read_cache_file, replace_file, write_cache_file
from mmseg_ext.masks.class_maps import pack_labels, unpack_labels

FORMAT = 3
"""Raised whenever what is found in an image, or how it is kept, changes."""


class Cells(NamedTuple):
    """A confusion matrix, without its zeros.

    Attributes:
        places: Label · C + prediction, of each cell.
        pixels: Of each cell.
    """

    places: list[int]
    pixels: list[int]

    @classmethod
    def of_pixels(cls, labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> "Cells":
        """Count pixels by label and prediction; arrays of one shape without unlabelled pixels."""
        counts = np.bincount(labels.astype(np.int64) * num_classes + predictions, minlength=num_classes**2)
        places = np.flatnonzero(counts)
        return cls(places.tolist(), counts[places].tolist())

    def matrix(self, num_classes: int) -> np.ndarray:
        """Return the whole matrix, int64 (C, C)."""
        matrix = np.zeros(num_classes**2, np.int64)
        matrix[self.places] = self.pixels
        return matrix.reshape(num_classes, num_classes)


class ImageRecord(NamedTuple):
    """What an audit has found in one image.

    Attributes:
        digest: Says what it was made from.
        num_unjudged: Labelled pixels of classes that the model has not seen.
        mean_loss: Of all judged pixels, in nats; None without any.
        cells: Labels and predictions of all judged pixels.
        candidates: The worst first.
        own_cells: Of each candidate: its pixels that no worse candidate has.
    """

    digest: str
    num_unjudged: int
    mean_loss: float | None
    cells: Cells
    candidates: list[Candidate]
    own_cells: list[Cells]


class RecordFolder:
    """The records and predictions of an audit.

    Args:
        folder: Of the audit.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def _path(self, kind: str, name: str, suffix: str) -> Path:
        return join_below(self.folder / kind, f"{name}{suffix}")

    def write(self, name: str, record: ImageRecord, predicted_HW: np.ndarray, palette: np.ndarray) -> None:
        """Write what was found in an image, and the prediction, a mask of class indices."""
        prediction = self._path("predictions", name, ".png")
        replace_file(prediction, pack_labels(predicted_HW, palette), sync=False)
        candidates = [{**c._asdict(), "mask_hw": encode_rle(c.mask_hw)} for c in record.candidates]
        content = {**record._asdict(), "candidates": candidates}
        write_cache_file(self._path("records", name, ".json.gz"), [FORMAT, content])

    def read(self, name: str) -> ImageRecord | None:
        """Read what was found in an image; None without a record of this format or a prediction."""
        kept: Any = read_cache_file(self._path("records", name, ".json.gz"))
        if not isinstance(kept, list) or kept[0] != FORMAT or not self._path("predictions", name, ".png").is_file():
            return None
        found = kept[1]
        candidates = []
        for values in found["candidates"]:
            rows, columns = tuple(values["rows"]), tuple(values["columns"])
            mask_hw = decode_rle(values["mask_hw"], (rows[1] - rows[0], columns[1] - columns[0]))
            candidates.append(Candidate(**{**values, "rows": rows, "columns": columns, "mask_hw": mask_hw}))
        own_cells = [Cells(*cells) for cells in found["own_cells"]]
        found |= {"cells": Cells(*found["cells"]), "candidates": candidates, "own_cells": own_cells}
        return ImageRecord(**found)

    def read_prediction(self, name: str) -> np.ndarray:
        """Read the prediction of an image, uint8 (H, W)."""
        return unpack_labels(self._path("predictions", name, ".png").read_bytes())


def own_cells_of(
    candidates: list[Candidate], labels_HW: np.ndarray, predicted_HW: np.ndarray, num_classes: int
) -> Iterator[Cells]:
    """Count the pixels of each candidate that none before it has.

    Args:
        candidates: Of one image.
        labels_HW: Their judged labels.
        predicted_HW: The prediction.
        num_classes: C.
    """
    taken_HW = np.zeros(labels_HW.shape, bool)
    for candidate in candidates:
        box = slice(*candidate.rows), slice(*candidate.columns)
        new_hw = candidate.mask_hw & ~taken_HW[box] & (labels_HW[box] != 255)
        taken_HW[box] |= candidate.mask_hw
        yield Cells.of_pixels(labels_HW[box][new_hw], predicted_HW[box][new_hw], num_classes)
