"""What the writers of class maps as PNG share.

Shape suffixes: H height, W width, N images, C classes.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import MMLogger

from mmseg_ext.arguments import StrPath
from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.submissions.submission_writer import SubmissionWriter
from mmseg_ext.files import join_below, replace_file
from mmseg_ext.masks.class_maps import pack_labels, unpack_labels
from mmseg_ext.scores.confusion_matrix import mean_scores

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""Time of the files in an archive, so that equal predictions give equal bytes."""


def write_archive(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a flat zip file whole or not at all."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # PNGs are compressed
        for name, content in contents.items():
            info = zipfile.ZipInfo(name, EARLIEST)
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    replace_file(path, buffer.getvalue())


def read_archive(path: Path) -> Iterator[tuple[str, bytes]]:
    """Read the files of a zip file."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            yield name, archive.read(name)


class LabelMapSubmission(SubmissionWriter):
    """A writer of class maps: one PNG an image, in a zip file or a folder, without folders in it.

    Args:
        output: The zip file, or a folder where it does not end in .zip; see :class:`SubmissionWriter`. What
            else a folder holds is left alone, with a warning.
        **kwargs: Passed to :class:`SubmissionWriter`.

    Raises:
        UserError: The dataset has another number of classes.
    """

    separator = "_"
    num_classes: int
    """Of the dataset that the server knows."""
    first_value = 0
    """What the file calls class 0."""

    fixed_arguments = ("keep_suffix",)

    def __init__(self, output: StrPath, **kwargs: Any) -> None:
        super().__init__(output, keep_suffix=False, **kwargs)

    def check_classes(self, num_classes: int) -> None:
        """Refuse another dataset."""
        if num_classes != self.num_classes:
            raise UserError(
                f"Expected a dataset of {self.num_classes} classes for {type(self).__name__}, got {num_classes}."
            )

    def encode(self, prediction_HW: np.ndarray) -> bytes:
        """Return the PNG."""
        return pack_labels(prediction_HW + np.uint8(self.first_value))

    def write(self, path: Path, contents: Mapping[str, bytes]) -> None:
        """Write the zip file, or the files of the folder."""
        files = {f"{name}.png": content for name, content in contents.items()}
        if path.suffix.lower() == ".zip":
            write_archive(path, files)
            return
        for name, content in files.items():
            replace_file(join_below(path, name), content, sync=False)
        others = sorted({file.name for file in path.iterdir() if not file.name.startswith(".")} - files.keys())
        if others:
            MMLogger.get_current_instance().warning(
                "%s also holds %d files that this run did not write, such as %s", path, len(others), others[0]
            )

    def read(self, path: Path, shapes: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, np.ndarray]]:
        """Read the PNGs."""
        if path.suffix.lower() == ".zip":
            files = read_archive(path)
        else:
            files = ((f"{name}.png", (path / f"{name}.png").read_bytes()) for name in shapes)
        for name, content in files:
            values_HW = unpack_labels(content)
            lowest, highest = self.first_value, self.first_value + self.num_classes - 1
            if values_HW.ndim != 2 or values_HW.min() < lowest or values_HW.max() > highest:
                raise UserError(f"{path}: {name}: Expected one channel of values in {lowest}..{highest}, got others.")
            yield name.removesuffix(".png"), values_HW - np.uint8(self.first_value)

    def scores(self, confusions_NCC: np.ndarray) -> dict[str, float]:
        """Return mIoU and aAcc over all pixels."""
        scores = mean_scores(confusions_NCC.sum(0))
        return {name: scores[name] for name in ("mIoU", "aAcc")}
