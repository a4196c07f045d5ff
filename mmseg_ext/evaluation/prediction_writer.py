"""A writer of predictions as PNG files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from mmseg_ext.arguments import StrPath
from mmseg_ext.errors import UserError
from mmseg_ext.evaluation.current_run import report
from mmseg_ext.files import join_below, replace_file
from mmseg_ext.image_names import image_name
from mmseg_ext.masks.class_maps import as_array, pack_labels
from mmseg_ext.registry import METRICS


def mask_values(sample: dict) -> np.ndarray:
    """Turn a prediction into the values of the dataset's mask files: 1..C under ``reduce_zero_label``, else 0..C-1.

    Args:
        sample: With pred_sem_seg, and ``reduce_zero_label`` of its image where it has labels.

    Returns:
        (H, W), integers.
    """
    class_map_HW = as_array(sample["pred_sem_seg"]["data"])
    return class_map_HW.astype(np.int64) + 1 if sample.get("reduce_zero_label") else class_map_HW


@METRICS.register_module()
class PredictionWriter(BaseMetric):
    """Write each prediction as a PNG.

    A file is named by its image's path relative to `data_root`, so that equal names in two folders do not collide.

    Args:
        output_dir: Where the files go.
        data_root: The folder that the images' names are relative to; None names files by their bare name.
        mask_values: Write the values of the dataset's mask files, see :func:`mask_values`, as mmseg does; otherwise
            class indices from 0.
        **kwargs: Passed to mmengine's BaseMetric.

    Raises:
        UserError: Two images would be written to one file, or an image lies outside of `data_root`.
    """

    default_prefix = None

    def __init__(
        self, output_dir: StrPath, data_root: StrPath | None = None, mask_values: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.output_dir = Path(output_dir)
        self.data_root = data_root
        self.mask_values = mask_values

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Write one batch."""
        for sample in data_samples:
            image = Path(sample["img_path"])
            path = join_below(self.output_dir, self._name(image).with_suffix(".png"))
            class_map_HW = mask_values(sample) if self.mask_values else as_array(sample["pred_sem_seg"]["data"])
            replace_file(path, pack_labels(class_map_HW), sync=False)
            self.results.append((str(path), str(image)))

    def _name(self, image: Path) -> Path:
        if self.data_root is None:
            return Path(image.name)
        return Path(image_name({"img_path": image}, self.data_root, "PredictionWriter"))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Check that no file was written twice; there is no score."""
        image_of: dict[str, str] = {}
        for path, image in results:
            if image_of.setdefault(path, image) != image:
                raise UserError(
                    f"Expected one image for {path}, got {image_of[path]} and {image}. Set `data_root`, the folder "
                    "that both lie below; in tools/test.py use --class-maps, not --out."
                )
        report("%d predictions written to %s", len(image_of), self.output_dir)
        return {}
