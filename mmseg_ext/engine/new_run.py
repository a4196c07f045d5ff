"""What tools/new_run.py does: look at a folder of images and its labels, and write the leaf config of a run on it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS

from mmseg_ext.data_check import DataReport, check_dataset, raise_for_problems, read_facts
from mmseg_ext.data_check.totals import EntryFacts
from mmseg_ext.datasets import FolderDataset
from mmseg_ext.datasets.folder_guess import TRAIN_NAMES, VAL_NAMES, FolderGuess, guess_folders, guess_scenes
from mmseg_ext.downsampling.image_files import JPEG_SUFFIXES
from mmseg_ext.errors import MAX_LISTED, UserError
from mmseg_ext.escaping import escape_markdown
from mmseg_ext.masks.mask_kinds import Kind, guess_masks
from mmseg_ext.points.point_files import SUFFIXES as POINT_SUFFIXES
from mmseg_ext.points.point_files import PointFile, read_points

LOADING = [{"type": "LoadImageFromFile"}, {"type": "mmseg_ext.LoadAnnotations"}]
"""The loading steps of configs/_base_/datasets/folder_256x256.py."""

_KINDS = {"index": "of class indices", "color": "of colours", "binary": "of 0 and 255"}
NUM_FOLDS = 3
Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Options:
    """What the user says, instead of what would be guessed.

    Attributes:
        kind: How masks name classes.
        classes: Names of the classes.
        colors: Their colours in the masks.
        ignore: Values or colours that mean "not labelled".
        image_tail: What names of images end in.
        mask_tail: What names of masks end in.
        scenes: Regular expression that finds the scene in an image's path; '' for none.
        folds: Number of parts of which one is held out.
    """

    kind: Kind | None = None
    classes: Sequence[str] | None = None
    colors: Sequence[str] | None = None
    ignore: Sequence[str] = ()
    image_tail: str | None = None
    mask_tail: str | None = None
    scenes: str | None = None
    folds: int | None = None


@dataclass
class Survey:
    """What was seen in the folders, and the run that follows from it.

    Attributes:
        dataset: Arguments of `FolderDataset` that all splits share.
        splits: Further arguments of the training and the validation images.
        classes: Names of the classes.
        seen: What is certain, a line each.
        doubts: What is not, a sentence each.
        reports: The check of the files of each split; of 'train' alone where both are the same.
        has_uneven_points: Whether the labels are points of which not as many were drawn for each class.
    """

    dataset: dict[str, Any]
    splits: dict[str, dict[str, Any]]
    classes: list[str]
    seen: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    reports: dict[str, DataReport] = field(default_factory=dict)
    has_uneven_points: bool = False

    @property
    def num_images(self) -> int:
        """Images with labels, of both splits."""
        return sum(report.num_images for report in self.reports.values())


def survey(images: Path, labels: Path | None, options: Options, progress: Progress | None = None) -> Survey:
    """Look at the images and labels, and choose the arguments of a dataset that reads them.

    Args:
        images: Folder of the images.
        labels: Folder of the masks, or file of points; None looks for masks inside and beside `images`.
        options: What the user says.
        progress: Called with (done, total) after every image.

    Raises:
        UserError: There are no labels, or they cannot be trained on; the message names the file and what to do.
    """
    with DefaultScope.overwrite_default_scope("mmseg"):
        if labels is not None and (labels.is_file() or labels.suffix.lower() in POINT_SUFFIXES):
            found = _survey_points(images, labels, options, progress)
        else:
            found = _survey_masks(images, labels, options, progress)
        _check(found, progress)
    return found


def _survey_masks(images: Path, masks: Path | None, options: Options, progress: Progress | None) -> Survey:
    folders = guess_folders(images, masks, options.image_tail, options.mask_tail)
    if folders.masks is None:
        raise UserError(
            f"Expected masks or points for the images in {images}, found none inside or beside it. Name the folder of "
            "masks or the file of points behind that of the images."
        )
    _, mask_of = _lazy_dataset(folders).find_files()
    paths = {image: mask for image, mask in mask_of.items() if mask.is_file()}
    entries = [{"img_path": str(image), "seg_map_path": str(mask)} for image, mask in paths.items()]
    facts = read_facts(entries, progress=progress)
    raise_for_problems([problem for one in facts for problem in one.problems])
    guess = guess_masks(
        [one.mask for one in facts if one.mask is not None],
        options.kind,
        options.classes,
        options.colors,
        options.ignore,
        any(mask.suffix.lower() in JPEG_SUFFIXES for mask in paths.values()),
        f"python tools/fix_masks.py {folders.root / folders.masks.removesuffix('/**')} --out FIXED",
    )
    dataset = {**folders.arguments(), "classes": guess.classes, "palette": guess.colors}
    if guess.load_labels["type"] != "mmseg_ext.LoadAnnotations":
        dataset["load_labels"] = guess.load_labels
    if guess.reduce_zero_label:
        dataset["reduce_zero_label"] = True
    seen = [*_describe_images(facts), f"masks: {len(paths)}, {_KINDS[guess.kind]}"]
    missing = [image.name for image in mask_of if image not in paths]
    if missing:
        dataset["only_labelled"] = True
        shown = ", ".join(missing[:MAX_LISTED]) + (" …" if len(missing) > MAX_LISTED else "")
        seen.append(f"images without a mask, left out: {len(missing)} of {len(mask_of)}, {shown}")
    found = Survey(dataset, {}, guess.classes, seen, [*folders.doubts, *guess.doubts])
    _choose_split(found, folders, list(paths), options)
    return found


def _survey_points(images: Path, file: Path, options: Options, progress: Progress | None) -> Survey:
    points = read_points(file)
    if not points.points:
        raise UserError(f"Expected points in {file}, found none.")
    folders = guess_folders(images, None, options.image_tail, "")
    _name_from_root(folders, points)
    doubts, classes = [], list(options.classes or ())
    if not classes:
        classes = sorted({str(point.label) for point in points.points})
        if all(name.isdecimal() for name in classes):
            classes = [f"class {number}" for number in range(max(map(int, classes)) + 1)]
        doubts.append(f"The classes are those of the points, sorted ({', '.join(classes)}): --classes names them all.")
    if len(classes) < 2:
        raise UserError(f"Expected points of two classes or more in {file}, got {classes[0]!r} alone.")
    dataset = {"classes": classes, "labels": {"file": file.as_posix()}, "only_labelled": True}
    all_images, _ = _lazy_dataset(folders).find_files()
    chosen = [sample["img_path"] for sample in _lazy_dataset(folders, **dataset).list_samples()]
    if not chosen:
        raise UserError(
            f"Expected points of the images in {images}, got points of {points.points[0].image!r} and others. "
            "python tools/convert_points.py writes a file with the names of the images as they are."
        )
    facts = read_facts([{"img_path": str(image)} for image in chosen], progress=progress)
    left_out = f"; {len(all_images) - len(chosen)} without points are left out" if len(chosen) < len(all_images) else ""
    seen = [*_describe_images(facts), f"points: {len(points.points)} in {len(chosen)} images{left_out}"]
    found = Survey({**folders.arguments(), **dataset}, {}, classes, seen, doubts)
    found.has_uneven_points = not points.is_even
    _choose_split(found, folders, chosen, options)
    found.doubts.append("The validation scores predictions at points alone.")
    return found


def _name_from_root(folders: FolderGuess, points: PointFile) -> None:
    """Take the folder as root from which the names of the points lead to images; masks are not read."""
    folders.masks, folders.mask_tail, folders.doubts = None, "", []
    folder = folders.root / folders.images.partition("*")[0]
    names = list(dict.fromkeys(point.image for point in points.points))
    best = max([folder, *folder.parents][:4], key=lambda root: sum((root / name).is_file() for name in names))
    if any((best / name).is_file() for name in names):
        folders.images = (folders.root / folders.images).relative_to(best).as_posix()
        folders.root = best


def _describe_images(facts: Sequence[EntryFacts]) -> list[str]:
    """Say how many images there are, their sizes, and what is special about some of them."""
    images = [one.image for one in facts if one.image is not None]
    sizes = [(image.height, image.width) for image in images] or [(0, 0)]
    low, high = (f"{height} × {width}" for height, width in (min(sizes), max(sizes)))
    formats = ", ".join(f"{count} {name or 'other'}" for name, count in Counter(i.format for i in images).most_common())
    seen = [f"images: {len(images)} ({formats}), {low}{'' if low == high else f' to {high}'} (height × width)"]
    turned = sum(image.orientation != 1 for image in images)
    transparent = sum(image.mode in ("RGBA", "LA", "PA", "RGBa") for image in images)
    if turned:
        seen.append(f"turned by EXIF: {turned}; read as viewers show them, and so have masks and points to be")
    if transparent:
        seen.append(f"with transparency: {transparent}; it is left out")
    return seen


def _lazy_dataset(folders: FolderGuess, **arguments: Any) -> FolderDataset:
    """Make a dataset of the folders that lists nothing yet."""
    settings = {"classes": ("one", "other"), **folders.arguments(), **arguments}
    return FolderDataset(**settings, pipeline=LOADING, lazy_init=True)


def _choose_split(found: Survey, folders: FolderGuess, images: Sequence[Path], options: Options) -> None:
    """Choose the validation images: those of a folder called val, or one of several parts of whole scenes."""
    train, val = folders.of_split(TRAIN_NAMES), folders.of_split(VAL_NAMES)
    if train is not None and val is not None and options.folds is None:
        for name in train:
            found.dataset.pop(name, None)
        found.splits = {"train": train, "val": val}
        found.seen.append(f"split: {train['images']} and {val['images']}")
        return
    names = [image.relative_to(folders.root).as_posix() for image in images]
    scenes = guess_scenes(folders, names) if options.scenes is None else options.scenes or None
    num_units = len(names)
    if scenes is not None:
        found.dataset["scenes"] = scenes
        dataset = _lazy_dataset(folders, scenes=scenes)
        num_units = len({dataset.scene_of(image, str(image)) for image in images})
        found.doubts.append(f"The names show {num_units} scenes, never parted: --scenes '' if they show none.")
    if num_units < 2:
        found.splits = {"train": {}, "val": {}}
        found.doubts.append("There is nothing to hold out: the score is that of the training images.")
        return
    num_folds = min(options.folds or NUM_FOLDS, num_units)
    found.dataset["num_folds"] = num_folds
    found.splits = {"train": {"split": "train"}, "val": {"split": "val"}}
    parts = "whole scenes" if scenes else "neighbours in the sorted names"
    found.seen.append(f"split: the first of {num_folds} parts, of {parts}, is held out")


def _check(found: Survey, progress: Progress | None) -> None:
    """Check all files as the run will, and refuse what it would refuse."""
    for split, arguments in found.splits.items():
        if split == "val" and arguments == found.splits["train"]:  # each image once
            return
        config = {"type": "mmseg_ext.FolderDataset", "pipeline": LOADING, **found.dataset, **arguments}
        report = check_dataset(DATASETS.build(config), progress=progress)
        report.raise_if_bad()
        found.reports[split] = report


def class_table(found: Survey) -> str:
    """Lay out the classes as a Markdown table: share of the labelled pixels, and images, of all splits."""
    reports = found.reports.values()
    total = max(sum(report.num_labelled_pixels for report in reports), 1)
    lines = ["| class | % of labelled pixels | images |", "|---|---|---|"]
    for index, name in enumerate(found.classes):
        pixels, images = (sum(getattr(r, key)[index] for r in reports) for key in ("class_pixels", "class_images"))
        lines.append(f"| {escape_markdown(name)} | {100 * pixels / total:.2f} | {images} |")
    return "\n".join(lines)
