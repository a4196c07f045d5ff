"""ADE20K at a fraction of its resolution."""

from pathlib import Path
from typing import Any, Literal

from mmseg.datasets import ADE20KDataset

from mmseg_ext.arguments import StrPath
from mmseg_ext.datasets.downsampled_copy import DownsampledCopy
from mmseg_ext.datasets.named_seg_dataset import NamedSegDataset, list_images
from mmseg_ext.registry import DATASETS

ORIGINAL = "data/ade/ADEChallengeData2016"
SPLIT_FOLDERS = {"train": "training", "val": "validation"}
FIX = "Unpack ADEChallengeData2016.zip there, or set `data_root`; data/README.md shows the tree."


@DATASETS.register_module()
class DownsampledADE20KDataset(NamedSegDataset):
    """ADE20K (150 classes) at 1/factor of its resolution.

    Layout: ``images/{training,validation}/ADE_*.jpg`` and ``annotations/{training,validation}/ADE_*.png``. Masks hold 0
    for "other", ignored, and 1..150; with ``reduce_zero_label`` (always on) these become 255 and 0..149. A copy is made
    by tools/downsample.py; its ``dataset.json`` is checked.

    Args:
        factor: 1 (the original), 2, 4 or 8.
        data_root: Defaults to data/ade/ADEChallengeData2016_ds_{factor}, without the suffix at factor 1.
        split: 'train' (20,210 images) or 'val' (2,000).
        original_labels: Tell `OriginalResolutionMetric` where the masks lie that the copy was made of.
        original_root: Where the original lies, if elsewhere than the copy's ``dataset.json`` says.
        verify: Check the copy's ``dataset.json``; False takes a folder that another program has made as it is.
        **kwargs: Passed to `NamedSegDataset` (labels, cache_dir) and mmseg's BaseSegDataset.

    Raises:
        UserError: The copy is missing (the message has the command that makes it), is of another factor or incomplete,
            or an argument is out of range.

    Reference:
        Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017. Licence: BSD-3 (annotations), images for
        non-commercial research.
    """

    METAINFO = ADE20KDataset.METAINFO

    fixed_arguments = ("img_suffix", "seg_map_suffix", "reduce_zero_label")

    def __init__(
        self,
        factor: Literal[1, 2, 4, 8],
        data_root: StrPath | None = None,
        split: Literal["train", "val"] = "train",
        original_labels: bool = False,
        original_root: StrPath | None = None,
        verify: bool = True,
        **kwargs: Any,
    ) -> None:
        self.factor = factor
        self.split = split
        self.original_labels = original_labels
        self.original_root = original_root
        self.verify = verify
        root = data_root or (ORIGINAL if factor == 1 else f"{ORIGINAL}_ds_{factor}")
        super().__init__(data_root=root, img_suffix=".jpg", seg_map_suffix=".png", reduce_zero_label=True, **kwargs)

    def list_samples(self) -> list[dict]:
        """List the split's images."""
        root, folder = Path(self.data_root), SPLIT_FOLDERS[self.split]
        copy = DownsampledCopy(root, self.factor, "ade20k", ORIGINAL, self.original_root, self.verify)
        images = list_images(root / "images" / folder, copy.image_suffixes, FIX)
        copy.check_images(images)
        return self.make_samples(images, lambda image: root / "annotations" / folder / f"{image.stem}.png", copy)
