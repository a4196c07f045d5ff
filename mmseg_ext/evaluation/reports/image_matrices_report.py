"""The confusion matrices of single images as a file beside the log."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mmseg_ext.evaluation.current_run import is_validation, log_path, num_iterations
from mmseg_ext.files import replace_file
from mmseg_ext.scores.image_matrices import Cells, ImageMatrices, below_common_folder, pack_image_matrices


class ImageMatricesReport:
    """Writes the matrices of the latest and of the best validation, and those of a test.

    Args:
        file: Where, as for `SegmentationMetric`; None writes nothing.
        best: The scalar by which a validation is the best; of equals the earliest.
    """

    def __init__(self, file: str | None, best: str) -> None:
        self.file = file
        self.best = best
        self._best_score = -math.inf

    @property
    def is_on(self) -> bool:
        """Whether there is a place to write to, and so anything to keep of an image."""
        return log_path(self.file) is not None

    def write(
        self,
        images: Sequence[tuple[Mapping[str, Any], Cells]],
        classes: Sequence[str],
        scalars: Mapping[str, float],
        prefix: str | None,
    ) -> None:
        """Write the matrices of one evaluation.

        Args:
            images: For each image its names, as :func:`names_of` returns them, and its cells.
            classes: Their names.
            scalars: Of this evaluation, without prefix.
            prefix: Of the metric.
        """
        path = log_path(self.file)
        if path is None or not images:
            return
        names = [of_image["img_name"] for of_image, _ in images]
        if None in names:
            names = below_common_folder([str(of_image["img_path"]) for of_image, _ in images])
        cells = [item for _, item in images]
        matrices = ImageMatrices.of(names, cells, classes, num_iterations(), prefix or "", not is_validation())
        content = pack_image_matrices(matrices)
        replace_file(path, content)
        score = scalars.get(self.best, math.nan)
        if is_validation() and score > self._best_score:
            self._best_score = score
            replace_file(path.with_stem(f"{path.stem}_best"), content)


def names_of(sample: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a sample says of its image's name: img_name where its dataset gives one, and img_path."""
    return {key: sample.get(key) for key in ("img_name", "img_path")}
