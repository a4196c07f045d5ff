"""What happens to a sample."""

from mmseg_ext.transforms.grow_points import GrowPoints
from mmseg_ext.transforms.load_annotations import LoadAnnotations
from mmseg_ext.transforms.load_binarized_color_annotations import LoadBinarizedColorAnnotations
from mmseg_ext.transforms.load_binary_annotations import LoadBinaryAnnotations
from mmseg_ext.transforms.load_color_annotations import LoadColorAnnotations
from mmseg_ext.transforms.load_completed_annotations import LoadCompletedAnnotations
from mmseg_ext.transforms.load_grouped_color_annotations import LoadGroupedColorAnnotations
from mmseg_ext.transforms.load_image_from_file import LoadImageFromFile
from mmseg_ext.transforms.load_point_annotations import LoadPointAnnotations
from mmseg_ext.transforms.pack_seg_inputs import PackSegInputs
from mmseg_ext.transforms.photo_metric_distortion import PhotoMetricDistortion
from mmseg_ext.transforms.point_aware_random_crop import PointAwareRandomCrop
from mmseg_ext.transforms.point_safe_resize import PointSafeResize
from mmseg_ext.transforms.random_crop import RandomCrop
from mmseg_ext.transforms.random_flip import RandomFlip
from mmseg_ext.transforms.random_resize import RandomResize
from mmseg_ext.transforms.resize import Resize
from mmseg_ext.transforms.sample_points import SamplePoints
from mmseg_ext.transforms.weigh_labels import WeighLabels

__all__ = [
    "GrowPoints",
    "LoadAnnotations",
    "LoadBinarizedColorAnnotations",
    "LoadBinaryAnnotations",
    "LoadColorAnnotations",
    "LoadCompletedAnnotations",
    "LoadGroupedColorAnnotations",
    "LoadImageFromFile",
    "LoadPointAnnotations",
    "PackSegInputs",
    "PhotoMetricDistortion",
    "PointAwareRandomCrop",
    "PointSafeResize",
    "RandomCrop",
    "RandomFlip",
    "RandomResize",
    "Resize",
    "SamplePoints",
    "WeighLabels",
]
