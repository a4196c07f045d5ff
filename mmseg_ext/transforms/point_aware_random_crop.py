"""A random crop that is worth training on."""

from mmcv.transforms.utils import cache_randomness

from mmseg_ext.arguments import PositiveFloat, PositiveInt
from mmseg_ext.registry import TRANSFORMS
from mmseg_ext.transforms.labelled_crops import draw_labelled_crop
from mmseg_ext.transforms.random_crop import RandomCrop


@TRANSFORMS.register_module()
class PointAwareRandomCrop(RandomCrop):
    """mmseg's RandomCrop, drawn among the crops that hold labels: :func:`draw_labelled_crop`.

    A crop qualifies with at least `min_points` labelled pixels; where no crop has that many, the crops with the most
    qualify. All qualifying positions are equally likely. An image without any label is cropped anywhere. As in stock,
    up to ten crops are tried until no class fills `cat_max_ratio` or more of the labelled pixels; where none passes,
    one more is drawn and taken.

    For pipelines whose dataset takes no ``labels=``; there ``mmseg_ext.RandomCrop`` does the same by itself.

    Args:
        crop_size: Height and width.
        cat_max_ratio: Highest share of one class among the labelled pixels of a crop.
        ignore_index: Marks pixels without a label.
        min_points: Labelled pixels that a crop must hold.
    """

    def __init__(
        self,
        crop_size: PositiveInt | tuple[PositiveInt, PositiveInt],
        cat_max_ratio: PositiveFloat = 1.0,
        ignore_index: int = 255,
        min_points: PositiveInt = 1,
    ) -> None:
        super().__init__(crop_size=crop_size, cat_max_ratio=cat_max_ratio, ignore_index=ignore_index)
        self.min_points = min_points

    @cache_randomness
    def crop_bbox(self, results: dict) -> tuple[int, int, int, int]:
        """Draw a crop.

        Returns:
            Top, bottom, left, right in pixels, bottom and right exclusive.
        """
        return draw_labelled_crop(
            results["gt_seg_map"], self.crop_size, self.cat_max_ratio, self.ignore_index, self.min_points
        )
