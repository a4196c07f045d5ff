"""Semantic segmentation of aerial imagery: Dubai, 72 satellite images with colour masks."""

from pathlib import Path
from typing import Any, Literal

from mmseg_ext.arguments import PositiveInt, StrPath
from mmseg_ext.datasets.downsampled_copy import DownsampledCopy
from mmseg_ext.datasets.named_seg_dataset import NamedSegDataset, list_images
from mmseg_ext.errors import UserError
from mmseg_ext.registry import DATASETS

NUM_FOLDS = 3
ORIGINAL = "data/dubai"
FIX = (
    "Unpack the dataset so that it holds tile_1 … tile_6, each with images/ and masks/, or set `data_root`; "
    "data/README.md shows the tree."
)


@DATASETS.register_module()
class DubaiAerialDataset(NamedSegDataset):
    """The Dubai aerial images in folders ``tile_<t>/images/image_part_<nnn>.jpg`` and ``tile_<t>/masks/….png``.

    Masks are colours, some of them palette PNGs whose indices mean other classes in each file: load them with
    ``mmseg_ext.LoadColorAnnotations``. The colour #9B9B9B means "unlabeled" and is ignored.

    Three folds: the image with part number n is validated in fold (n − 1) mod 3, so that every tile is in every split.
    Holding out whole tiles leaves nine images of another place, too few to tell anything.

    Args:
        data_root: The folder that holds the tiles. Defaults to data/dubai, at another factor data/dubai_ds_{factor}.
        split: 'train' (the other folds), 'val' (this fold) or 'all'.
        fold: 0, 1 or 2.
        factor: 1 (the original), or that of a copy which tools/downsample.py has made; its ``dataset.json`` is checked.
        original_labels: Tell `OriginalResolutionMetric` where the masks lie that the copy was made of.
        original_root: Where the original lies, if elsewhere than the copy's ``dataset.json`` says.
        verify: Check the copy's ``dataset.json``; False takes a folder that another program has made as it is.
        **kwargs: Passed to `NamedSegDataset` (labels, cache_dir) and mmseg's BaseSegDataset.

    Raises:
        UserError: A folder is missing or empty, a mask is missing, a copy is of another factor or incomplete, or an
            argument is out of range.

    Reference:
        Humans in the Loop with the Mohammed Bin Rashid Space Centre, Semantic Segmentation Dataset, 2020. Licence: CC0.
    """

    METAINFO = {
        "classes": ("building", "land", "road", "vegetation", "water"),
        "palette": [[0x3C, 0x10, 0x98], [0x84, 0x29, 0xF6], [0x6E, 0xC1, 0xE4], [0xFE, 0xDD, 0x3A], [0xE2, 0xA9, 0x29]],
    }

    fixed_arguments = ("img_suffix", "seg_map_suffix")

    def __init__(
        self,
        data_root: StrPath | None = None,
        split: Literal["train", "val", "all"] = "train",
        fold: Literal[0, 1, 2] = 0,
        factor: PositiveInt = 1,
        original_labels: bool = False,
        original_root: StrPath | None = None,
        verify: bool = True,
        **kwargs: Any,
    ) -> None:
        self.split = split
        self.fold = fold
        self.factor = factor
        self.original_labels = original_labels
        self.original_root = original_root
        self.verify = verify
        data_root = data_root or (ORIGINAL if factor == 1 else f"{ORIGINAL}_ds_{factor}")
        super().__init__(data_root=data_root, img_suffix=".jpg", seg_map_suffix=".png", **kwargs)

    def list_samples(self) -> list[dict]:
        """List the fold's images, tile by tile."""
        root = Path(self.data_root)
        copy = DownsampledCopy(root, self.factor, "dubai", ORIGINAL, self.original_root, self.verify)
        if not root.is_dir():
            raise UserError(f"Expected the folder {root}, found none. {FIX}")
        tiles = sorted(p for p in root.glob("tile_*") if p.is_dir())
        if not tiles:
            raise UserError(f"Expected folders tile_1 … tile_6 in {root}, found none. {FIX}")
        images: list[Path] = []
        for tile in tiles:
            everything = list_images(tile / "images", copy.image_suffixes, FIX)
            copy.check_images(everything)
            images += [image for image in everything if self._belongs(image)]
        samples = self.make_samples(images, lambda i: i.parents[1] / "masks" / f"{i.stem}.png", copy)
        return [{**sample, "tile": sample["img_path"].parents[1].name} for sample in samples]

    def _belongs(self, image: Path) -> bool:
        number = image.stem.rpartition("_")[2]
        if not number.isdigit():
            raise UserError(f"Expected a name like image_part_001.jpg, got {image}. Rename it or move it away.")
        validated = (int(number) - 1) % NUM_FOLDS == self.fold
        return self.split == "all" or validated == (self.split == "val")
