"""Kaggle's run-length file."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmseg_ext.arguments import NonNegativeInt, StrPath
from mmseg_ext.errors import UserError
from mmseg_ext.escaping import csv_text
from mmseg_ext.evaluation.submissions.mask_submission import MaskSubmission
from mmseg_ext.evaluation.submissions.run_length import decode_rle, encode_rle
from mmseg_ext.files import replace_file
from mmseg_ext.registry import METRICS


def read_rows(path: Path, columns: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """Read a CSV file of two columns, images and texts.

    Raises:
        UserError: The header or a row is not as expected; names the line.
    """
    limit = csv.field_size_limit(2**31 - 1)  # a detailed mask is longer than the usual 131072 characters
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            if header != list(columns):
                got = ", ".join(header) or "none"
                raise UserError(f"{path}: Expected the columns {', '.join(columns)}, got {got}.")
            for row in reader:
                if len(row) != 2:
                    raise UserError(f"{path}:{reader.line_num}: Expected 2 fields, got {len(row)}.")
                yield row[0], row[1]
    finally:
        csv.field_size_limit(limit)  # of the process


def write_rows(path: Path, columns: tuple[str, str], rows: Mapping[str, str]) -> None:
    """Write a CSV file of two columns whole or not at all."""
    replace_file(path, csv_text([columns, *rows.items()]))


@METRICS.register_module()
class RLESubmission(MaskSubmission):
    """Write Kaggle's run-length file: one row an image, pixels counted down the columns from 1.

    An image without a positive pixel is a row whose second field is empty.

    Scalars, where there are masks, of the file as it was read back, in percent: ``rle/IoU`` and ``rle/Dice`` of the
    class over all pixels, and ``rle/ImageDice``, the mean over the images.

    Args:
        output: The CSV file; see :class:`SubmissionWriter`.
        class_index: The class to write.
        columns: Names of the two columns.
        **kwargs: Passed to :class:`SubmissionWriter`.
    """

    default_prefix = "rle"

    def __init__(
        self,
        output: StrPath = "submission.csv",
        class_index: NonNegativeInt = 1,
        columns: tuple[str, str] = ("ImageId", "EncodedPixels"),
        **kwargs: Any,
    ) -> None:
        super().__init__(output, class_index, **kwargs)
        self.columns = (columns[0], columns[1])

    def encode(self, prediction_HW: np.ndarray) -> str:
        """Return the runs."""
        return encode_rle(prediction_HW)

    def write(self, path: Path, contents: Mapping[str, str]) -> None:
        """Write the file."""
        write_rows(path, self.columns, contents)

    def read(self, path: Path, shapes: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, np.ndarray]]:
        """Read the file."""
        for name, rle in read_rows(path, self.columns):
            if name not in shapes:
                raise UserError(f"{path}: Expected images of the test set, got {name!r}.")
            try:
                yield name, decode_rle(rle, shapes[name]).astype(np.uint8)
            except UserError as error:
                raise UserError(f"{path}: {name}: {error}") from None
