"""What is read: one file a dataset."""

from mmseg_ext.datasets.downsampled_ade20k import DownsampledADE20KDataset
from mmseg_ext.datasets.dubai_aerial import DubaiAerialDataset
from mmseg_ext.datasets.loveda import LoveDADataset
from mmseg_ext.datasets.named_seg_dataset import NamedSegDataset

__all__ = ["DownsampledADE20KDataset", "DubaiAerialDataset", "LoveDADataset", "NamedSegDataset"]
