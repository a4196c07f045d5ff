"""DeepGlobe land cover: 1,146 satellite images of 2448 × 2448 at 0.5 m, seven classes by colour."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from mmseg_ext.arguments import PositiveInt, StrPath
from mmseg_ext.datasets.downsampled_copy import DownsampledCopy
from mmseg_ext.datasets.named_seg_dataset import NamedSegDataset, list_images
from mmseg_ext.errors import UserError
from mmseg_ext.image_names import name_bytes
from mmseg_ext.registry import DATASETS

NUM_FOLDS = 5
ORIGINAL = "data/deepglobe"
SPLIT_FOLDERS = {"train": "train", "val": "train", "all": "train", "official_valid": "valid", "official_test": "test"}
FIX = "Unpack the track's folders train, valid and test there, or set `data_root`; data/README.md shows the tree."


def fold_of(image_id: str) -> int:
    """Say in which fold a labelled image is validated: the first four bytes of sha256(id), as a number, modulo 5.

    It depends on the id alone, so that it is the same on every machine and for every part of the dataset.

    Example:
        >>> [fold_of(i) for i in ("119", "606", "2334")]
        [1, 0, 0]
    """
    return int.from_bytes(hashlib.sha256(name_bytes(image_id)).digest()[:4], "big") % NUM_FOLDS


@DATASETS.register_module()
class DeepGlobeLandCoverDataset(NamedSegDataset):
    """DeepGlobe land cover in its official layout, ``{train,valid,test}/<id>_sat.jpg`` beside ``train/<id>_mask.png``.

    Masks are colours of 0 and 255 that are not always pure; the dataset's authors ask to binarise every channel at 128.
    Load them with ``mmseg_ext.LoadBinarizedColorAnnotations`` and ``ignore_colors=['#000000']``: black is "unknown"
    and is ignored.

    Only the 803 images of train have public masks. They are split into five folds by :func:`fold_of`; the validation
    and test images of the challenge come without masks, and the steps of the pipeline that load labels are left out.

    Args:
        data_root: The folder that holds train. Defaults to data/deepglobe, at another factor
            data/deepglobe_ds_{factor}.
        split: 'train' (the other folds), 'val' (this fold), 'all' (both), 'official_valid' or 'official_test' (images
            of the challenge without masks).
        fold: 0 to 4.
        factor: 1 (the original), or that of a copy which tools/downsample.py has made; its ``dataset.json`` is checked.
        original_labels: Tell `OriginalResolutionMetric` where the masks lie that the copy was made of.
        original_root: Where the original lies, if elsewhere than the copy's ``dataset.json`` says.
        verify: Check the copy's ``dataset.json``; False takes a folder that another program has made as it is.
        **kwargs: Passed to `NamedSegDataset` (labels, cache_dir) and mmseg's BaseSegDataset.

    Raises:
        UserError: A folder is missing or empty, a mask is missing, a copy is of another factor or incomplete, or an
            argument is out of range.

    Reference:
        Demir et al., DeepGlobe 2018: A Challenge to Parse the Earth through Satellite Images, CVPR 2018 Workshops.
        Licence: the challenge's own terms, research only.
    """

    METAINFO = {
        "classes": ("urban_land", "agriculture_land", "rangeland", "forest_land", "water", "barren_land"),
        "palette": [[0, 255, 255], [255, 255, 0], [255, 0, 255], [0, 255, 0], [0, 0, 255], [255, 255, 255]],
    }

    fixed_arguments = ("img_suffix", "seg_map_suffix", "has_masks")

    def __init__(
        self,
        data_root: StrPath | None = None,
        split: Literal["train", "val", "all", "official_valid", "official_test"] = "train",
        fold: Literal[0, 1, 2, 3, 4] = 0,
        factor: PositiveInt = 1,
        original_labels: bool = False,
        original_root: StrPath | None = None,
        verify: bool = True,
        **kwargs: Any,
    ) -> None:
        self.split, self.fold, self.factor = split, fold, factor
        self.original_labels, self.original_root, self.verify = original_labels, original_root, verify
        data_root = data_root or (ORIGINAL if factor == 1 else f"{ORIGINAL}_ds_{factor}")
        has_masks = SPLIT_FOLDERS[split] == "train"
        super().__init__(
            data_root=data_root, img_suffix="_sat.jpg", seg_map_suffix="_mask.png", has_masks=has_masks, **kwargs
        )

    def list_samples(self) -> list[dict]:
        """List the split's images."""
        root, folder = Path(self.data_root), Path(self.data_root) / SPLIT_FOLDERS[self.split]
        copy = DownsampledCopy(root, self.factor, "deepglobe", ORIGINAL, self.original_root, self.verify)
        images = [i for i in list_images(folder, copy.image_suffixes, FIX) if i.stem.endswith("_sat")]
        if not images:
            raise UserError(f"Expected images <id>_sat.jpg in {folder}, found none of that name. {FIX}")
        copy.check_images(images)
        if SPLIT_FOLDERS[self.split] == "train":
            images = [image for image in images if self._belongs(image)]
        return self.make_samples(images, lambda i: folder / f"{i.stem.removesuffix('_sat')}_mask.png", copy)

    def _belongs(self, image: Path) -> bool:
        validated = fold_of(image.stem.removesuffix("_sat")) == self.fold
        return self.split == "all" or validated == (self.split == "val")
