"""What happens to a sample."""

from mmseg_ext.transforms.load_color_annotations import LoadColorAnnotations
from mmseg_ext.transforms.load_point_annotations import LoadPointAnnotations
from mmseg_ext.transforms.point_aware_random_crop import PointAwareRandomCrop
from mmseg_ext.transforms.point_safe_resize import PointSafeResize
from mmseg_ext.transforms.sample_points import SamplePoints

__all__ = ["LoadColorAnnotations", "LoadPointAnnotations", "PointAwareRandomCrop", "PointSafeResize", "SamplePoints"]
