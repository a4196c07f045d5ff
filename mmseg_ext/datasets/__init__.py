"""What is read: one file a dataset."""

from mmseg_ext.datasets.binary_mask import BinaryMaskDataset
from mmseg_ext.datasets.deepglobe_land_cover import DeepGlobeLandCoverDataset
from mmseg_ext.datasets.downsampled_ade20k import DownsampledADE20KDataset
from mmseg_ext.datasets.dubai_aerial import DubaiAerialDataset
from mmseg_ext.datasets.dubai_buildings import DubaiBuildingsDataset
from mmseg_ext.datasets.folder_dataset import FolderDataset
from mmseg_ext.datasets.loveda import LoveDADataset
from mmseg_ext.datasets.named_seg_dataset import NamedSegDataset

__all__ = [
    "BinaryMaskDataset",
    "DeepGlobeLandCoverDataset",
    "DownsampledADE20KDataset",
    "DubaiAerialDataset",
    "DubaiBuildingsDataset",
    "FolderDataset",
    "LoveDADataset",
    "NamedSegDataset",
]
