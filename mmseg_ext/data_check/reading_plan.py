"""How a dataset and its pipeline read their files: which decoder, which labels, which entries."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmseg_ext.data_check.file_facts import ImageFacts
from mmseg_ext.data_check.judge import IGNORED, ChecksEntries, ChecksLabelFile, LabelSpec, LoadsMasks
from mmseg_ext.data_check.report import Problem
from mmseg_ext.errors import UserError
from mmseg_ext.masks.color_masks import parse_color
from mmseg_ext.masks.index_masks import IndexMeaning
from mmseg_ext.masks.mask_meaning import MaskMeaning
from mmseg_ext.masks.orientation import IGNORING, turns_by_exif

PALETTE_DATASETS = ("PascalVOCDataset", "PascalContextDataset", "PascalContextDataset59")
"""Stock datasets whose palette PNGs hold class indices."""

STOCK_IMAGE_LOADER, STOCK_LABEL_LOADER = "LoadImageFromFile", "LoadAnnotations"
"""Stock transforms, and drop-ins of the same names, that are known by their names."""


@dataclass
class ReadingPlan:
    """What is to be read of one dataset, and how.

    Attributes:
        entries: The dataset's list of files.
        spec: What labels may be.
        image_backend: Decoder of the images; None for a loader that is not known, of which only existence is checked.
        strict_image: Whether images end up as 3 channels of 8 bits.
        image_flag: mmcv's flag that the images are read with.
        turns_images: Whether the loader turns images of all formats by their EXIF orientation, as ours does, or only
            those that its decoder turns.
        turns_masks: Likewise, of the masks.
        mask_backend: Decoder of the masks; None if no masks are read.
        meaning: What the values of the masks mean.
        custom: The label-loading transform, where it checks its files itself.
        skip: Whether no file is to be read.
        errors: What is wrong before any file is read.
        warnings: What is not checked, and why.
    """

    entries: list[dict] = field(default_factory=list)
    spec: LabelSpec = field(default_factory=lambda: LabelSpec(()))
    image_backend: str | None = "cv2"
    strict_image: bool = True
    image_flag: str = "color"
    turns_images: bool = False
    turns_masks: bool = True
    mask_backend: str | None = None
    meaning: MaskMeaning | None = None
    custom: ChecksLabelFile | None = None
    skip: bool = False
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def reads_as_shown(self, image: ImageFacts) -> bool:
        """Whether the pipeline reads an image as viewers show it: turned by its EXIF orientation, if it has one."""
        if image.orientation == 1:
            return True
        ours = self.turns_images and not self.image_flag.endswith(IGNORING)
        return ours or turns_by_exif(image.format, self.image_flag, self.image_backend or "cv2")

    def size_as_read(self, image: ImageFacts) -> tuple[int, int]:
        """Height and width of an image as the pipeline reads it."""
        return (image.height, image.width) if self.reads_as_shown(image) else image.stored_size


def plan_reading(dataset: Any, allow_palette: bool = False) -> ReadingPlan:
    """Find out how the pipeline of a dataset reads images and labels."""
    plan = ReadingPlan()
    name = type(dataset).__name__
    if not hasattr(dataset, "get_data_info"):
        what, fix = "it does not list its files as MMEngine's datasets do", "Its files are not checked."
        plan.warnings.append(Problem(name, what, fix, "not checked"))
        return plan
    try:
        dataset.full_init()
    except ValueError:  # MMEngine cannot serialize an empty list
        if getattr(dataset, "data_list", None) != []:
            raise
        plan.errors.append(describe_empty(dataset))
        return plan
    plan.entries = [dataset.get_data_info(i) for i in range(len(dataset))]
    if not plan.entries:
        plan.errors.append(describe_empty(dataset))
        return plan
    if _is_remote(dataset, plan.entries[0]):
        plan.skip = True
        fix = "Its files are not checked."
        plan.warnings.append(Problem(name, "its files are not on a disk of this machine", fix, "not checked"))
        return plan
    transforms = list(list_transforms(getattr(dataset, "pipeline", None)))
    _plan_images(plan, transforms)
    _plan_labels(plan, dataset, transforms, allow_palette or name in PALETTE_DATASETS)
    for transform in transforms:
        if isinstance(transform, ChecksEntries):
            for problem in transform.check_entries(plan.entries):
                (plan.warnings if problem.is_warning else plan.errors).append(problem)
    return plan


def list_transforms(pipeline: Any) -> Iterator[Any]:
    """All transforms, those inside compositions and test-time augmentation too."""
    if pipeline is None:
        return
    if isinstance(pipeline, list | tuple):
        for inner in pipeline:
            yield from list_transforms(inner)
        return
    if callable(pipeline):
        yield pipeline
    for name in ("transforms", "subroutines"):
        inner = getattr(pipeline, name, None)
        if isinstance(inner, list | tuple):
            yield from list_transforms(inner)


def _plan_images(plan: ReadingPlan, transforms: list[Any]) -> None:
    for transform in transforms:
        name = type(transform).__name__
        color_type = getattr(transform, "color_type", None)
        if name == STOCK_IMAGE_LOADER or (color_type is not None and hasattr(transform, "imdecode_backend")):
            plan.image_backend = getattr(transform, "imdecode_backend", None) or "cv2"
            plan.strict_image = color_type in (None, "color", "color_ignore_orientation", "grayscale")
            plan.image_flag = color_type or "color"
            plan.turns_images = getattr(transform, "turns_by_exif", False)
            return
        if name.startswith("Load") and "Image" in name:
            plan.image_backend = None
            return


def _plan_labels(plan: ReadingPlan, dataset: Any, transforms: list[Any], allow_palette: bool) -> None:
    meta, name = getattr(dataset, "metainfo", {}), type(dataset).__name__
    classes = tuple(meta.get("classes") or ())
    first = plan.entries[0]
    reduce_zero_label = bool(first.get("reduce_zero_label", getattr(dataset, "reduce_zero_label", False)))
    label_map = first.get("label_map", getattr(dataset, "label_map", None))
    ignored = frozenset({IGNORED, int(getattr(dataset, "ignore_index", IGNORED))})
    plan.spec = LabelSpec(classes, ignored=ignored, label_map=label_map)
    loader = next((t for t in transforms if isinstance(t, ChecksLabelFile | LoadsMasks) or _is_stock_loader(t)), None)
    if loader is None:
        for kind in (type(t).__name__ for t in transforms):
            if kind.startswith("Load") and "Annotation" in kind:
                what = f"its labels are not checked: {kind} has neither check_file nor mask_meaning"
                plan.warnings.append(Problem(name, what, "The images are checked.", "not checked"))
        return
    if isinstance(loader, ChecksLabelFile):
        plan.custom = loader
        return
    if isinstance(loader, LoadsMasks):
        _plan_meaning(plan, loader)
    else:
        plan.mask_backend = getattr(loader, "imdecode_backend", None) or "pillow"
        plan.turns_masks = getattr(loader, "turns_by_exif", False)
        plan.meaning = IndexMeaning(reduce_zero_label, tuple((label_map or {}).items()))
        palette = [parse_color(c) for c in meta.get("palette") or ()]
        plan.spec = replace(
            plan.spec, palette=palette, reduce_zero_label=reduce_zero_label, allow_palette=allow_palette
        )
        own = getattr(loader, "reduce_zero_label", None)
        if own is not None and bool(own) != reduce_zero_label:
            what = f"it has reduce_zero_label={own}, but its dataset {reduce_zero_label}"
            plan.errors.append(Problem("LoadAnnotations", what, "Set it in the dataset alone.", "reduce_zero_label"))
    where = f"{name}({_folders(dataset)})"
    if not classes:
        what, fix = "it names no classes, so labels cannot be checked", "Add metainfo=dict(classes=(…), palette=[…])."
        plan.warnings.append(Problem(where, what, fix, "no classes"))
    num_without = sum(entry.get("seg_map_path") is None for entry in plan.entries)
    if num_without:
        what = f"{num_without} of {len(plan.entries)} images have no mask in the list, but the pipeline loads masks"
        fix = "Set data_prefix=dict(img_path=…, seg_map_path=…), or take the loading of masks out of the pipeline."
        plan.errors.append(Problem(where, what, fix, "no masks"))


def _plan_meaning(plan: ReadingPlan, loader: LoadsMasks) -> None:
    name, classes = type(loader).__name__, plan.spec.classes
    try:
        plan.meaning = loader.mask_meaning(plan.spec.label_map)
    except UserError as error:
        plan.errors.append(Problem(name, str(error).rstrip("."), kind="palette"))
        return
    plan.mask_backend = "pillow"
    plan.spec = replace(plan.spec, ignored=plan.spec.ignored | {plan.meaning.ignore_index})
    num_colored = getattr(loader, "num_classes", len(classes))
    if classes and not plan.spec.label_map and num_colored != len(classes):
        what = f"it has the colours of {num_colored} classes for {len(classes)} classes"
        fix = f"Give it the colours of each of them ({', '.join(classes)}), in their order."
        plan.errors.append(Problem(name, what, fix, "palette"))


def _is_stock_loader(transform: Any) -> bool:
    return type(transform).__name__ == STOCK_LABEL_LOADER and getattr(transform, "with_seg", True)


def _is_remote(dataset: Any, entry: dict) -> bool:
    arguments = getattr(dataset, "backend_args", None) or {}
    return arguments.get("backend", "local") not in ("local", "disk") or "://" in str(entry.get("img_path", ""))


def _folders(dataset: Any) -> str:
    prefix = getattr(dataset, "data_prefix", None) or {}
    return ", ".join(str(v) for v in prefix.values() if v) or str(getattr(dataset, "data_root", None) or "no folder")


def describe_empty(dataset: Any) -> Problem:
    """Say in which folder a dataset found nothing, and how to fill it."""
    prefix = getattr(dataset, "data_prefix", None) or {}
    images = str(prefix.get("img_path") or getattr(dataset, "data_root", None) or "no folder")
    what = f"{type(dataset).__name__} found no image-mask pairs"
    suffixes = [getattr(dataset, n, "") for n in ("img_suffix", "seg_map_suffix")]
    wanted = f"images named *{suffixes[0]}" if suffixes[0] else "images"
    if prefix.get("seg_map_path"):
        what += f" (masks expected in {prefix['seg_map_path']})"
        wanted += f" and masks named *{suffixes[1]}" if suffixes[1] else " and masks"
    ann_file = str(getattr(dataset, "ann_file", "") or "")
    if ann_file and not os.path.isdir(ann_file):
        return Problem(ann_file, f"{what}: the list is empty", "Write one image name a line.", "no data")
    if not os.path.isdir(images):
        fix = f"The folder does not exist: set data_root, or fill it with {wanted}."
    else:
        there = list_suffixes(images)
        hint = f" The folder holds {there}." if there else ""
        fix = f"Put {wanted} there, or set data_root, data_prefix, img_suffix and seg_map_suffix.{hint}"
    return Problem(images, what, fix, "no data")


def list_suffixes(folder: str) -> str:
    """Count the files of a folder by suffix, as in '12 *.JPG, 1 *.txt'; empty where it holds none."""
    suffixes = Counter(Path(name).suffix for name in os.listdir(folder) if Path(name).suffix)
    return ", ".join(f"{count} *{suffix}" for suffix, count in suffixes.most_common(3))
