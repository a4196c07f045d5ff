"""Dense labels to a handful of points."""

import numpy as np
from mmcv.transforms import BaseTransform

from mmseg_ext.arguments import PositiveInt, StrPath
from mmseg_ext.image_names import image_name
from mmseg_ext.points.label_budget import check_sampling
from mmseg_ext.points.sampling import Per, Strategy, keep_points, seed_of_sample
from mmseg_ext.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SamplePoints(BaseTransform):
    """Keep the labels of some pixels; all others become ``ignore_index``. Place it right after the labels are loaded.

    The set is fixed by (seed, image name relative to the data root): the same in every epoch, worker, machine and
    resumed run. Smaller budgets are subsets of larger ones. An ignored pixel is never chosen.

    Required keys: gt_seg_map; img_name (our datasets give it) or img_path. Modified keys: gt_seg_map.

    Args:
        num_points: Points an image (``per='image'``) or a class and image (``per='class'``).
        per: 'image' or 'class'.
        strategy: 'uniform', or 'class_balanced': the classes of the image take turns. Only with ``per='image'``.
        seed: Names the set of points.
        resample: Draw anew at every step, from NumPy's global generator. The run then sees more labels than
            `num_points` says.
        data_root: Where the data lies, for datasets that give no img_name; the name is img_path relative to it.
        ignore_index: Marks pixels without a label.

    Raises:
        UserError: An argument is out of range, or the image's name cannot be known.
    """

    def __init__(
        self,
        num_points: PositiveInt,
        per: Per = "image",
        strategy: Strategy = "uniform",
        seed: int = 0,
        resample: bool = False,
        data_root: StrPath | None = None,
        ignore_index: int = 255,
    ) -> None:
        check_sampling(per, strategy)
        self.num_points = num_points
        self.per = per
        self.strategy = strategy
        self.seed = seed
        self.resample = resample
        self.data_root = data_root
        self.ignore_index = ignore_index

    def transform(self, results: dict) -> dict:
        """Thin out ``results['gt_seg_map']``."""
        if self.resample:
            sample_seed = int(np.random.randint(0, 2**63, dtype=np.int64))
        else:
            sample_seed = seed_of_sample(self.seed, image_name(results, self.data_root, type(self).__name__))
        results["gt_seg_map"] = keep_points(
            results["gt_seg_map"], self.num_points, sample_seed, self.per, self.strategy, self.ignore_index
        )
        return results

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_points={self.num_points}, per={self.per!r}, strategy={self.strategy!r}, "
            f"seed={self.seed}, resample={self.resample})"
        )
