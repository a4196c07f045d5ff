"""Any folder of images, beside a folder of masks or without."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from mmengine.logging import print_log

from mmseg_ext.arguments import ComponentConfig, NonNegativeInt, OpenFraction, PositiveInt, Rule, StrPath
from mmseg_ext.datasets.downsampled_copy import DownsampledCopy
from mmseg_ext.datasets.folder_patterns import matching_folders
from mmseg_ext.datasets.holdout import contiguous_fold, hold_out
from mmseg_ext.datasets.label_steps import with_label_loading
from mmseg_ext.datasets.named_seg_dataset import NamedSegDataset, list_images
from mmseg_ext.downsampling.image_files import IMAGE_SUFFIXES, LABEL_SUFFIXES
from mmseg_ext.errors import UserError
from mmseg_ext.masks.color_masks import ColorLike, parse_color
from mmseg_ext.points.point_files import read_points
from mmseg_ext.registry import DATASETS

MASK_SUFFIXES = (*LABEL_SUFFIXES, ".jpg", ".jpeg")  # JPEG: so that its blurred values are said, not that it is missing
FIX = "Put the images there, or set `data_root`, `images` and `masks`; data/README.md shows the tree."
Names = Annotated[Sequence[str], Rule("a list of two names or more", lambda names: len(names) >= 2)]
NumFolds = Annotated[int, Rule("an int of 2 or more", lambda value: value >= 2)]


@DATASETS.register_module()
class FolderDataset(NamedSegDataset):
    """Images and masks in two folders, ``images/<name>.*`` and ``masks/<name>.*``, or images alone.

    A mask bears its image's name, but for the suffix and the two tails. Images may have transparency, which is left
    out. How the masks are read is a matter of the pipeline: ``mmseg_ext.LoadAnnotations`` for class indices,
    ``mmseg_ext.LoadColorAnnotations(palette=[…])`` for colours. Values or colours that no class has are an error with
    the file's name, before training.

    A copy of tools/downsample.py is read by its own `factor`; folders of other names than images and masks need
    ``--folders IMAGES MASKS`` there, names with tails ``--tails IMAGE MASK``.

    Args:
        data_root: The folder that holds both folders.
        images: Folder of the images, relative to `data_root`; 'val/images' for example. In the path of several, one
            ``*`` stands for the name of a folder ('*/images'), or ``**`` for folders at any depth ('images/**').
        masks: Folder of the masks, relative to `data_root`; with a star where `images` has one. None for images without
            masks, to be predicted or with a file of points: without one, the steps of the pipeline that load labels are
            left out.
        classes: Names of the classes, in the order of their indices or of the colours in the pipeline.
        palette: The colour of each class in pictures, as '#RRGGBB' or three integers; None lets mmseg draw them.
        split: 'all' images of the folder, 'train' (without the held-out images) or 'val' (those alone).
        holdout: Share of the images that is 'val' without `num_folds`. Which they are depends on their names alone.
        num_folds: Cuts the sorted names into that many parts of neighbours, for images that follow one another, such as
            frames of a film: 'val' is the part `fold`. None takes `holdout`.
        fold: Of `num_folds`, counted from 0.
        scenes: Regular expression that finds the scene in an image's path below `data_root`, as its first group or as a
            whole: images of one scene are all held out or none of them. `holdout` and `num_folds` then count scenes.
        only_labelled: Whether images without a mask, or without a point in the file of ``labels=``, are left out.
        load_labels: Config of the transform that loads the labels, in place of the pipeline's:
            ``dict(type='mmseg_ext.LoadColorAnnotations', palette=[…])``. None leaves the pipeline as it is.
        image_tail: What the names of images end in before the suffix: '_sat' for 7_sat.jpg and 7_mask.png.
        mask_tail: The same of the masks: '_mask' there.
        factor: 1 (the original), or that of a copy which tools/downsample.py has made; its ``dataset.json`` is checked.
        original_labels: Tell `OriginalResolutionMetric` where the masks lie that the copy was made of.
        original_root: Where the original lies, if elsewhere than the copy's ``dataset.json`` says.
        verify: Check the copy's ``dataset.json``; False takes a folder that another program has made as it is.
        **kwargs: Passed to `NamedSegDataset` (labels, cache_dir) and mmseg's BaseSegDataset; `metainfo` may stand for
            `classes` and `palette`.

    Raises:
        UserError: A folder is missing or empty, an image has no mask or several, two images share one, a copy is of
            another factor or incomplete, or an argument is out of range.
    """

    fixed_arguments: tuple[str, ...] = ("has_masks",)

    def __init__(
        self,
        data_root: StrPath,
        images: StrPath = "images",
        masks: StrPath | None = "masks",
        classes: Names | None = None,
        palette: Sequence[ColorLike] | None = None,
        split: Literal["all", "train", "val"] = "all",
        holdout: OpenFraction = 0.2,
        num_folds: NumFolds | None = None,
        fold: NonNegativeInt = 0,
        scenes: str | None = None,
        only_labelled: bool = False,
        load_labels: ComponentConfig | None = None,
        image_tail: str = "",
        mask_tail: str = "",
        factor: PositiveInt = 1,
        original_labels: bool = False,
        original_root: StrPath | None = None,
        verify: bool = True,
        **kwargs: Any,
    ) -> None:
        if original_labels and masks is None:
            raise UserError("Expected `masks` with original_labels=True, got None.")
        if fold >= (num_folds or 1):
            raise UserError(f"Expected `fold` below `num_folds`, got fold={fold} with num_folds={num_folds}.")
        if classes is not None:
            kwargs["metainfo"] = _metainfo(classes, palette, kwargs.get("metainfo"))
        elif not (kwargs.get("metainfo") or {}).get("classes"):
            raise UserError("Expected `classes`, the names of the classes such as ['background', 'road'], got none.")
        self.images, self.masks = images, masks
        self.split, self.holdout = split, holdout
        self.num_folds, self.fold = num_folds, fold
        self.scenes, self.only_labelled = _compile(scenes), only_labelled
        if load_labels is not None:
            kwargs["pipeline"] = with_label_loading(kwargs.get("pipeline", []), load_labels)
        self.image_tail, self.mask_tail = image_tail, mask_tail
        self.factor, self.original_labels = factor, original_labels
        self.original_root, self.verify = original_root, verify
        super().__init__(data_root=data_root, has_masks=masks is not None, **kwargs)

    def find_files(self) -> tuple[dict[Path, str], dict[Path, Path]]:
        """Find the images of all splits, each with the name that it shares with its mask, and where each mask lies.

        A mask that is missing is named as a PNG; without masks the second is empty.
        """
        names: dict[Path, str] = {}
        mask_of: dict[Path, Path] = {}
        for images_folder, masks_folder, prefix in matching_folders(Path(self.data_root), self.images, self.masks):
            images = list_images(images_folder, IMAGE_SUFFIXES, FIX)
            if images_folder == masks_folder:  # one folder for both: the tails tell them apart
                images = [image for image in images if not (self.mask_tail and image.stem.endswith(self.mask_tail))]
            stems = _stems(images, self.image_tail)
            names.update({image: f"{prefix}{stem}" for image, stem in stems.items()})
            if masks_folder is not None and self.reads_masks:
                mask_of.update(_find_masks(masks_folder, stems, self.mask_tail))
        return names, mask_of

    def list_samples(self) -> list[dict]:
        """List the split's images."""
        root = Path(self.data_root)
        copy = DownsampledCopy(root, self.factor, "folders", "SRC", self.original_root, self.verify)
        names, mask_of = self.find_files()
        copy.check_images(list(names))
        if self.only_labelled:
            names = self._labelled(names, mask_of, root)
        return self.make_samples(self._of_split(names), mask_of.__getitem__, copy)

    def _labelled(self, names: dict[Path, str], mask_of: dict[Path, Path], root: Path) -> dict[Path, str]:
        """Leave out the images without a mask, or without a point in the file of points."""
        if self.reads_masks:
            return {image: name for image, name in names.items() if mask_of[image].is_file()}
        file = None if self.label_budget is None else self.label_budget.file
        if file is None:
            return names
        labelled = {point.image for point in read_points(file).points}
        return {
            image: name
            for image, name in names.items()
            if image.relative_to(root).as_posix() in labelled or image.name in labelled
        }

    def _of_split(self, names: dict[Path, str]) -> list[Path]:
        """Choose the images of the split; those of one scene are never parted."""
        if self.split == "all":
            return list(names)
        scenes = {image: self.scene_of(image, name) for image, name in names.items()}
        distinct = list(dict.fromkeys(scenes.values()))
        held = (
            hold_out(distinct, self.holdout)
            if self.num_folds is None
            else contiguous_fold(distinct, self.num_folds, self.fold)
        )
        return [image for image, scene in scenes.items() if (scene in held) == (self.split == "val")]

    def scene_of(self, image: Path, name: str) -> str:
        """Find the scene of an image by its path below the root; one that shows none is a scene of its own.

        Args:
            image: Its path.
            name: What the image is called, where it shows no scene.
        """
        match = None if self.scenes is None else self.scenes.search(image.relative_to(self.data_root).as_posix())
        return name if match is None else match[match.re.groups and 1] or name


def _compile(scenes: str | None) -> re.Pattern[str] | None:
    try:
        return None if scenes is None else re.compile(scenes)
    except re.error as error:
        raise UserError(f"Expected `scenes` to be a regular expression, got {scenes!r}: {error}.") from error


def _metainfo(classes: Sequence[str], palette: Sequence[ColorLike] | None, given: dict | None) -> dict:
    if given is not None:
        raise UserError("Expected `classes` or `metainfo`, got both. Leave `metainfo` out.")
    metainfo: dict[str, Any] = {"classes": tuple(classes)}
    if palette is not None:
        if len(palette) != len(classes):
            raise UserError(
                f"Expected a colour in `palette` for each of {len(classes)} `classes`, got {len(palette)} colours."
            )
        metainfo["palette"] = [list(parse_color(color)) for color in palette]
    return metainfo


def _stems(images: Sequence[Path], tail: str) -> dict[Path, str]:
    """Find the name that each image shares with its mask."""
    stems: dict[Path, str] = {}
    owner: dict[str, Path] = {}
    for image in images:
        if not image.stem.endswith(tail):
            raise UserError(f"Expected the name of {image} to end in {tail!r}, the `image_tail`. Rename or remove it.")
        stem = image.stem.removesuffix(tail)
        if stem in owner:
            raise UserError(f"Expected one image for each mask, got {owner[stem]} and {image}. Rename or remove one.")
        owner[stem] = image
        stems[image] = stem
    return stems


def _find_masks(folder: Path, stems: dict[Path, str], tail: str) -> dict[Path, Path]:
    """Find the mask of each image; one that is missing is named as a PNG."""
    masks: dict[str, list[Path]] = {}
    for mask in list_images(folder, MASK_SUFFIXES, FIX):
        if mask.stem.endswith(tail):
            masks.setdefault(mask.stem.removesuffix(tail), []).append(mask)
    several = next((found for stem, found in masks.items() if len(found) > 1 and stem in stems.values()), None)
    if several:
        raise UserError(f"Expected one mask for each image, got {several[0]} and {several[1]}. Remove one.")
    lonely = sorted(masks.keys() - set(stems.values()))
    if lonely:
        text = f"{len(lonely)} masks in {folder} have no image and are not used, such as {masks[lonely[0]][0].name}"
        print_log(text, "current", logging.WARNING)
    return {i: masks[stem][0] if stem in masks else folder / f"{stem}{tail}.png" for i, stem in stems.items()}
