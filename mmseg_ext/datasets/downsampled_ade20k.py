"""ADE20K at a fraction of its resolution."""

from pathlib import Path
from typing import Any

from mmseg.datasets import ADE20KDataset

from mmseg_ext.datasets.named_seg_dataset import NamedSegDataset, list_images, pair_masks
from mmseg_ext.errors import UserError
from mmseg_ext.registry import DATASETS

FACTORS = (1, 2, 4, 8)
ORIGINAL = "data/ade/ADEChallengeData2016"
SPLIT_FOLDERS = {"train": "training", "val": "validation"}


@DATASETS.register_module()
class DownsampledADE20KDataset(NamedSegDataset):
    """ADE20K (150 classes) at 1/factor of its resolution.

    Layout: ``images/{training,validation}/ADE_*.jpg`` and ``annotations/{training,validation}/ADE_*.png``. Masks hold 0
    for "other", ignored, and 1..150; with ``reduce_zero_label`` (always on) these become 255 and 0..149.

    Args:
        factor: 1 (the original), 2, 4 or 8.
        data_root: Defaults to data/ade/ADEChallengeData2016_ds_{factor}, without the suffix at factor 1.
        split: 'train' (20,210 images) or 'val' (2,000).
        **kwargs: Passed to mmseg's BaseSegDataset.

    Raises:
        UserError: The copy is missing (the message says how to make it), or an argument is out of range.

    Reference:
        Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017. Licence: BSD-3 (annotations), images for
        non-commercial research.
    """

    METAINFO = ADE20KDataset.METAINFO

    def __init__(self, factor: int, data_root: str | None = None, split: str = "train", **kwargs: Any) -> None:
        if factor not in FACTORS:
            raise UserError(f"Expected `factor` to be one of {', '.join(map(str, FACTORS))}, got {factor!r}.")
        if split not in SPLIT_FOLDERS:
            raise UserError(f"Expected `split` to be one of {', '.join(SPLIT_FOLDERS)}, got {split!r}.")
        self.factor = factor
        self.split = split
        root = data_root or (ORIGINAL if factor == 1 else f"{ORIGINAL}_ds_{factor}")
        super().__init__(data_root=root, img_suffix=".jpg", seg_map_suffix=".png", reduce_zero_label=True, **kwargs)

    def list_samples(self) -> list[dict]:
        """List the split's images."""
        root, folder = Path(self.data_root), SPLIT_FOLDERS[self.split]
        mend = (
            "Unpack ADEChallengeData2016.zip there, or set `data_root`; data/README.md shows the tree."
            if self.factor == 1
            else f"Reduce ADE20K's images by area averaging and its masks to 1/{self.factor} into the same tree there, "
            "or set `data_root`; data/README.md shows the tree."
        )
        images = list_images(root / "images" / folder, [".jpg"], mend)
        mask_of = {image: root / "annotations" / folder / f"{image.stem}.png" for image in images}
        pair_masks(images, mask_of)
        return [{"img_path": image, "seg_map_path": mask_of[image]} for image in images]
