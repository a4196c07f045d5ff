"""Any folder of images beside a folder of masks of one class: buildings, persons, ships."""

from typing import Any, Literal

from mmseg_ext.arguments import OpenFraction, StrPath
from mmseg_ext.datasets.folder_dataset import FolderDataset
from mmseg_ext.errors import UserError
from mmseg_ext.registry import DATASETS


@DATASETS.register_module()
class BinaryMaskDataset(FolderDataset):
    """Images and masks of one class, in two folders: ``images/<name>.*`` and ``masks/<name>.*``.

    A mask bears its image's name, but for the suffix and the two tails. Images may have transparency, which is left
    out. Load the masks with ``mmseg_ext.LoadBinaryAnnotations(kind='0/255')`` or ``kind='0/1'``: values that the kind
    does not allow are an error with the file's name, before training.

    Args:
        data_root: The folder that holds both folders.
        images: Folder of the images, relative to `data_root`; 'val/images' for example.
        masks: Folder of the masks, relative to `data_root`. None for images without masks, to be predicted: the steps
            of the pipeline that load labels are left out.
        split: 'all' images of the folder, 'train' (without the held-out share) or 'val' (that share alone).
        holdout: Share of the images that is 'val'. Which they are depends on their names alone.
        foreground: Name of the class.
        image_tail: What the names of images end in before the suffix: '_sat' for 7_sat.jpg and 7_mask.png.
        mask_tail: The same of the masks: '_mask' there.
        **kwargs: Passed to `FolderDataset` (num_folds, factor, labels, cache_dir); `metainfo` may name two classes and
            their colours.

    Raises:
        UserError: A folder is missing or empty, an image has no mask or several, two images share one, a copy is of
            another factor or incomplete, or an argument is out of range.
    """

    fixed_arguments = ("has_masks", "classes", "palette")

    def __init__(
        self,
        data_root: StrPath,
        images: StrPath = "images",
        masks: StrPath | None = "masks",
        split: Literal["all", "train", "val"] = "all",
        holdout: OpenFraction = 0.2,
        foreground: str = "foreground",
        image_tail: str = "",
        mask_tail: str = "",
        **kwargs: Any,
    ) -> None:
        if kwargs.get("metainfo") is None:
            palette = [[230, 230, 230], [220, 20, 60]]
            kwargs["metainfo"] = {"classes": ("background", foreground), "palette": palette}
        if len(kwargs["metainfo"].get("classes", ())) != 2:
            raise UserError(f"Expected `metainfo` with two classes, background first, got {kwargs['metainfo']!r}.")
        super().__init__(
            data_root,
            images,
            masks,
            split=split,
            holdout=holdout,
            image_tail=image_tail,
            mask_tail=mask_tail,
            **kwargs,
        )
